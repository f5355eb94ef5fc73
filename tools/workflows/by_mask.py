"""Workflows with a mask of another node, or a painted one."""

from typing import Any

from ..workflows.graph import Graph, Node, Output
from ..workflows.parts import (
    PLAYER,
    composite_and_save,
    join,
    sample,
    save_video,
    sentence,
    show_mask,
    source,
)

SAM3 = {
    "name": "sam3.1_multiplex_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/sam3.1/resolve/main/checkpoints/"
    "sam3.1_multiplex_fp16.safetensors",
    "directory": "checkpoints",
}


def fix_the_mask(graph: Graph) -> None:
    """Compositing by the predicted mask with a part added by hand."""
    video = source(
        graph,
        "**Add to the mask, or take from it.** The predicted mask and one of your own are joined "
        "by *MaskComposite*: *add* where the object was not covered, *subtract* where too much "
        "was. A rectangle stands in for yours, in pixels of this clip.\n\n"
        "**To paint one**: run once; on *The frame to paint* right-click, *Copy (Clipspace)*; add "
        "a Load Image node, right-click it, *Paste (Clipspace)*, then *Open in MaskEditor*. Paint, "
        "save, and connect its *MASK* to *source* of MaskComposite, with *x* and *y* 0. It holds "
        "for all frames: paint where the object passes.",
        "把自己的遮罩加到预测的遮罩上（add），或从中减去（subtract）。先运行一次，在要画的那一帧上右键"
        "“复制（Clipspace）”，粘贴到“加载图像”节点，再用遮罩编辑器绘制。",
    )
    model, conditions = sentence(graph, "remove the red star")
    sampled = sample(graph, model, video, conditions)
    frame = graph.add(
        "ImageFromBatch", "Which frame", "what", image=video["images"], batch_index=0, length=1
    )
    graph.add("PreviewImage", "The frame to paint", at_least=PLAYER + 60, images=frame[0])
    mine = graph.add("SolidMask", "Your own mask", value=1.0, width=60, height=40)[0]
    mended = join(graph, "Predicted and yours", sampled["mask"], "add", mine, x=130, y=10)
    composite_and_save(graph, model, video, sampled, mended)


def external_mask(graph: Graph) -> None:
    """Compositing by the predicted mask, restricted by a mask of another node."""
    video = source(
        graph,
        "**A mask of any segmentation node** restricts the predicted one (*multiply*), adds to "
        "it (*add*), or takes its place: connect it to LGVI Composite directly. All that is "
        "bright in the clip's red channel stands in for it here: put your own in place of these "
        "two nodes. It has the clip's size; one mask per frame, or one for all.",
        "任何分割节点的遮罩都可以用来限制（multiply）、增补（add）或替换预测的遮罩。",
    )
    model, conditions = sentence(graph, "remove the red star")
    sampled = sample(graph, model, video, conditions)
    red = graph.add("ImageToMask", "Red channel", image=video["images"], channel="red")
    other = graph.add("ThresholdMask", "Mask from elsewhere", mask=red[0], value=0.5)
    joined = join(graph, "Predicted and from elsewhere", sampled["mask"], "multiply", other[0])
    composite_and_save(graph, model, video, sampled, joined)


def real_footage_mask(graph: Graph) -> None:
    """Removal behind any mask by what other frames show, without a model."""
    video = source(
        graph,
        "**Any mask, no model.** What the mask covers is filled with what other frames of the clip "
        "show there; this works on real footage, and on a CPU. Put the mask of a segmentation "
        "node, or a painted one, in place of the four nodes beside this note: what is much redder "
        "than green stands in for it here. Let the mask include the shadow. The camera or the "
        "object must move: what no frame shows is only filled from around it.",
        "不需要模型：遮罩盖住的部分由其他帧露出的背景补回。镜头或物体必须移动。",
    )
    frames = video["images"]
    mask = _redder(graph, frames, "Your mask")
    _fill_and_save(graph, video, mask)


