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
VIDEO_MODEL = "lgvi-mini (bundled)"
END_TO_END_MODEL = "lgvi-mini-i (bundled, end to end)"
CHAT_MODEL = "lgvi-mini-chat (bundled)"
SAM3 = {
    "name": "sam3.1_multiplex_fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/sam3.1/resolve/main/checkpoints/"
    "sam3.1_multiplex_fp16.safetensors",
    "directory": "checkpoints",
}
SCALES = {"text_scale": 1.0, "video_scale": 1.0}
SAMPLING: dict[str, Any] = {"seed": 1}
WORKING_SIZE = 160
_PLAYER = 240  # height in pixels of a video in a node


def remove_object(graph: Graph) -> None:
    """The whole way from a sentence to the finished video and its mask."""
    video = _source(
        graph,
        "**Say what has to go.** Click *Run*: the red star goes from the sample clip. Then change "
        "*What to remove* to *remove the yellow fish*, or choose a clip of your own in *Load "
        "Video*. For real footage choose *download jianzongwu/lgvi* in Load LGVI.\n\n"
        "Clips with 10 bit or uneven frame times: take the workflow *05 A whole video "
        "file of any length*.",
        "写一句话说明要去掉什么，然后点击“运行”。示例视频里的红色星星会消失。",
    )
    model, conditions = _sentence(graph, "remove the red star")
    sample = _sample(graph, model, video, conditions)
    decoded = graph.add("VAEDecode", samples=sample["latent"], vae=model["vae"])
    result = graph.add(
        "LGVI_BackgroundFromFrames",
        source=video["images"],
        mask=sample["mask"],
        painting=decoded[0],
    )
    _show_mask(graph, video, result["opacity"], "Where it was")
    _save_video(graph, result[0], video)
    pictures = graph.add("MaskToImage", mask=sample["mask"])
    mask = graph.add("LGVI_CreateVideo", "Mask as video", images=pictures[0], fps=video["fps"])
    graph.add(
        "SaveVideo",
        "Mask",
        at_least=_PLAYER + 150,
        video=mask[0],
        filename_prefix="lgvi/mask",
    )


def two_objects(graph: Graph) -> None:
    """Removal of two objects by one sentence."""
    video = _source(
        graph,
        "**Name both in one sentence**, joined by *and*. For everything at once write *remove "
        "everything*.",
        "两个物体写在同一句话里，用 and 连接；全部去掉就写 remove everything。",
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
        "with the official weights make it 64 (512). The result gets the clip's own size; where "
        "that is odd, put LGVI Create Video in place of *Create Video*, which takes even ones.",
        "只有“加载 LGVI”是本节点包的，其余都是 ComfyUI 自带的采样节点；这里没有遮罩。",
    )
    model, conditions = _sentence(graph, "remove the red star")
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
    sigmas = graph.add("BasicScheduler", model=model["model"], scheduler="simple", steps=1)
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
    _save_video(graph, large, video, "CreateVideo")


def fix_the_mask(graph: Graph) -> None:
    """Compositing by the predicted mask with a part added by hand."""
    video = _source(
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
    model, conditions = _sentence(graph, "remove the red star")
    sample = _sample(graph, model, video, conditions)
    frame = graph.add(
        "ImageFromBatch", "Which frame", "what", image=video["images"], batch_index=0, length=1
    )
    graph.add("PreviewImage", "The frame to paint", at_least=_PLAYER + 60, images=frame[0])
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
        "任何分割节点的遮罩都可以用来限制（multiply）、增补（add）或替换预测的遮罩。",
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
        "不需要模型：遮罩盖住的部分由其他帧露出的背景补回。镜头或物体必须移动。",
    )
    frames = video["images"]
    red, green = (
        graph.add("ImageToMask", f"{name} channel".capitalize(), image=frames, channel=name)[0]
        for name in ("red", "green")
    )
    redder = _join(graph, "Redder than green", red, "subtract", green)
    mask = graph.add("ThresholdMask", "Your mask", "what", mask=redder, value=0.3)[0]
    result = graph.add(
        "LGVI_BackgroundFromFrames", source=frames, mask=mask, grow=6, feather=4, reach=40
    )
    _show_mask(graph, video, result["opacity"])
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
    result = graph.add(
        "LGVI_BackgroundFromFrames", source=frames, mask=mask, grow=6, feather=4, reach=40
    )
    _show_mask(graph, video, result["opacity"])
    _save_video(graph, result[0], video)


def long_clip(graph: Graph) -> None:
    """Context windows over a video that is longer than those of the training."""
    video = _source(
        graph,
        "**A long clip in overlapping windows**: memory stays that of one window. *length* is 24 "
        "with the official weights. *stride* lets every second step see frames that are further "
        "apart: 5 for a clip of 30 frames a second. For minutes of video, or where the frames "
        "do not fit into memory, take *05 A whole video file of any length*.",
        "长视频分成重叠的窗口处理，内存只占一个窗口的量。",
    )
    model, conditions = _sentence(graph, "remove the red star")
    windows = graph.add(
        "LGVI_ContextWindows", "", "what", model=model["model"], length=10, overlap=4, stride=2
    )
    sample = _sample(graph, model, video, conditions, windows["model"])
    _composite_and_save(graph, model, video, sample, sample["mask"])


def whole_video(graph: Graph) -> None:
    """Removal from a whole video file, which is never loaded at once."""
    graph.note(
        "**A whole file, however long**: it is never loaded at once, and size, frame times, depth "
        "of colour and sound come back as they were. Where a number is -1, the model's own is "
        "taken.\n\n"
        "整个视频文件，无论多长都不会一次性载入；尺寸、时间、色深和声音保持不变。",
    )
    video = graph.add("LoadVideo", at_least=_PLAYER + 90, file=CLIP)
    model, conditions = _sentence(graph, "remove the red star")
    done = _remove_from_video(graph, model, video[0], conditions)
    graph.add(
        "SaveVideo",
        "Result",
        at_least=_PLAYER + 150,
        video=done["video"],
        filename_prefix="lgvi/result",
    )
    graph.add(
        "SaveVideo", "Mask", at_least=_PLAYER + 150, video=done["mask"], filename_prefix="lgvi/mask"
    )


