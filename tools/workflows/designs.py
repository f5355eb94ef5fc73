"""Descriptions of the workflow files, from which tools/make_workflows.py writes them.

Node ids in a file follow the order of the description: add new nodes at its end.
"""

from collections.abc import Callable
from typing import Any

from lgvi_core.settings import OWN

from ..workflows.blueprint import Blueprint
from ..workflows.graph import Graph, Node, Output

CLIP = "lgvi_sample.mp4"
CLIPS = "lgvi_clips"
LORA = "lgvi_lora.safetensors"
VIDEO_MODEL = "lgvi-mini (bundled)"
END_TO_END_MODEL = "lgvi-mini-i (bundled, end to end)"
CHAT_MODEL = "lgvi-mini-chat (bundled)"
SAM3 = {
    "name": "sam3.1_multiplex_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/sam3.1/resolve/main/checkpoints/"
    "sam3.1_multiplex_fp16.safetensors",
    "directory": "checkpoints",
}
SCALES = {"text_scale": 2.0, "video_scale": 1.0}
SAMPLING: dict[str, Any] = {"seed": 1}
WORKING_SIZE = 160


def two_objects(graph: Graph) -> None:
    """Removal of two objects by one sentence."""
    video = _source(
        graph,
        "**Name both in one sentence**, joined by *and*. For everything at once write *remove "
        "everything*.",
    )
    model, conditions = _sentence(graph, "remove the red star and the white heart")
    _remove_and_save(graph, model, video, conditions)


def stock_nodes_only(graph: Graph) -> None:
    """Sampling by ComfyUI's own nodes, without a mask."""
    video = _source(
        graph,
        "**Only Load LGVI is this pack's**, everything else is ComfyUI's own: the three branches "
        "of the guidance are *cond1* (sentence and clip), *cond2* (clip) and *negative* "
        "(neither). There is no mask here, so the whole picture is the model's. The model wants "
        "sides that are multiples of 8: *largest_size* 20, times 8, is 160, right for lgvi-mini; "
        "with the official weights make it 64 (512). The result gets the clip's own size.",
    )
    model, conditions = _sentence(graph, "remove the red star")
    graph.column(320)
    eighth = graph.add(
        "ImageScaleToMaxDimension",
        "Longer side, divided by 8",
        "what",
        image=video["images"],
        upscale_method="area",
        largest_size=WORKING_SIZE // 8,
    )
    whole = graph.add(
        "ImageScaleBy",
        "Times 8",
        image=eighth[0],
        upscale_method="nearest-exact",
        scale_by=8.0,
    )
    small = _scale_like(graph, "For the model", video["images"], "area", whole[0])
    graph.column(320)
    clip = graph.add("InstructPixToPixConditioning", vae=model["vae"], pixels=small, **conditions)
    noise = graph.add("RandomNoise", noise_seed=1)
    guider = graph.add(
        "DualCFGGuider",
        model=model["model"],
        cond1=clip[0],
        cond2=clip[1],
        negative=conditions["negative"],
        cfg_conds=SCALES["text_scale"],
        cfg_cond2_negative=SCALES["video_scale"],
    )
    method = graph.add("KSamplerSelect", sampler_name="euler")
    sigmas = graph.add("BasicScheduler", model=model["model"], scheduler="normal", steps=10)
    graph.column(340)
    sampled = graph.add(
        "SamplerCustomAdvanced",
        noise=noise[0],
        guider=guider[0],
        sampler=method[0],
        sigmas=sigmas[0],
        latent_image=clip[2],
    )
    decoded = graph.add("VAEDecode", samples=sampled[0], vae=model["vae"])
    large = _scale_like(graph, "As large as the clip", decoded[0], "bicubic", video["images"])
    _save_video(graph, large, video)


def fix_the_mask(graph: Graph) -> None:
    """Compositing by the predicted mask with a part added by hand."""
    video = _source(
        graph,
        "**Add to the mask, or take from it.** The predicted mask and one of your own are joined "
        "by *MaskComposite*: *add* where the object was not covered, *subtract* where too much "
        "was. Paint yours with *Open in MaskEditor* on a Load Image node; a rectangle stands in "
        "for it here, whose *x*, *y*, *width* and *height* are pixels of this clip.",
    )
    model, conditions = _sentence(graph, "remove the red star")
    sample = _sample(graph, model, video, conditions)
    mine = graph.add("SolidMask", "Your own mask", value=1.0, width=60, height=40)[0]
    mended = _join(graph, "Predicted and yours", sample["mask"], "add", mine, x=130, y=10)
    _composite_and_save(graph, model, video, sample, mended)