def real_footage_words(graph: Graph) -> None:
    """Removal of what words name: a mask by ComfyUI's SAM 3, filled by what other frames show."""
    video = source(
        graph,
        "**Words find it, other frames fill it.** ComfyUI's own SAM 3 follows what *What to "
        "remove* names through the clip; what it covers is filled with what other frames show "
        "there. This needs **ComfyUI 0.20.0 or later**: in an older one the two SAM3 nodes are "
        "missing. The camera or the object must move: what no frame shows is only filled from "
        "around it.",
        "用词语找到物体（ComfyUI 自带的 SAM 3，需要 0.20.0 或更高版本），由其他帧补回背景。",
    )
    graph.note(
        f"**Download** [{SAM3['name']}]({SAM3['url']}) (1.7 GB, under Meta's SAM licence) into "
        f"*models/{SAM3['directory']}*, press R, and choose it below.",
    )
    model = graph.add("CheckpointLoaderSimple", "Load SAM 3", ckpt_name=SAM3["name"])
    model.entry["properties"]["models"] = [SAM3]
    words = graph.add(
        "CLIPTextEncode", "What to remove", "what", clip=model["CLIP"], text="red star"
    )
    graph.note(
        "**Words**: short phrases with commas between: *red star, shadow of the red star*. All "
        "that fits is followed, at most *max_objects* things. Is something missed? Lower "
        "*detection_threshold*, or raise *max_objects*. Does too much go? Say it more exactly, "
        "raise the threshold, or set *max_objects* to 1, which keeps the likeliest."
        "\n\n**In everyday words**: add Load LGVI Chat and LGVI Chat, give it the "
        "*images* of the clip, and connect its *objects* to *text* above.",
    )
    frames = video["images"]
    track = graph.add(
        "SAM3_VideoTrack", "", images=frames, model=model["MODEL"], conditioning=words[0]
    )
    mask = graph.add("SAM3_TrackToMask", track_data=track[0])[0]
    _fill_and_save(graph, video, mask)


def painted_masks(graph: Graph) -> None:
    """Masks painted on a few frames, carried to all and filled by what other frames show."""
    video = source(
        graph,
        "**Paint on one frame, or on some.** *LGVI Carry Mask* carries what is painted to all "
        "frames, and other frames fill what it covers; no model is needed. What is much redder "
        "than green in frame 0 stands in for your painting here.\n\n"
        "**To paint**: run once; on *The frame to paint* right-click, *Copy (Clipspace)*; add a "
        "Load Image node, right-click it, *Paste (Clipspace)*, then *Open in MaskEditor*. Paint, "
        "save, and connect its *MASK* to *mask_1*, with the frame's number in *frame_1*. Where "
        "the mask goes astray, change *batch_index* to that frame, and paint *mask_2* on it.",
        "在一帧或几帧上绘制遮罩，“LGVI 传递遮罩”把它传到所有帧，其他帧补回背景；不需要模型。",
    )
    frames = video["images"]
    frame = graph.add(
        "ImageFromBatch", "Which frame", "what", image=frames, batch_index=0, length=1
    )
    graph.add("PreviewImage", "The frame to paint", at_least=PLAYER + 60, images=frame[0])
    mine = _redder(graph, frame[0], "Your painting")
    mask = graph.add("LGVI_CarryMask", at_least=320, frames=frames, mask_1=mine, frame_1=0)[0]
    _fill_and_save(graph, video, mask)


def _redder(graph: Graph, images: Output, title: str) -> Output:
    """Mark what is much redder than green in `images`: it stands in for a person's own mask."""
    red, green = (
        graph.add("ImageToMask", f"{name} channel".capitalize(), image=images, channel=name)[0]
        for name in ("red", "green")
    )
    redder = join(graph, "Redder than green", red, "subtract", green)
    return graph.add("ThresholdMask", title, "what", mask=redder, value=0.3)[0]


def _fill_and_save(graph: Graph, video: Node, mask: Output) -> None:
    """Put back what other frames show behind a mask, without a model, and save the result."""
    how: dict[str, Any] = {"grow": 6, "feather": 4, "reach": 40}
    kind = "LGVI_BackgroundFromFrames"
    result = graph.add(kind, source=video["images"], mask=mask, **how)
    show_mask(graph, video, result["opacity"])
    save_video(graph, result[0], video)