def batch_folder(graph: Graph) -> None:
    """Removal from all videos of a folder, one in each run."""
    graph.note(
        f"**Every video of a folder, one in each run.** Put clips into the folder *{CLIPS}* in "
        "ComfyUI's input folder, where the sample is, and press R. Set *index* to 0, leave the "
        "menu below it on *increment*, and set the number of runs beside the Run button to that "
        "of your clips. Each result is saved under the name of its clip.\n\n"
        "逐个处理文件夹里的视频：索引设为 0，下面的菜单保持 increment，运行次数设为视频数量。",
    )
    clip = graph.add("LGVI_VideoFromFolder", "", "what", folder=CLIPS)
    clip.entry["widgets_values"][-1] = "increment"
    model, conditions = _sentence(graph, "remove the red star")
    done = _remove_from_video(graph, model, clip["video"], conditions)
    graph.add(
        "SaveVideo",
        "Result",
        at_least=_PLAYER + 150,
        video=done["video"],
        filename_prefix=clip["name"],
    )


def interactive_two_stage(graph: Graph) -> None:
    """Two-stage removal: the chat model's prompt is text for the video model."""
    video = _source(
        graph,
        "**Say what you want, the chat model finds out what has to go.** Its prompt becomes text "
        "for the video model. Where it asks back instead, answer it in *request*, switch "
        "*remember* on, and queue again.",
        "用日常语言提出要求，对话模型会判断要去掉什么。它反问时，在“请求”里回答并打开“记住”。",
    )
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
        "端到端（LGVI-I）：对话模型的隐藏状态直接引导视频模型。两个模型要配套。",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "I only want to keep the fish and the heart.")
    model = graph.add("LGVI_LoadModel", model=END_TO_END_MODEL)
    _remove_and_save(graph, model, video, {"positive": asked["conditioning"]})


def multi_turn(graph: Graph) -> None:
    """A conversation of three turns, each a node LGVI Chat with the history of the one before."""
    video = _source(
        graph,
        "**A conversation in one graph.** Each LGVI Chat is given the *history* of the one "
        "before, and the last one's prompt is used. Change a request and queue again: only the "
        "turns from there on run anew.",
        "一张图里的三轮对话：每个“LGVI 对话”接上一轮的历史，使用最后一轮的提示。",
    )
    chat = graph.add("LGVI_LoadChat", model=CHAT_MODEL)
    asked = _ask(graph, chat, video, "What do you see?", title="First turn")
    requests = ("Remove the fish.", "Sorry, I meant the star instead.")
    for request, title in zip(requests, ("Second turn", "Third turn"), strict=True):
        asked = _ask(graph, chat, video, request, title, history=asked["history"])
    model, conditions = _sentence(graph, asked["prompt"])
    _remove_and_save(graph, model, video, conditions)


def _source(graph: Graph, note: str, chinese: str) -> Node:
    """Add a note in two languages and the sample video; return its frames, audio and rate."""
    graph.note(f"{note}\n\n{chinese}")
    return graph.add(
        "GetVideoComponents", video=graph.add("LoadVideo", at_least=_PLAYER + 90, file=CLIP)[0]
    )


def _sentence(graph: Graph, text: str | Output) -> tuple[Node, dict[str, Any]]:
    """Add the video model and the encoded sentence; return the model and its conditions."""
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
    result = graph.add("LGVI_BackgroundFromFrames", source=frames, mask=mask, painting=decoded[0])
    _show_mask(graph, video, result["opacity"])
    _save_video(graph, result[0], video)


def _remove_and_save(graph: Graph, model: Node, video: Node, conditions: dict[str, Any]) -> None:
    sample = _sample(graph, model, video, conditions)
    _composite_and_save(graph, model, video, sample, sample["mask"])


def _show_mask(graph: Graph, video: Node, opacity: Output, title: str = "Mask") -> None:
    """Play the clip with what was replaced; the settings of the node that did so hold here too."""
    graph.add(
        "LGVI_MaskPreview",
        title,
        at_least=_PLAYER + 300,
        frames=video["images"],
        mask=opacity,
        as_it_is=True,
        fps=video["fps"],
    )


def _scale_like(graph: Graph, title: str, images: Output, method: str, like: Output) -> Output:
    """Scale `images` to the size of `like`."""
    size = graph.add("GetImageSize", image=like)
    inputs: dict[str, Any] = {
        "width": size["width"],
        "height": size["height"],
        "upscale_method": method,
    }
    return graph.add("ImageScale", title, image=images, **inputs)[0]


def _save_video(graph: Graph, frames: Output, video: Node, kind: str = "LGVI_CreateVideo") -> None:
    made = graph.add(kind, images=frames, fps=video["fps"], audio=video["audio"])
    graph.add(
        "SaveVideo", "Result", at_least=_PLAYER + 150, video=made[0], filename_prefix="lgvi/result"
    )


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
        remove_object,
        two_objects,
        stock_nodes_only,
        fix_the_mask,
        external_mask,
        real_footage_mask,
        real_footage_words,
        long_clip,
        whole_video,
        batch_folder,
        interactive_two_stage,
        interactive_end_to_end,
        multi_turn,
    )
}


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


BLUEPRINTS: dict[str, Callable[[Blueprint], None]] = {"Remove object (LGVI)": remove_object_node}