def external_mask(graph: Graph) -> None:
    """Compositing by the predicted mask, restricted by a mask of another node."""
    video = _source(
        graph,
        "**A mask of any segmentation node** restricts the predicted one (*multiply*), adds to "
        "it (*add*), or takes its place: connect it to LGVI Composite directly. All that is "
        "bright in the clip's red channel stands in for it here: put your own in place of these "
        "two nodes. It has the clip's size; one mask per frame, or one for all.",
    )
    model, conditions = _sentence(graph, "remove the red star")
    sample = _sample(graph, model, video, conditions)
    red = graph.add("ImageToMask", "Red channel", image=video["images"], channel="red")
    other = graph.add("ThresholdMask", "Mask from elsewhere", mask=red[0], value=0.5)
    joined = _join(graph, "Predicted and from elsewhere", sample["mask"], "multiply", other[0])
    _composite_and_save(graph, model, video, sample, joined)


def real_footage_mask(graph: Graph) -> None:
    """Removal behind any mask by what other frames show, without a model."""
    video = _source(
        graph,
        "**Any mask, no model.** What the mask covers is filled with what other frames of the clip "
        "show there; this works on real footage, and on a CPU. Put the mask of a segmentation "
        "node, or a painted one, in place of the four nodes beside this note: what is much redder "
        "than green stands in for it here. Let the mask include the shadow. The camera or the "
        "object must move: what no frame shows is only filled from around it.",
    )
    graph.column(320)
    frames = video["images"]
    red, green = (
        graph.add("ImageToMask", f"{name} channel".capitalize(), image=frames, channel=name)[0]
        for name in ("red", "green")
    )
    redder = _join(graph, "Redder than green", red, "subtract", green)
    mask = graph.add("ThresholdMask", "Your mask", "what", mask=redder, value=0.3)[0]
    graph.column(340)
    result = graph.add(
        "LGVI_BackgroundFromFrames", source=frames, mask=mask, grow=6, feather=4, reach=40
    )
    shown = graph.add("LGVI_MaskPreview", at_least=240, frames=frames, mask=mask, grow=6, feather=4)
    graph.add("PreviewImage", "Mask", at_least=300, images=shown[0])
    _save_video(graph, result[0], video)


def real_footage_words(graph: Graph) -> None:
    """Removal of what words name: a mask by ComfyUI's SAM 3, filled by what other frames show."""
    video = _source(
        graph,
        "**Words find it, other frames fill it.** ComfyUI's own SAM 3 follows what *What to "
        "remove* names through the clip; what it covers is filled with what other frames show "
        "there. This needs **ComfyUI 0.20.0 or later**: in an older one the two SAM3 nodes are "
        "missing. The camera or the object must move: what no frame shows is only filled from "
        "around it.",
    )
    graph.column(360)
    graph.note(
        f"**Download** [{SAM3['name']}]({SAM3['url']}) (1.7 GB, under Meta's SAM licence) into "
        f"*models/{SAM3['directory']}*, press R, and choose it below.",
        90,
    )
    model = graph.add("CheckpointLoaderSimple", "Load SAM 3", ckpt_name=SAM3["name"])
    model.entry["properties"]["models"] = [SAM3]
    words = graph.add(
        "CLIPTextEncode", "What to remove", "what", clip=model["CLIP"], text="red star"
    )
    graph.note(
        "**Words**: short phrases with commas between: *red star, shadow of the red star*. All "
        "that fits is followed, *max_objects* things at most. Is something missed? Lower "
        "*detection_threshold*. Does too much go? Raise it, say it more exactly, or lower "
        "*max_objects*.\n\n**In everyday words**: add Load LGVI Chat and LGVI Chat, give it the "
        "*images* of the clip, and connect its *objects* to *text* above.",
        180,
    )
    graph.column(340)
    frames = video["images"]
    track = graph.add(
        "SAM3_VideoTrack", "", images=frames, model=model["MODEL"], conditioning=words[0]
    )
    mask = graph.add("SAM3_TrackToMask", track_data=track[0])[0]
    result = graph.add(
        "LGVI_BackgroundFromFrames", source=frames, mask=mask, grow=6, feather=4, reach=40
    )
    graph.column(340)
    shown = graph.add("LGVI_MaskPreview", at_least=240, frames=frames, mask=mask, grow=6, feather=4)
    graph.add("PreviewImage", "Mask", at_least=300, images=shown[0])
    _save_video(graph, result[0], video)


