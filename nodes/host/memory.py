"""Out-of-memory errors with advice on what to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...lgvi_core.errors import LGVIError

OOM_MESSAGES = (
    "DefaultCPUAllocator",
    "bad_alloc",
    "could not create a memory",
    "MPS backend out of",
)
"""Parts of the messages of out-of-memory errors that are not torch's OutOfMemoryError."""

# What to lower, by what was being done.
LOADING = "choose fp8_e4m3fn or fp16 as dtype, or close other programs"
LOADING_CHAT = "choose 4-bit, or cpu as device, or close other programs"
CHATTING = "lower max_length, ask with fewer turns, or load it in 4-bit"
ENCODING = "lower working_size, or take fewer than {frames} frames"
SAMPLING = (
    "lower the length of LGVI Context Windows (put one behind Load LGVI where there is none), or "
    "working_size in LGVI Video Conditioning"
)
WHOLE_VIDEO = "lower segment and window, then working_size"
FEWER_FRAMES = (
    "take fewer frames, or LGVI Remove From Video, which never holds the whole clip in memory"
)


@contextmanager
def advice_when_out_of_memory(advice: str) -> Iterator[None]:
    """Add `advice`, which says what to lower, to an out-of-memory error in the block.

    Errors other than CUDA's become LGVIError.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        # The kind of error stays, because ComfyUI then moves its models off the card.
        raise torch.cuda.OutOfMemoryError(f"{error}\n\nNot enough memory: {advice}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in OOM_MESSAGES):
            raise
        raise LGVIError(f"not enough memory in this machine: {advice}") from error
