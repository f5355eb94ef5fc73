"""What to do where memory runs out."""

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
"""What torch and its libraries say where memory is full, and the card is not one of CUDA's."""
FEWER_FRAMES = (
    "take fewer frames, or LGVI Remove From Video, which never holds the whole clip in memory"
)


@contextmanager
def advice_when_full(advice: str) -> Iterator[None]:
    """Ends an error of memory that ran out with what to lower."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        # The same kind again, for which ComfyUI takes its models off the card.
        raise torch.cuda.OutOfMemoryError(f"{error}\n\nNot enough memory: {advice}") from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in OOM_MESSAGES):
            raise
        raise LGVIError(f"not enough memory in this machine: {advice}") from error