def long_clip(graph: Graph) -> None:
    """Context windows over a video that is longer than those of the training."""
    video = _source(
        graph,
        "**A long clip in overlapping windows**: memory stays that of one window. *length* is 24 "
        "with the official weights. *stride* lets every second step see frames that are further "
        "apart: 5 for a clip of 30 frames a second. For minutes of video, or where the frames "
        "do not fit into memory, take *whole_video*.",
    )
    model, conditions = _sentence(graph, "remove the red star")
    windows = graph.add(
        "LGVI_ContextWindows", "", "what", model=model["model"], length=10, overlap=4, stride=2
    )
    sample = _sample(graph, model, video, conditions, windows["model"])
    _composite_and_save(graph, model, video, sample, sample["mask"])


def whole_video(graph: Graph) -> None:
    """Removal from a whole video file, which is never loaded at once."""
    graph.column(320)
    graph.note(
        "**A whole file, however long**: it is never loaded at once, and size, frame times, depth "
        "of colour and sound come back as they were. Where a number is -1, the model's own is "
        "taken.",
        150,
    )
    video = graph.add("LoadVideo", at_least=330, file=CLIP)
    graph.column(340)
    model, conditions = _sentence(graph, "remove the red star")
    graph.column(340)
    done = _remove_from_video(graph, model, video[0], conditions)
    graph.column(380)
    graph.add(
        "SaveVideo", "Result", at_least=380, video=done["video"], filename_prefix="lgvi/result"
    )
    graph.add("SaveVideo", "Mask", at_least=300, video=done["mask"], filename_prefix="lgvi/mask")


def batch_folder(graph: Graph) -> None:
    """Removal from all videos of a folder, one in each run."""
    graph.column(320)
    graph.note(
        f"**Every video of a folder, one in each run.** Make the folder *{CLIPS}* in ComfyUI's "
        "input folder, put clips into it, and press R. Set *index* to 0, leave the menu below it "
        "on *increment*, and set the number of runs beside the Run button to that of your clips. "
        "Each result is saved under the name of its clip.",
        190,
    )
    clip = graph.add("LGVI_VideoFromFolder", "", "what", folder=CLIPS)
    clip.entry["widgets_values"][-1] = "increment"
    graph.column(340)
    model, conditions = _sentence(graph, "remove the red star")
    graph.column(340)
    done = _remove_from_video(graph, model, clip["video"], conditions)
    graph.column(380)
    graph.add(
        "SaveVideo", "Result", at_least=380, video=done["video"], filename_prefix=clip["name"]
    )


def lora(graph: Graph) -> None:
    """A LoRA made by `train.train_lgvi`, on top of the model."""
    video = _source(
        graph,
        f"**A LoRA that `train.train_lgvi` made** changes the model a little: put the file into "
        f"*models/loras*. Without one called *{LORA}*, choose another.",
    )
    model, conditions = _sentence(graph, "remove the red star")
    changed = graph.add(
        "LoraLoaderModelOnly", "", "what", model=model["model"], lora_name=LORA, strength_model=1.0
    )
    sample = _sample(graph, model, video, conditions, changed[0])
    _composite_and_save(graph, model, video, sample, sample["mask"])


def interactive_two_stage(graph: Graph) -> None:
    """Two-stage removal: the chat model's prompt is text for the video model."""
    video = _source(
        graph,
        "**Say what you want, the chat model finds out what has to go.** Its prompt becomes text "
        "for the video model. Where it asks back instead, answer it in *request*, switch "
        "*remember* on, and queue again.",
    )
    graph.column(360)
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "The star distracts from the fish, can you help?")
    model, conditions = _sentence(graph, asked["prompt"])
    _remove_and_save(graph, model, video, conditions)


def interactive_end_to_end(graph: Graph) -> None:
    """LGVI-I: the chat model's hidden states reach the video model through the MM head."""
    video = _source(
        graph,
        "**End to end (LGVI-I).** The hidden states of the chat's prompt guide the video model "
        "directly, without a text encoder: *conditioning* goes to *positive*, and *negative* "
        "stays open. Chat and video model belong together.",
    )
    graph.column(360)
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "I only want to keep the fish and the heart.")
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=END_TO_END_MODEL)
    _remove_and_save(graph, model, video, {"positive": asked["conditioning"]})


