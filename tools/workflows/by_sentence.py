"""Workflows that are told by a sentence what has to go."""

from ..workflows.graph import Graph
from ..workflows.parts import (
    CLIP,
    CLIPS,
    PLAYER,
    SCALES,
    WORKING_SIZE,
    composite_and_save,
    remove_and_save,
    remove_from_video,
    sample,
    save_video,
    scale_like,
    sentence,
    show_mask,
    source,
)


def remove_object(graph: Graph) -> None:
    """The whole way from a sentence to the finished video and its mask."""
    video = source(
        graph,
        "**Say what has to go.** Click *Run*: the red star goes from the sample clip. Then change "
        "*What to remove* to *remove the yellow fish*, or choose a clip of your own in *Load "
        "Video*. For real footage choose *download jianzongwu/lgvi* in Load LGVI.\n\n"
        "Clips with 10 bit or uneven frame times: take the workflow *05 A whole video "
        "file of any length*.",
        "写一句话说明要去掉什么，然后点击“运行”。示例视频里的红色星星会消失。",
    )
    model, conditions = sentence(graph, "remove the red star")
    sampled = sample(graph, model, video, conditions)
    decoded = graph.add("VAEDecode", samples=sampled["latent"], vae=model["vae"])
    result = graph.add(
        "LGVI_BackgroundFromFrames",
        source=video["images"],
        mask=sampled["mask"],
        painting=decoded[0],
    )
    show_mask(graph, video, result["opacity"], "Where it was")
    save_video(graph, result[0], video)
    pictures = graph.add("MaskToImage", mask=sampled["mask"])
    mask = graph.add("LGVI_CreateVideo", "Mask as video", images=pictures[0], fps=video["fps"])
    graph.add(
        "SaveVideo",
        "Mask",
        at_least=PLAYER + 150,
        video=mask[0],
        filename_prefix="lgvi/mask",
    )


def two_objects(graph: Graph) -> None:
    """Removal of two objects by one sentence."""
    video = source(
        graph,
        "**Name both in one sentence**, joined by *and*. For everything at once write *remove "
        "everything*.",
        "两个物体写在同一句话里，用 and 连接；全部去掉就写 remove everything。",
    )
    model, conditions = sentence(graph, "remove the red star and the white heart")
    remove_and_save(graph, model, video, conditions)


def stock_nodes_only(graph: Graph) -> None:
    """Sampling by ComfyUI's own nodes, without a mask."""
    video = source(
        graph,
        "**Only Load LGVI is this pack's**, everything else is ComfyUI's own: the three branches "
        "of the guidance are *cond1* (sentence and clip), *cond2* (clip) and *negative* "
        "(neither). There is no mask here, so the whole picture is the model's. The model wants "
        "sides that are multiples of 8: *largest_size* 20, times 8, is 160, right for lgvi-mini; "
        "with the official weights make it 64 (512). The result gets the clip's own size; where "
        "that is odd, put LGVI Create Video in place of *Create Video*, which takes even ones.",
        "只有“加载 LGVI”是本节点包的，其余都是 ComfyUI 自带的采样节点；这里没有遮罩。",
    )
    model, conditions = sentence(graph, "remove the red star")
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
    small = scale_like(graph, "For the model", video["images"], "area", whole[0])
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
    large = scale_like(graph, "As large as the clip", decoded[0], "bicubic", video["images"])
    save_video(graph, large, video, "CreateVideo")


def long_clip(graph: Graph) -> None:
    """Context windows over a video that is longer than those of the training."""
    video = source(
        graph,
        "**A long clip in overlapping windows**: memory stays that of one window. *length* is 24 "
        "with the official weights. *stride* lets every second step see frames that are further "
        "apart: 5 for a clip of 30 frames a second. For minutes of video, or where the frames "
        "do not fit into memory, take *05 A whole video file of any length*.",
        "长视频分成重叠的窗口处理，内存只占一个窗口的量。",
    )
    model, conditions = sentence(graph, "remove the red star")
    windows = graph.add(
        "LGVI_ContextWindows", "", "what", model=model["model"], length=10, overlap=4, stride=2
    )
    sampled = sample(graph, model, video, conditions, windows["model"])
    composite_and_save(graph, model, video, sampled, sampled["mask"])


def whole_video(graph: Graph) -> None:
    """Removal from a whole video file, which is never loaded at once."""
    graph.note(
        "**A whole file, however long**: it is never loaded at once, and size, frame times, depth "
        "of colour and sound come back as they were. Where a number is -1, the model's own is "
        "taken.\n\n"
        "整个视频文件，无论多长都不会一次性载入；尺寸、时间、色深和声音保持不变。",
    )
    video = graph.add("LoadVideo", at_least=PLAYER + 90, file=CLIP)
    model, conditions = sentence(graph, "remove the red star")
    done = remove_from_video(graph, model, video[0], conditions)
    graph.add(
        "SaveVideo",
        "Result",
        at_least=PLAYER + 150,
        video=done["video"],
        filename_prefix="lgvi/result",
    )
    graph.add(
        "SaveVideo", "Mask", at_least=PLAYER + 150, video=done["mask"], filename_prefix="lgvi/mask"
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
    model, conditions = sentence(graph, "remove the red star")
    done = remove_from_video(graph, model, clip["video"], conditions)
    graph.add(
        "SaveVideo",
        "Result",
        at_least=PLAYER + 150,
        video=done["video"],
        filename_prefix=clip["name"],
    )


def small_object(graph: Graph) -> None:
    """A small object worked on in a crop that follows it."""
    video = source(
        graph,
        "**A small object in a large frame.** *LGVI Find Object* looks for it, in larger sizes "
        "too; *LGVI Crop To Object* cuts the same size out of every frame around it; the model "
        "works on the crops; *LGVI Stitch Crop* lays them back. The star here is large enough: "
        "the whole frames are taken, as that node says. Load a clip with something small in "
        "*Load Video*. LGVI Remove From Video does all this by itself.",
        "大画面里的小物体：先查找，再围绕它裁剪，在裁剪里处理，最后拼回原处。",
    )
    model, conditions = sentence(graph, "remove the red star")
    frames = video["images"]
    found = graph.add(
        "LGVI_FindObject", model=model["model"], vae=model["vae"], frames=frames, **conditions
    )
    crop = graph.add("LGVI_CropToObject", "", "what", frames=frames, mask=found[0])
    sampled = sample(graph, model, {"images": crop["frames"]}, conditions)
    decoded = graph.add("VAEDecode", samples=sampled["latent"], vae=model["vae"])
    laid = graph.add(
        "LGVI_StitchCrop",
        crop=crop["crop"],
        source=frames,
        painting=decoded[0],
        mask=sampled["mask"],
    )
    result = graph.add(
        "LGVI_BackgroundFromFrames", source=frames, mask=laid["mask"], painting=laid["painting"]
    )
    show_mask(graph, video, result["opacity"])
    save_video(graph, result[0], video)
