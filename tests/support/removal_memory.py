"""Print the peak memory in MB of removal from a 320 x 192 video of a given number of frames.

host/test_memory.py runs it in a process of its own. The checkpoint is random, which needs the same
memory as trained weights.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT), str(ROOT / "tests")]

from support.tiny_checkpoint import write_checkpoint  # noqa: E402
from tools.whole_video import SETTINGS, modules, write_video  # noqa: E402

MEMORY = {"working_size": 64, "steps": 2, "window": 8, "overlap": 2, "segment": 20}


@torch.inference_mode()
def remove_from_generated(frames: int) -> None:
    """Run the removal on a generated video: a grey gradient that moves by a pixel per frame."""
    own = modules()
    height, width = 192, 320
    slope = np.linspace(0, 255, width + frames, dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        tiny = write_checkpoint(Path(folder) / "tiny")
        checkpoint = own.checkpoint.load_checkpoint(tiny)
        model, _, vae = own.comfy_checkpoint.create(checkpoint, "fp32")
        text = [[torch.zeros(1, 77, checkpoint.unet_config.cross_attention_dim), {}]]
        how = own.removal.Removal.from_inputs(model, vae, text, text, **SETTINGS, **MEMORY)
        source, result, mask = (Path(folder) / f"{n}.mp4" for n in ("source", "result", "mask"))
        shape = (height, width, 3)
        write_video(
            source,
            (
                np.broadcast_to(slope[None, t : t + width, None], shape).copy()
                for t in range(frames)
            ),
        )
        own.removal.remove(source, how, result, mask, lambda _: None)


if __name__ == "__main__":
    remove_from_generated(int(sys.argv[1]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
