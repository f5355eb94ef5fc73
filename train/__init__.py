"""Training, evaluation and export of LGVI's models. Imports `lgvi_core`, never ComfyUI."""

import logging

# peft imports bitsandbytes, which on some CPUs says that it lacks a kernel for 4-bit inference. No
# training asks for that.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
