"""Parts that several workflows share, and the names that they are made with."""

from typing import Any

from ..workflows.graph import Graph, Node, Output

CLIP = "lgvi_sample.mp4"
CLIPS = "lgvi_clips"
VIDEO_MODEL = "lgvi-mini (bundled)"
END_TO_END_MODEL = "lgvi-mini-i (bundled, end to end)"
CHAT_MODEL = "lgvi-mini-chat (bundled)"
SCALES = {"text_scale": 1.0, "video_scale": 1.0}
SAMPLING: dict[str, Any] = {"seed": 1}
WORKING_SIZE = 160
PLAYER = 240  # height in pixels of a video in a node


def source(graph: Graph, note: str, chinese: str) -> Node:
    """Add a note in two languages and the sample video; return its frames, audio and rate."""
    graph.note(f"{note}\n\n{chinese}")
    return graph.add(
        "GetVideoComponents", video=graph.add("LoadVideo", at_least=PLAYER + 90, file=CLIP)[0]
    )


def sentence(graph: Graph, text: str | Output) -> tuple[Node, dict[str, Any]]:
    """Add the video model and the encoded sentence; return the model and its conditions."""
    model = graph.add("LGVI_LoadModel", model=VIDEO_MODEL)
    clip = model["clip"]
    positive = graph.add("CLIPTextEncode", "What to remove", "what", clip=clip, text=text)
    negative = graph.add("CLIPTextEncode", "Nothing (keep empty)", "nothing", clip=clip, text="")
    return model, {"positive": positive[0], "negative": negative[0]}


def ask(
    graph: Graph, chat: Node, video: Node, request: str, title: str = "", **inputs: Output
) -> Node:
    return graph.add(
        "LGVI_Chat",
        title,
        "what",
        at_least=420,
        chat=chat["chat"],
        frames=video["images"],
        request=request,
        **inputs,
    )


def sample(
    graph: Graph,
    model: Node,
    video: Node,
    conditions: dict[str, Any],
    changed: Output | None = None,
) -> Node:
    """Add conditioning and sampling; `changed` is a MODEL to use in place of the loader's."""
    condition = graph.add(
        "LGVI_VideoConditioning",
        at_least=190,
        vae=model["vae"],
        frames=video["images"],
        **conditions,
    )
    return graph.add(
        "LGVI_Sampler",
        model=changed or model["model"],
        text_video=condition["text_video"],
        video=condition["video"],
        unconditional=condition["unconditional"],
        latent=condition["latent"],
        **SAMPLING,
    )


def join(
    graph: Graph, title: str, first: Output, operation: str, second: Output, x: int = 0, y: int = 0
) -> Output:
    """Join two masks; (`x`, `y`) in pixels is the second one's position in the first."""
    kind = "MaskComposite"
    values: dict[str, Any] = {"x": x, "y": y, "operation": operation}
    return graph.add(kind, title, "what", destination=first, source=second, **values)[0]


def composite_and_save(graph: Graph, model: Node, video: Node, sampled: Node, mask: Output) -> None:
    """Add all nodes from the sampled latents to the saved video and the preview of the mask."""
    frames = video["images"]
    decoded = graph.add("VAEDecode", samples=sampled["latent"], vae=model["vae"])
    result = graph.add("LGVI_BackgroundFromFrames", source=frames, mask=mask, painting=decoded[0])
    show_mask(graph, video, result["opacity"])
    save_video(graph, result[0], video)


def remove_and_save(graph: Graph, model: Node, video: Node, conditions: dict[str, Any]) -> None:
    sampled = sample(graph, model, video, conditions)
    composite_and_save(graph, model, video, sampled, sampled["mask"])


def show_mask(graph: Graph, video: Node, opacity: Output, title: str = "Mask") -> None:
    """Play the clip with what was replaced; the settings of the node that did so hold here too."""
    graph.add(
        "LGVI_MaskPreview",
        title,
        at_least=PLAYER + 300,
        frames=video["images"],
        mask=opacity,
        as_it_is=True,
        fps=video["fps"],
    )


def scale_like(graph: Graph, title: str, images: Output, method: str, like: Output) -> Output:
    """Scale `images` to the size of `like`."""
    size = graph.add("GetImageSize", image=like)
    inputs: dict[str, Any] = {
        "width": size["width"],
        "height": size["height"],
        "upscale_method": method,
    }
    return graph.add("ImageScale", title, image=images, **inputs)[0]


def save_video(graph: Graph, frames: Output, video: Node, kind: str = "LGVI_CreateVideo") -> None:
    made = graph.add(kind, images=frames, fps=video["fps"], audio=video["audio"])
    graph.add(
        "SaveVideo", "Result", at_least=PLAYER + 150, video=made[0], filename_prefix="lgvi/result"
    )


def remove_from_video(graph: Graph, model: Node, video: Output, conditions: dict[str, Any]) -> Node:
    return graph.add(
        "LGVI_RemoveFromVideo",
        model=model["model"],
        vae=model["vae"],
        video=video,
        **conditions,
        **SAMPLING,
    )
