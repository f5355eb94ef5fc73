"""The nodes around crops, painted masks and parts of a video, run as ComfyUI runs them."""

import importlib

import pytest
import torch

from support.videos import write_frames


@pytest.fixture(scope="module")
def nodes(pack):
    """The node classes by their modules' names."""
    names = ("find_object", "crop_to_object", "stitch_crop", "carry_mask", "frames_from_video")
    return {name: importlib.import_module(f"lgvi_pack.nodes.{name}") for name in names}


def clip(frames: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames [f, 120, 200, 3] with a textured square that moves, and its masks [f, 120, 200]."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(1, 30, 50, 3, generator=generator).movedim(-1, 1)
    pictures = torch.nn.functional.interpolate(pictures, (120, 200), mode="bicubic")
    pictures = pictures.movedim(1, -1).clamp(0, 1).repeat(frames, 1, 1, 1) * 0.4
    square = 0.6 + 0.4 * torch.rand(24, 24, 3, generator=generator)
    mask = torch.zeros(frames, 120, 200)
    for number in range(frames):
        place = (slice(40, 64), slice(50 + 5 * number, 74 + 5 * number))
        pictures[number][place] = square
        mask[number][place] = 1
    return pictures, mask


def run(node, **inputs):
    """Run a node class; return its outputs."""
    with torch.inference_mode():
        return node.PREPARE_CLASS_CLONE(None).execute(**inputs).args


def told(node, **inputs):
    """Run a node class; return what it shows."""
    with torch.inference_mode():
        return node.PREPARE_CLASS_CLONE(None).execute(**inputs).ui.as_dict()["text"][0]


def test_crops_are_stitched_where_they_were_cut(comfy, nodes):
    frames, mask = clip()
    few = mask.clone()
    few[[1, 2, 4]] = 0
    cut, crop = run(nodes["crop_to_object"].CropToObject, frames=frames, mask=few, margin=0.5)
    assert cut.shape[1] < 60
    laid, back = run(
        nodes["stitch_crop"].StitchCrop,
        crop=crop,
        source=frames,
        painting=cut,
        mask=torch.ones(cut.shape[:3]),
    )
    assert torch.equal(laid, frames)
    assert (back >= mask).all() and back.mean() < 0.25


def test_a_painting_of_the_models_size_is_stitched(comfy, nodes):
    frames, mask = clip()
    _, crop = run(nodes["crop_to_object"].CropToObject, frames=frames, mask=mask[:1], margin=1.0)
    fit = importlib.import_module("lgvi_pack.lgvi_core.canvas").fit_canvas(crop.size, 64)
    painting = torch.full((len(frames), *fit.canvas, 3), 0.5)
    laid, back = run(
        nodes["stitch_crop"].StitchCrop,
        crop=crop,
        source=frames,
        painting=painting,
        mask=torch.ones(len(frames), *fit.canvas),
    )
    inside = back == 1
    assert torch.equal(laid[~inside], frames[~inside])
    assert (laid[inside] == 0.5).all()


def test_the_mask_is_as_wide_as_the_models_cells_need(nodes):
    """As LGVI Background From Frames makes it where it knows the painting's own size."""
    masks = importlib.import_module("lgvi_pack.lgvi_core.masks")
    settings = importlib.import_module("lgvi_pack.lgvi_core.settings").MaskSettings()
    frames, mask = clip()
    _, crop = run(nodes["crop_to_object"].CropToObject, frames=frames, mask=mask, margin=9.0)
    assert crop.is_whole
    fit = importlib.import_module("lgvi_pack.lgvi_core.canvas").fit_canvas(crop.size, 64)
    painting = torch.zeros(len(frames), *fit.canvas, 3)
    _, back = run(
        nodes["stitch_crop"].StitchCrop, crop=crop, source=frames, painting=painting, mask=mask
    )
    told = masks.soft_mask(mask, settings, fit.cell)
    untold = masks.soft_mask(back, settings, 8.0)  # a painting of the source's size has such cells
    assert torch.equal(told == 1, untold == 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": torch.zeros(6, 60, 100, 3)}, "connect the clip that was cropped"),
        ({"painting": torch.zeros(3, 48, 80, 3)}, "source has 6 frames, painting 3"),
        ({"painting": torch.zeros(6, 48, 48, 3)}, "does not come from frames"),
    ],
)
def test_what_does_not_belong_to_the_crop_is_refused(comfy, nodes, changes, message):
    frames, mask = clip()
    cut, crop = run(nodes["crop_to_object"].CropToObject, frames=frames, mask=mask, margin=0.5)
    inputs = {"source": frames, "painting": cut, "mask": torch.ones(cut.shape[:3])}
    with pytest.raises(comfy.errors.LGVIError, match=message):
        run(nodes["stitch_crop"].StitchCrop, crop=crop, **{**inputs, **changes})


