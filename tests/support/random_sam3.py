"""Write random weights of SAM 3.1 in full size, 1.7 GB, for ComfyUI's own loader.

    python random_sam3.py COMFYUI FILE

It runs in a process of its own, which COMFYUI is imported into.
"""

import sys

import torch
from safetensors.torch import save_file

SCALE = 0.03


def main(comfyui: str, path: str) -> None:
    """Write to `path` what CheckpointLoaderSimple of the ComfyUI in the folder `comfyui` loads."""
    sys.path.insert(0, comfyui)
    from comfy.cli_args import args

    args.cpu = True
    from comfy.clip_model import CLIPTextModel
    from comfy.ldm.sam3.detector import SAM3Model
    from comfy.ops import disable_weight_init
    from comfy.text_encoders.sam3_clip import SAM3_CLIP_CONFIG

    with torch.device("meta"):
        network = SAM3Model(image_model="SAM31", operations=disable_weight_init)
        text = CLIPTextModel(SAM3_CLIP_CONFIG, torch.float16, None, disable_weight_init)
    place = "detector.backbone.language_backbone.sam3_clip.transformer."
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    shapes |= {place + name: value.shape for name, value in text.state_dict().items()}
    torch.manual_seed(0)
    save_file({name: _weights(name, shape) for name, shape in shapes.items()}, path)


def _weights(name: str, shape: torch.Size) -> torch.Tensor:
    """Noise for matrices; norms that change nothing."""
    if len(shape) > 1:
        return torch.randn(shape).mul_(SCALE).half()
    return torch.full(shape, float(name.endswith("weight")), dtype=torch.float16)


if __name__ == "__main__":
    main(*sys.argv[1:])
