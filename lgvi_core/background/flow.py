"""Optical flow between two neighbouring frames: OpenCV's DIS, or RAFT where its weights are.

DIS is dense inverse search (Kroeger et al., ECCV 2016); RAFT is Teed and Deng's (ECCV 2020).
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from ..errors import LGVIError

FlowFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From two uint8 RGB frames [h, w, 3] to the flow [h, w, 2] (x, y) from the first to the second.

It is called from several threads at once.
"""

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
SMALLEST = 16
"""The side in pixels below which DIS has no pyramid to work on."""
RAFT_SIDE = 128
"""The smallest side in pixels that RAFT's correlation pyramid takes."""


def dis(
    preset: str = "fast",
    finest_scale: int | None = 0,
    iterations: int | None = 8,
    refinement: int | None = 2,
) -> FlowFunction:
    """Dense inverse search with one of OpenCV's PRESETS.

    `finest_scale` is the level of the pyramid where it stops: 0 is full size, 1 half of it;
    `iterations` are those of the search for each patch, `refinement` those of the variational
    smoothing after it; None is what the preset says. Raises LGVIError for a preset that does not
    exist.
    """
    if preset not in PRESETS:
        raise LGVIError(f"no DIS preset is called {preset!r}: choose of {', '.join(PRESETS)}")

    def measure(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        height, width = one.shape[:2]
        down, right = (max(0, SMALLEST - side) for side in (height, width))
        greys = []
        for frame in (one, other):
            grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
            if down or right:
                grey = cv2.copyMakeBorder(grey, 0, down, 0, right, cv2.BORDER_REPLICATE)
            greys.append(grey)
        # The object keeps buffers between calls, and two threads must not share them.
        method = cv2.DISOpticalFlow.create(PRESETS[preset])
        if finest_scale is not None:
            method.setFinestScale(finest_scale)
        if iterations is not None:
            method.setGradientDescentIterations(iterations)
        if refinement is not None:
            method.setVariationalRefinementIterations(refinement)
        flow = method.calc(greys[0], greys[1], None)  # type: ignore[call-overload]
        return flow[:height, :width]

    return measure


def raft(weights: str | Path, size: str = "large", device: str = "cpu") -> FlowFunction:
    """RAFT with torchvision's weights, a `.pth` or safetensors file, on any device.

    `size` is "large" or "small", as the weights are. Raises LGVIError where the file is missing or
    holds another model.
    """
    from torchvision.models.optical_flow import raft_large, raft_small

    models = {"large": raft_large, "small": raft_small}
    if size not in models:
        raise LGVIError(f"RAFT's size must be large or small, got {size!r}")
    model = models[size](weights=None)
    try:
        model.load_state_dict(_state_dict(Path(weights)))
    except RuntimeError as error:
        raise LGVIError(f"{weights} holds no weights of RAFT {size}: {error}") from error
    model.to(device).eval()

    @torch.inference_mode()
    def measure(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        height, width = one.shape[:2]
        down, right = (max(RAFT_SIDE, -(-side // 8) * 8) - side for side in (height, width))
        pair = torch.from_numpy(np.stack([one, other])).to(device).permute(0, 3, 1, 2)
        pair = F.pad(pair.float() / 127.5 - 1, (0, right, 0, down), mode="replicate")
        flow = model(pair[:1], pair[1:])[-1][0, :, :height, :width]
        return flow.permute(1, 2, 0).cpu().numpy()

    return measure


def _state_dict(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise LGVIError(f"no weights of RAFT at {path}: give the file's path, or use DIS")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