def multi_turn(graph: Graph) -> None:
    """A conversation of three turns, each a node LGVI Chat with the history of the one before."""
    video = _source(
        graph,
        "**A conversation in one graph.** Each LGVI Chat is given the *history* of the one "
        "before, and the last one's prompt is used. Change a request and queue again: only the "
        "turns from there on run anew.",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    graph.column(360)
    asked = _ask(graph, chat, video, "What do you see?", title="First turn")
    requests = ("Remove the fish.", "Sorry, I meant the star instead.")
    for request, title in zip(requests, ("Second turn", "Third turn"), strict=True):
        asked = _ask(graph, chat, video, request, title, history=asked["history"])
    model, conditions = _sentence(graph, asked["prompt"])
    _remove_and_save(graph, model, video, conditions)


def _source(graph: Graph, note: str) -> Node:
    """Add a note and the sample video; return its frames, audio and frame rate."""
    graph.column(320)
    graph.note(note, 60 + len(note) // 2)
    return graph.add("GetVideoComponents", video=graph.add("LoadVideo", at_least=330, file=CLIP)[0])


def _sentence(graph: Graph, text: str | Output) -> tuple[Node, dict[str, Any]]:
    """Add the video model and the encoded sentence; return the model and its conditions."""
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=VIDEO_MODEL)
    clip = model["clip"]
    positive = graph.add("CLIPTextEncode", "What to remove", "what", clip=clip, text=text)
    negative = graph.add("CLIPTextEncode", "Nothing (keep empty)", "nothing", clip=clip, text="")
    return model, {"positive": positive[0], "negative": negative[0]}


def _ask(
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


def _sample(
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
    graph.column(320)
    return graph.add(
        "LGVI_Sampler",
        model=changed or model["model"],
        text_video=condition["text_video"],
        video=condition["video"],
        unconditional=condition["unconditional"],
        latent=condition["latent"],
        **SAMPLING,
    )


def _join(
    graph: Graph, title: str, first: Output, operation: str, second: Output, x: int = 0, y: int = 0
) -> Output:
    """Join two masks; (`x`, `y`) in pixels is the second one's position in the first."""
    kind = "MaskComposite"
    values: dict[str, Any] = {"x": x, "y": y, "operation": operation}
    return graph.add(kind, title, "what", destination=first, source=second, **values)[0]


def _composite_and_save(graph: Graph, model: Node, video: Node, sample: Node, mask: Output) -> None:
    """Add all nodes from the sampled latents to the saved video and the preview of the mask."""
    frames = video["images"]
    decoded = graph.add("VAEDecode", samples=sample["latent"], vae=model["vae"])
    graph.column(320)
    result = graph.add("LGVI_BackgroundFromFrames", source=frames, mask=mask, painting=decoded[0])
    shown = graph.add("LGVI_MaskPreview", at_least=240, frames=frames, mask=mask, result=decoded[0])
    graph.add("PreviewImage", "Mask", at_least=300, images=shown[0])
    _save_video(graph, result[0], video)


def _remove_and_save(graph: Graph, model: Node, video: Node, conditions: dict[str, Any]) -> None:
    sample = _sample(graph, model, video, conditions)
    _composite_and_save(graph, model, video, sample, sample["mask"])


def _scale_like(graph: Graph, title: str, images: Output, method: str, like: Output) -> Output:
    """Scale `images` to the size of `like`."""
    size = graph.add("GetImageSize", image=like)
    inputs: dict[str, Any] = {
        "width": size["width"],
        "height": size["height"],
        "upscale_method": method,
    }
    return graph.add("ImageScale", title, image=images, **inputs)[0]


def _save_video(graph: Graph, frames: Output, video: Node) -> None:
    graph.column(380)
    made = graph.add("CreateVideo", images=frames, fps=video["fps"], audio=video["audio"])
    graph.add("SaveVideo", "Result", at_least=380, video=made[0], filename_prefix="lgvi/result")


def _remove_from_video(
    graph: Graph, model: Node, video: Output, conditions: dict[str, Any]
) -> Node:
    return graph.add(
        "LGVI_RemoveFromVideo",
        model=model["model"],
        vae=model["vae"],
        video=video,
        **conditions,
        **SAMPLING,
    )


DESIGNS: dict[str, Callable[[Graph], None]] = {
    design.__name__: design
    for design in (
        two_objects,
        stock_nodes_only,
        fix_the_mask,
        external_mask,
        real_footage_mask,
        real_footage_words,
        long_clip,
        whole_video,
        batch_folder,
        lora,
        interactive_two_stage,
        interactive_end_to_end,
        multi_turn,
    )
}


def remove_object_node(graph: Blueprint) -> None:
    """The whole workflow remove_object as one node."""
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
    graph.column(340)
    model = graph.add("LGVI_LoadModel", model=menu)
    positive = graph.add("CLIPTextEncode", clip=model["clip"], text=text)
    negative = graph.add("CLIPTextEncode", "Nothing (keep empty)", clip=model["clip"], text="")
    graph.column(340)
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
    graph.column(340)
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


BLUEPRINTS: dict[str, Callable[[Blueprint], None]] = {"Remove object (LGVI)": remove_object_node}