def test_one_painted_mask_is_carried_to_all_frames(comfy, nodes):
    frames, mask = clip()
    (carried,) = run(nodes["carry_mask"].CarryMask, frames=frames, mask_1=mask[2:3], frame_1=2)
    assert torch.equal(carried[2], mask[2])
    both = ((carried > 0.5) & (mask > 0.5)).sum((1, 2)) / ((carried > 0.5) | (mask > 0.5)).sum(
        (1, 2)
    )
    assert (both > 0.8).all(), both
    said = told(nodes["carry_mask"].CarryMask, frames=frames, mask_1=mask[2:3], frame_1=2)
    assert said == "1 painted, 5 carried"


def test_a_second_painted_mask_ends_the_first(comfy, nodes):
    frames, mask = clip()
    gone = torch.zeros(1, 120, 200)
    (carried,) = run(
        nodes["carry_mask"].CarryMask,
        frames=frames,
        mask_1=mask[:1],
        frame_1=0,
        mask_2=gone,
        frame_2=5,
    )
    assert carried[5].sum() == 0
    assert (carried[1] > 0.5).sum() > 400


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mask_1": torch.zeros(1, 120, 200)}, "nothing is painted: open the mask editor"),
        (
            {"mask_1": torch.ones(1, 120, 200), "frame_1": 6},
            "the clip's last frame has the number 5",
        ),
        ({"mask_1": torch.ones(1, 60, 100)}, "mask is 100 x 60 pixels"),
        (
            {"mask_1": torch.ones(1, 120, 200), "mask_2": torch.ones(1, 120, 200), "frame_2": 0},
            "which another mask was painted on already",
        ),
    ],
)
def test_painted_masks_that_do_not_fit_are_refused(comfy, nodes, inputs, message):
    with pytest.raises(comfy.errors.LGVIError, match=message):
        run(nodes["carry_mask"].CarryMask, frames=clip()[0], **{"frame_1": 0, **inputs})


def test_find_object_marks_a_box_and_says_where_it_looked(comfy, nodes, loaded, monkeypatch):
    finding = importlib.import_module("lgvi_pack.nodes.host.find_object")

    def sample(model, conditionings, latent, *rest):
        c_x = conditionings[0][0][1]["concat_latent_image"]
        mask = torch.zeros(len(c_x), 8 * c_x.shape[-2], 8 * c_x.shape[-1])
        mask[:, 16:32, 8:40] = 1
        return {"samples": c_x}, mask

    monkeypatch.setattr(finding, "sample_with_mask", sample)
    model, _, vae = loaded
    cond = [[torch.zeros(1, 77, 24), {}]]
    frames = torch.rand(6, 120, 200, 3)
    inputs = {"model": model, "vae": vae, "positive": cond, "negative": cond, "frames": frames}
    inputs |= {"every": 3, "working_size": 64}
    (mask,) = run(nodes["find_object"].FindObject, **inputs)
    assert mask.shape == frames.shape[:3]
    assert mask.sum((1, 2)).bool().tolist() == [True, False, False, True, False, True]
    assert told(nodes["find_object"].FindObject, **inputs) == "found in 3 of 3 frames looked at"


def part_of(comfy, nodes, path, **changes):
    values = {"force_rate": 0.0, "skip_first_frames": 0, "select_every_nth": 1, "frame_load_cap": 0}
    video = comfy.video.VideoFromFile(str(path))
    return run(nodes["frames_from_video"].FramesFromVideo, video=video, **{**values, **changes})


def test_a_part_of_a_video_comes_with_its_rate_and_count(comfy, nodes, tmp_path):
    path = write_frames(tmp_path / "source.mp4", torch.full((12, 32, 48, 3), 0.5))
    _, own, whole = part_of(comfy, nodes, path)
    assert whole == 12
    changes = {"skip_first_frames": 3, "select_every_nth": 2, "frame_load_cap": 4}
    frames, fps, count = part_of(comfy, nodes, path, **changes)
    assert frames.shape == (4, 32, 48, 3) and count == 4
    assert fps == own / 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skip_first_frames": 12}, "no frame is left: the video has fewer than 13 frames"),
        ({"force_rate": float("nan")}, "force_rate must be a number"),
    ],
)
def test_a_part_that_is_not_there_is_refused(comfy, nodes, tmp_path, changes, message):
    path = write_frames(tmp_path / "source.mp4", torch.full((12, 32, 48, 3), 0.5))
    with pytest.raises(comfy.errors.LGVIError, match=message):
        part_of(comfy, nodes, path, **changes)
