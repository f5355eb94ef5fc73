"""The workflow remove_object as one node."""

from typing import Any

from lgvi_core.settings import OWN

from ..workflows.blueprint import Blueprint
from ..workflows.parts import SAMPLING, VIDEO_MODEL


def remove_object_node(graph: Blueprint) -> None:
    """The whole workflow remove_object as one node."""
    graph.description = (
        "Removes what a sentence names from the frames of a video: frames and sentence in, the "
        "frames without it and the mask of where it was out. The bundled model knows drawn clips; "
        "choose the authors' weights for real footage."
    )
    graph.aliases = (
        "remove object",
        "delete object",
        "erase",
        "object removal",
        "inpaint video",
        "video inpainting",
        "clean plate",
        "去除物体",
        "消除",
    )
    frames = graph.input("images", "IMAGE")
    text = graph.input("text", "STRING", "remove the red ball")
    menu = graph.input("model", "COMBO", VIDEO_MODEL)
    numbers = {
        "working_size": OWN,
        **SAMPLING,
        "steps": OWN,
        "text_scale": float(OWN),
        "video_scale": float(OWN),
        "grow": 0,
    }
    of: dict[str, Any] = {
        name: graph.input(name, "FLOAT" if isinstance(value, float) else "INT", value)
        for name, value in numbers.items()
    }
    model = graph.add("LGVI_LoadModel", model=menu)
    positive = graph.add("CLIPTextEncode", clip=model["clip"], text=text)
    negative = graph.add("CLIPTextEncode", "Nothing (keep empty)", clip=model["clip"], text="")
    condition = graph.add(
        "LGVI_VideoConditioning",
        positive=positive[0],
        negative=negative[0],
        vae=model["vae"],
        frames=frames,
        working_size=of["working_size"],
    )
    sample = graph.add(
        "LGVI_Sampler",
        model=model["model"],
        **{name: condition[name] for name in ("text_video", "video", "unconditional", "latent")},  # type: ignore[arg-type]
        **{name: of[name] for name in ("seed", "steps", "text_scale", "video_scale")},
    )
    decoded = graph.add("VAEDecode", samples=sample["latent"], vae=model["vae"])
    result = graph.add(
        "LGVI_Composite",
        source=frames,
        result=decoded[0],
        mask=sample["mask"],
        grow=of["grow"],
    )
    graph.output("images", result[0])
    graph.output("mask", sample["mask"])
