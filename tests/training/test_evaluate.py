"""Evaluation: measures compared with libraries, methods, tables, bars and the cache."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from lgvi_core.errors import LGVIError
from support.tiny_checkpoint import write_checkpoint
from train.data.generated.samples import make_sample
from train.data.sample import BrokenSample, Sample
from train.evaluate import main
from train.evaluation import run
from train.evaluation.clips import digest, open_clips
from train.evaluation.config import (
    DISConfig,
    EvaluateConfig,
    FolderConfig,
    InstructPix2PixConfig,
    LGVIConfig,
    MeasuresConfig,
    RAFTConfig,
)
from train.evaluation.frame_measures import PSNR_LIMIT, psnr, ssim
from train.evaluation.measure import Measurer
from train.evaluation.methods import Result, open_method
from train.evaluation.names import MEASURES
from train.evaluation.report import markdown, summarize_rows, write_report
from train.evaluation.run import Record, cache_key, evaluate
from train.evaluation.statistics import summarize
from train.evaluation.strata import strata_json, strata_markdown, summarize_strata
from train.evaluation.vfid import FeatureNetwork, frechet_distance
from train.evaluation.warping import Motion, flow_function, motion, warping_error

HEIGHT, WIDTH, FRAMES = 48, 64, 3
FIRST, SECOND = (
    (slice(None), slice(16, 32), slice(8, 24)),
    (slice(None), slice(16, 32), slice(40, 56)),
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scene(removed=(0,), kind="name", objects=2):
    """A sample of squares on grey, far enough apart that their dilated masks do not meet."""
    places = (FIRST, SECOND)[:objects]

    def drawn(keep):
        frames = np.full((FRAMES, HEIGHT, WIDTH, 3), 100, np.uint8)
        for i in keep:
            frames[places[i]] = ((220, 30, 30), (30, 30, 220))[i]
        return frames

    masks = np.zeros((objects, FRAMES, HEIGHT, WIDTH), np.uint8)
    for i, place in enumerate(places):
        masks[i][place] = 255
    kept = [i for i in range(objects) if i not in removed]
    mask = np.zeros_like(masks[0])
    for i in removed:
        mask |= masks[i]
    return Sample(
        source=drawn(range(objects)),
        target=drawn(kept),
        mask=mask,
        sentence="remove it",
        name="scene",
        kind=kind,
        object_masks=masks,
        removed=tuple(removed),
        without={i: drawn([k for k in kept if k != i]) for i in kept},
    )


def measures(sample, frames, mask=None):
    measurer = Measurer(MeasuresConfig.model_validate({}), "cpu")
    return measurer(sample, Result(frames, mask, sample.target)).values


def area(sample, *indices):
    mask = np.zeros(sample.source.shape[:3], np.float32)
    for i in indices:
        mask = np.maximum(mask, sample.object_masks[i] / 255)
    return mask.astype(np.float32)


# Frames


def test_psnr_and_ssim_are_the_libraries_own(rng):
    target = rng.integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    frames = np.clip(target + rng.normal(0, 20, target.shape), 0, 255).astype(np.uint8)
    inside = np.zeros((2, 40, 50), bool)
    inside[:, 10:30, 10:30] = True

    expected = [peak_signal_noise_ratio(t, f) for t, f in zip(target, frames, strict=True)]
    assert psnr(frames, target) == pytest.approx(np.mean(expected))
    cut = [
        peak_signal_noise_ratio(t[10:30, 10:30], f[10:30, 10:30])
        for t, f in zip(target, frames, strict=True)
    ]
    assert psnr(frames, target, inside) == pytest.approx(np.mean(cut))

    found = ssim(frames, target, inside)
    pair = [torch.from_numpy(x).permute(0, 3, 1, 2).double() for x in (frames, target)]
    _, pixels = structural_similarity_index_measure(*pair, data_range=255.0, return_full_image=True)
    # The libraries differ in how they continue an image beyond its border.
    assert found[""] == pytest.approx(float(pixels[..., 5:-5, 5:-5].mean()))
    maps = [
        structural_similarity(
            t,
            f,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1]
        for t, f in zip(target, frames, strict=True)
    ]
    assert found["_inside"] == pytest.approx(np.mean([m[10:30, 10:30].mean() for m in maps]))
    assert found["_outside"] == pytest.approx(np.mean([m[~inside[0]].mean() for m in maps]))


def test_equal_frames_and_empty_areas(rng):
    frames = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert psnr(frames, frames) == PSNR_LIMIT
    nowhere = np.zeros((2, 16, 16), bool)
    assert psnr(frames, frames, nowhere) is None
    assert "_inside" not in ssim(frames, frames, nowhere)


# Warping error


def texture(rng, height, width):
    import cv2

    noise = rng.uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    low, high = smooth.min(), smooth.max()
    return ((smooth - low) / (high - low) * 255).astype(np.uint8)


def test_warping_error_is_zero_for_a_still_clip_and_small_for_true_motion(rng):
    large = texture(rng, 80, 120)
    still = np.repeat(large[None], 4, axis=0)
    flow = flow_function(DISConfig(), "cpu")
    assert warping_error(still, motion(still, flow)) == 0

    moving = np.stack([large[:, 2 * t : 2 * t + 96] for t in range(4)])
    known = np.zeros((3, 80, 96, 2), np.float32)
    known[..., 0] = -2
    valid = np.ones((3, 80, 96), bool)
    valid[..., :2] = False
    true = Motion(known, valid)
    assert warping_error(moving, true) == 0
    estimated = warping_error(moving, motion(moving, flow))
    shuffled = warping_error(moving[[2, 0, 3, 1]], true)
    assert estimated < shuffled / 20
    # A result that moves otherwise than the target is told apart, although it is smooth.
    assert warping_error(still[:, :, :96], true) > 20 * estimated


def test_warping_error_skips_what_is_occluded_and_what_is_not_asked_for(rng):
    frames = np.repeat(texture(rng, 40, 40)[None], 2, axis=0)
    frames[1, :, 20:] = 255 - frames[1, :, 20:]
    flow = np.zeros((1, 40, 40, 2), np.float32)
    left = np.zeros((2, 40, 40), bool)
    left[..., :20] = True
    everywhere = Motion(flow, np.ones((1, 40, 40), bool))
    assert warping_error(frames, everywhere) > 0
    assert warping_error(frames, everywhere, left) == 0
    assert warping_error(frames, Motion(flow, left[:1])) == 0
    assert warping_error(frames, everywhere, np.zeros_like(left)) is None
    there, back = np.zeros((40, 40, 2), np.float32), np.zeros((40, 40, 2), np.float32)
    back[10:20, 10:20] = 5
    answers = iter([there, back])
    valid = motion(frames, lambda one, other: next(answers)).valid[0]
    assert not valid[11:19, 11:19].any()
    assert valid[25:, 25:].all()


def test_raft_takes_a_weights_file(tmp_path, rng):
    from torchvision.models.optical_flow import raft_small

    torch.save(raft_small(weights=None).state_dict(), tmp_path / "raft.pth")
    config = RAFTConfig(kind="raft", size="small", weights=tmp_path / "raft.pth")
    flow = flow_function(config, "cpu")
    found = flow(texture(rng, 50, 70), texture(rng, 50, 70))
    assert found.shape == (50, 70, 2)
    assert np.isfinite(found).all()


# VFID


def test_frechet_distance_of_known_gaussians(rng):
    one = rng.normal(size=(50, 1))
    one = (one - one.mean()) / one.std(ddof=1)
    # For one dimension the distance is (m1 - m2)^2 + (s1 - s2)^2.
    assert frechet_distance(2 * one + 3, 5 * one[::-1] - 1) == pytest.approx(16 + 9)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_that_of_the_matrix_square_root(rng):
    one, other = rng.normal(size=(60, 5)), rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 1
    s1, s2 = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(
        s1 + s2 - 2 * sqrtm(s1 @ s2).real
    )
    assert frechet_distance(one, other) == pytest.approx(expected)


class TinyFeatures(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x.mean((2, 3, 4)), x.amax((2, 3, 4))], dim=1)


@pytest.fixture
def features_file(tmp_path):
    path = tmp_path / "features.pt"
    torch.jit.script(TinyFeatures()).save(str(path))
    return path


def test_feature_network_sees_minus_one_to_one(features_file):
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[..., 1] = 255
    found = FeatureNetwork(features_file, "cpu")(frames)
    assert found.tolist() == [-1, 1, -1, -1, 1, -1]


def test_feature_network_refuses_another_file(tmp_path):
    (tmp_path / "weights.pt").write_text("no network")
    with pytest.raises(LGVIError, match="TorchScript"):
        FeatureNetwork(tmp_path / "weights.pt", "cpu")


# Objects


def test_perfect_result_is_clean_right_and_harmless():
    sample = scene()
    found = measures(sample, sample.target, area(sample, 0))
    for name in ("visible", "clean", "right", "iou"):
        assert found[name] == [1.0], name
    assert found["damage"] == found["damage_composited"] == [0.0]
    assert found["psnr_composited"] == [PSNR_LIMIT]
    assert "absent" not in found


def test_unchanged_source_removes_nothing_and_harms_nothing():
    sample = scene()
    found = measures(sample, sample.source)
    assert found["visible"] == found["clean"] == found["damage"] == [0.0]
    assert found["psnr_outside"] == [PSNR_LIMIT]
    assert found["psnr_inside"][0] < 15
    assert not {"right", "iou", "absent", "psnr_gain", "damage_composited"} & set(found)


def test_wrong_object_removed():
    sample = scene(kind="name and place")
    frames = scene(removed=(1,)).target
    found = measures(sample, frames, area(sample, 1))
    assert found["right"] == found["twins"] == found["visible"] == found["iou"] == [0.0]
    assert found["damage"] == found["damage_composited"] == [1.0]
    assert found["psnr_gain"][0] < 0


def test_mask_on_everything_is_not_right():
    sample = scene()
    found = measures(sample, sample.target, area(sample, 0, 1))
    assert found["right"] == [0.0]
    assert found["visible"] == [1.0]


@pytest.mark.parametrize(
    ("left", "visible", "clean"), [(0.22, 1, 1), (0.28, 1, 0), (0.47, 1, 0), (0.53, 0, 0)]
)
def test_how_much_may_be_left(left, visible, clean):
    sample = scene()
    frames = sample.target.copy()
    frames[FIRST] = np.round(left * sample.source[FIRST] + (1 - left) * sample.target[FIRST])
    found = measures(sample, frames)
    assert (found["visible"], found["clean"]) == ([visible], [clean])


@pytest.mark.parametrize(("lost", "expected"), [(0.47, 0.0), (0.53, 1.0)])
def test_how_much_a_kept_object_may_suffer(lost, expected):
    sample = scene()
    frames = sample.target.copy()
    frames[SECOND] = np.round((1 - lost) * sample.target[SECOND] + lost * 100.0)
    assert measures(sample, frames)["damage"] == [expected]


@pytest.mark.parametrize(
    ("of_removed", "of_kept", "expected"), [(8, 8, 1.0), (7, 0, 0.0), (16, 9, 0.0)]
)
def test_half_of_each_object_decides(of_removed, of_kept, expected):
    sample = scene()
    mask = np.zeros(sample.mask.shape, np.float32)
    mask[:, 16 : 16 + of_removed, 8:24] = 1
    mask[:, 16 : 16 + of_kept, 40:56] = 1
    assert measures(sample, sample.target, mask)["right"] == [expected]


def test_compositing_undoes_harm_outside_the_mask():
    sample = scene()
    frames = scene(removed=(0, 1)).target
    found = measures(sample, frames, area(sample, 0))
    assert found["damage"] == [1.0]
    assert found["damage_composited"] == [0.0]


def test_damage_is_measured_from_what_the_vae_gives_back():
    sample = scene()
    blurred = sample.target.copy()
    blurred[SECOND] = 100
    measurer = Measurer(MeasuresConfig.model_validate({}), "cpu")
    assert measurer(sample, Result(blurred, None, blurred)).values["damage"] == [0.0]
    assert measurer(sample, Result(blurred, None, sample.target)).values["damage"] == [1.0]


@pytest.mark.parametrize(("gone", "expected"), [((0, 1), 1.0), ((0,), 0.0)])
def test_two_objects_count_only_together(gone, expected):
    sample = scene(removed=(0, 1), kind="two objects")
    found = measures(sample, scene(removed=gone).target)
    assert found["two_objects"] == [expected]
    assert found["visible"] == [1.0, expected]


@pytest.mark.parametrize(("pixels", "expected"), [(0, 1.0), (61, 1.0), (62, 0.0)])
def test_absent_object_left_alone(pixels, expected):
    sample = scene(removed=(), kind="absent")
    mask = np.zeros((FRAMES, HEIGHT * WIDTH), np.float32)  # 2 % of a frame are 61.4 pixels
    mask[:, :pixels] = 0.5
    found = measures(sample, sample.source, mask.reshape(sample.mask.shape))
    assert found["absent"] == [expected]
    assert not {"right", "visible", "iou", "psnr_inside"} & set(found)
    assert found["psnr_gain"] == [0.0]


@pytest.mark.parametrize(("pixels", "untouched"), [(0, 1.0), (30, 1.0), (32, 0.0)])
def test_pixels_changed_where_nothing_is_to_go(pixels, untouched):
    sample = scene(removed=(), kind="absent")
    size = HEIGHT * WIDTH  # 1 % of a frame are 30.7 pixels
    mask = np.zeros((FRAMES, size), np.float32)
    mask[:, :pixels] = 1
    frames = 255 - sample.source  # what lies outside the mask never counts
    config = MeasuresConfig.model_validate({"composite": {"grow": 0, "feather": 0}})
    result = Result(frames, mask.reshape(sample.mask.shape), sample.target)
    found = Measurer(config, "cpu")(sample, result).values
    assert found["changed"] == [pytest.approx(pixels / size)]
    assert found["untouched"] == [untouched]
    assert found["untouched_background"][0] >= untouched
    assert "shows" not in found
    gone = scene()
    assert "changed" not in measures(gone, gone.target, area(gone, 0))


@pytest.mark.parametrize(("frames_left", "expected"), [(0, 0.0), (1, 1 / 3), (3, 1.0)])
def test_frames_in_which_it_shows(frames_left, expected):
    sample = scene()
    frames = sample.target.copy()
    frames[:frames_left] = sample.source[:frames_left]
    assert measures(sample, frames)["shows"] == [pytest.approx(expected)]
    away = dataclasses.replace(sample, source=sample.target)
    assert measures(away, sample.target)["shows"] == [0.0], "a frame without it shows none of it"


def test_sample_of_a_data_set_that_knows_only_what_goes():
    sample = dataclasses.replace(scene(), object_masks=None, removed=(), without={})
    found = measures(sample, sample.target, sample.mask / np.float32(255))
    assert found["right"] == found["clean"] == [1.0]
    assert "damage" not in found


# Statistics


def test_mean_is_over_objects_and_interval_over_clips():
    found = summarize([[1.0, 1.0, 1.0], [0.0]])
    assert found.mean == 0.75
    assert found.interval == (0.0, 1.0)
    assert found.clips == 2
    values = np.random.default_rng(1).normal(5, 2, 400)
    many = summarize([[v] for v in values])
    assert many.standard_error == pytest.approx(values.std(ddof=1) / 20, rel=0.1)
    low, high = many.interval
    assert (high - low) / 2 == pytest.approx(1.96 * many.standard_error, rel=0.1)


def test_interval_of_a_share_without_exceptions_is_not_empty():
    assert summarize([[1.0]] * 10, share=True).interval == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert summarize([[1.0]], share=True).interval is None


# Methods


def write_results(folder, frames):
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{i:02d}.png")


def test_folder_of_results(tmp_path):
    sample = scene()
    write_results(tmp_path / "scene", sample.target)
    method = open_method(FolderConfig(kind="folder", name="other", folder=tmp_path), "cpu")
    result = method(sample)
    assert np.array_equal(result.frames, sample.target)
    assert result.mask is None
    write_results(tmp_path / "scene" / "masks", sample.mask)
    assert np.array_equal(method(sample).mask, sample.mask / np.float32(255))


def test_folder_says_what_to_do_about_missing_frames(tmp_path):
    sample = scene()
    write_results(tmp_path / "scene", sample.target[:2])
    method = open_method(FolderConfig(kind="folder", name="other", folder=tmp_path), "cpu")
    with pytest.raises(LGVIError, match=r"2 pictures.*has 3 frames; write one result for every"):
        method(sample)
    Image.fromarray(sample.target[2, :, :10]).save(tmp_path / "scene" / "02.png")
    with pytest.raises(LGVIError, match="10 x 48 pixels, the clip has 64 x 48"):
        method(sample)


def test_windows_are_faded_into_each_other(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "model")
    sample = make_sample("held-out", 0, 6, 32, 32)

    def run_with(**changes):
        values = {"kind": "lgvi", "name": "tiny", "model": checkpoint, "steps": 1}
        return open_method(LGVIConfig.model_validate(values | changes), "cpu")(sample)

    whole, one_window = run_with(), run_with(window=8)
    assert np.array_equal(whole.frames, one_window.frames)
    parted = run_with(window=4, overlap=2)
    assert parted.frames.shape == whole.frames.shape
    assert not np.array_equal(parted.frames, whole.frames)
    first = dataclasses.replace(sample, source=sample.source[:4], target=sample.target[:4])
    method = open_method(LGVIConfig(kind="lgvi", name="tiny", model=checkpoint, steps=1), "cpu")
    alone = method(first)
    # The first two frames lie in the first window alone, which sees four.
    assert np.array_equal(parted.frames[:2], alone.frames[:2])
    assert np.allclose(parted.mask[:2], alone.mask[:2])


def test_timesteps_are_spaced_as_the_configuration_says(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "model")
    found = []
    for spacing in (None, "leading", "trailing"):
        config = LGVIConfig(
            kind="lgvi", name="tiny", model=checkpoint, steps=1, timestep_spacing=spacing
        )
        method = open_method(config, "cpu")
        method.pipeline.scheduler.set_timesteps(1)
        found.append(int(method.pipeline.scheduler.timesteps[0]))
    assert found[0] == found[1] < 10
    assert found[2] == 999


def test_instruct_pix2pix_folder_edits_every_frame(tmp_path):
    write_pix2pix(tmp_path / "edit")
    config = InstructPix2PixConfig(
        kind="instruct_pix2pix", name="edit", model=tmp_path / "edit", steps=2
    )
    sample = make_sample("held-out", 0, 2, 44, 64)
    result = open_method(config, "cpu")(sample)
    assert result.frames.shape == result.undamaged.shape == sample.source.shape
    assert result.frames.std() > 0
    assert not np.array_equal(result.frames, result.undamaged)


def write_pix2pix(folder):
    """Write a random model in the layout of InstructPix2Pix."""
    import diffusers
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
    )
    text = CLIPTextConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    diffusers.StableDiffusionInstructPix2PixPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer.from_pretrained(BUNDLED_MODEL / "tokenizer"),
        unet=unet,
        scheduler=diffusers.DDIMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


# Configuration, cache and report


def values_of(tmp_path, **changes):
    return {
        "output": str(tmp_path / "out"),
        "methods": [{"kind": "lgvi", "name": "mini", "steps": 2}],
        "data": {"kind": "held-out", "clips": 2, "frames": 2, "sizes": [[64, 64]]},
        "device": "cpu",
    } | changes


def write_config(tmp_path, **changes):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values_of(tmp_path, **changes)))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stepz": 3}, "stepz"),
        ({"bars": {"cleen": {"minimum": 1}}}, "cleen"),
        ({"bars": {"clean": {}}}, "minimum or a maximum"),
        ({"methods": [{"kind": "lgvi", "name": "a"}] * 2}, "different names"),
        ({"methods": [{"kind": "folder", "name": "a", "folder": "/none/such"}]}, "does not exist"),
        ({"methods": [{"kind": "lgwi", "name": "a"}]}, "lgwi"),
    ],
)
def test_wrong_configuration_is_named(tmp_path, changes, message):
    with pytest.raises(SystemExit) as raised:
        main(["--config", str(write_config(tmp_path, **changes))])
    assert message in str(raised.value)


@pytest.mark.slow
def test_whole_evaluation_and_its_cache(tmp_path, features_file, monkeypatch, capsys):
    changes = {"measures": {"features": str(features_file)}, "bars": {"iou": {"maximum": 0.99}}}
    path = write_config(tmp_path, **changes)
    main(["--config", str(path), "--workers", "2"])
    first = capsys.readouterr().out
    out = tmp_path / "out"
    found = json.loads((out / "results.json").read_text())
    assert list(found["methods"]) == ["source unchanged", "VAE of the target", "mini"]
    mini = found["methods"]["mini"]
    assert len(mini["clips"]) == mini["measures"]["psnr"]["clips"] == 2
    assert mini["bars"]["iou"]["met"] is True
    assert mini["measures"]["vfid"]["mean"] > 0
    expected = np.mean([clip["values"]["psnr"][0] for clip in mini["clips"]])
    assert mini["measures"]["psnr"]["mean"] == pytest.approx(expected)
    assert (out / "results.md").read_text() in first
    assert Image.open(out / "contact_sheet.png").size[0] >= 8 * 64

    def never(*_):
        raise AssertionError("a cached clip was computed again")

    with monkeypatch.context() as patch:
        patch.setattr(run, "open_method", never)
        main(["--config", str(path)])
    assert capsys.readouterr().out == first

    opened = []
    monkeypatch.setattr(
        run,
        "open_method",
        lambda config, device: opened.append(config.name) or open_method(config, device),
    )
    next((out / "cache").glob("vae-*/000001-*.json")).unlink()
    main(["--config", str(path)])
    assert opened == ["VAE of the target"]
    assert capsys.readouterr().out == first


def test_cache_key_follows_settings_and_weights(tmp_path):
    def key(**changes):
        config = EvaluateConfig.model_validate(values_of(tmp_path, **changes))
        return cache_key(config, config.methods[0])

    results = tmp_path / "results"
    write_results(results / "held-out 0", scene().target)
    method = {"kind": "folder", "name": "other", "folder": str(results)}
    first = key(methods=[method])
    assert key(methods=[method], sheet_clips=3) == first
    assert key(methods=[method], measures={"dilation": 3}) != first
    Image.fromarray(scene().source[0]).save(results / "held-out 0" / "00.png")
    assert key(methods=[method]) != first


def test_clips_written_for_elsewhere_come_back_as_results(tmp_path):
    path, folder = write_config(tmp_path), tmp_path / "clips"
    main(["--config", str(path), "--write-clips", str(folder)])
    sample = make_sample("held-out", 1, 2, 64, 64)
    assert (folder / sample.name / "sentence.txt").read_text().strip() == sample.sentence
    results = tmp_path / "results"
    for source in folder.glob("*/source"):
        results.mkdir(exist_ok=True)
        source.rename(results / source.parent.name)
    method = {"kind": "folder", "name": "copied", "folder": str(results)}
    config = EvaluateConfig.model_validate(values_of(tmp_path, methods=[method]))
    rows = {row.name: row.measures for row in summarize_rows(config, evaluate(config))}
    assert rows["copied"]["psnr"] == rows["source unchanged"]["psnr"]
    assert rows["copied"]["visible"].mean == 0


def test_a_broken_clip_is_left_out_and_named(tmp_path, monkeypatch):
    method = {"kind": "lgvi", "name": "mini", "steps": 1}
    config = EvaluateConfig.model_validate(values_of(tmp_path, methods=[method]))
    numbers, read = open_clips(config.data)

    def torn(number):
        if number == 1:
            raise BrokenSample("held-out 1: torn file")
        return read(number)

    monkeypatch.setattr(run, "open_clips", lambda _: (numbers, torn))
    records = evaluate(config)
    rows = summarize_rows(config, records)
    assert [row.measures["psnr"].clips for row in rows] == [1, 1, 1]
    text = write_report(config, records)
    assert "# Evaluation on 1 clips" in text
    assert "- 1: held-out 1: torn file" in text


def test_clips_of_a_reader_are_cut_to_size(tmp_path):
    source = {"kind": "generated", "split": "held-out", "size": [64, 64], "count": 3}
    data = {"kind": "reader", "source": source, "first": 1, "frames": 2, "size": [48, 64]}
    config = EvaluateConfig.model_validate(values_of(tmp_path, data=data))
    numbers, read = open_clips(config.data)
    assert list(numbers) == [1, 2]
    sample, whole = read(1), make_sample("held-out", 1, 2, 64, 64)
    assert np.array_equal(sample.source, whole.source[:, 8:-8])
    assert np.array_equal(sample.object_masks, whole.object_masks[:, :, 8:-8])
    assert sample.without.keys() == whole.without.keys()
    for i, frames in sample.without.items():
        assert np.array_equal(frames, whole.without[i][:, 8:-8])
    assert digest(sample) == digest(read(1)) != digest(read(2))


def test_the_digest_depends_on_all_that_is_measured():
    sample = make_sample("held-out", 2, 2, 32, 48)
    assert sample.without and sample.objects
    kept, frames = next(iter(sample.without.items()))
    moved = dataclasses.replace(sample.objects[0], path=sample.objects[0].path + 0.1)
    others = [
        dataclasses.replace(sample, without={}),
        dataclasses.replace(sample, without={**sample.without, kept: 255 - frames}),
        dataclasses.replace(sample, without={kept + 1: frames}),
        dataclasses.replace(sample, objects=()),
        dataclasses.replace(sample, objects=(moved, *sample.objects[1:])),
        dataclasses.replace(sample, sentence="another"),
    ]
    assert len({digest(one) for one in (sample, *others)}) == 1 + len(others)


def test_bars_say_met_not_met_or_nothing(tmp_path):
    bars = {
        "clean": {"minimum": 0.5},
        "damage": {"maximum": 0.1},
        "absent": {"minimum": 0.9},
    }
    config = EvaluateConfig.model_validate(values_of(tmp_path, bars=bars))
    values = [{"clean": [1.0, 0.0], "damage": [1.0]}, {"clean": [1.0], "damage": [0.0]}]
    records = [Record("mini", i, values=v) for i, v in enumerate(values)]
    text = markdown(config, summarize_rows(config, records), {})
    lines = {
        line.split("|")[2].strip(): line
        for line in text.splitlines()
        if "=" in line and "|" in line
    }
    assert lines[MEASURES["clean"].title].startswith("| mini | clean removal | >= 0.5 | 0.667 ± ")
    assert lines[MEASURES["clean"].title].endswith(" | met |")
    assert lines[MEASURES["damage"].title].endswith(" | not met |")
    assert lines[MEASURES["absent"].title] == "| mini | absent left alone | >= 0.9 | - | - | - |"


@pytest.mark.parametrize(("margin", "met"), [(-0.1, "not met"), (-0.6, "met")])
def test_a_method_can_be_measured_against_another(tmp_path, margin, met):
    methods = [{"kind": "lgvi", "name": name} for name in ("one", "other")]
    own = {"other": {"clean": {"minimum": margin, "above": "one"}}}
    config = EvaluateConfig.model_validate(
        values_of(tmp_path, methods=methods, bars={"clean": {"minimum": 1}}, bars_of_methods=own)
    )
    records = [
        Record("one", 0, values={"clean": [1.0]}),
        Record("other", 0, values={"clean": [0.5]}),
    ]
    text = markdown(config, summarize_rows(config, records), {})
    assert "| one | clean removal | >= 1 |" in text
    (line,) = (line for line in text.splitlines() if f">= one {margin:+g}" in line)
    assert line.endswith(f" | {met} |")
    with pytest.raises(ValueError, match="bars for methods"):
        EvaluateConfig.model_validate(values_of(tmp_path, bars_of_methods={"none": {}}))


# Strata


def strata_of(records, **changes):
    config = EvaluateConfig.model_validate(
        {"output": "out", "methods": [{"kind": "lgvi", "name": "mini"}]}
        | {"data": {"kind": "held-out"}}
        | changes
    )
    rows = summarize_strata(records, ["mini"])
    return config, rows, {row.name: row for row in rows}


def test_clips_count_for_each_of_their_strata():
    records = [
        Record("mini", 0, "a", values={"right": [1.0]}, strata=("small", "seen")),
        Record("mini", 1, "b", values={"right": [0.0]}, strata=("seen",)),
        Record("mini", 2, "c", values={"right": [0.0]}),
        Record("mini", 3, "d", broken="torn", strata=("small",)),
    ]
    config, rows, found = strata_of(records, bars_of_strata={"small": {"right": {"minimum": 1}}})
    assert list(found) == ["small", "seen"]
    assert [(row.clips, row.measures["right"].mean) for row in rows] == [(1, 1.0), (2, 0.5)]
    text = "\n".join(strata_markdown(config, rows))
    assert "### seen (2 clips)" in text
    assert "| small | mini | right object | >= 1 | 1.000 | - | met |" in text
    content = strata_json(config, rows)
    assert content["strata"]["seen"]["mini"]["clips"] == 2
    assert content["bars_of_strata"][0]["met"] is True


def test_loss_is_against_the_partner_of_the_same_method():
    records = [
        Record("mini", 0, "canonical", values={"right": [1.0]}, strata=("canonical",)),
        Record("mini", 1, "x", values={"right": [0.0]}, strata=("typos",), pair_of="canonical"),
        Record("mini", 2, "y", values={"right": [1.0]}, strata=("typos",), pair_of="canonical"),
        Record("mini", 3, "z", values={"right": [0.0]}, strata=("typos",), pair_of="missing"),
        Record("other", 4, "canonical", values={"right": [0.0]}, strata=("canonical",)),
    ]
    found = strata_of(records)[2]
    assert found["typos"].measures["loss"].mean == 0.5
    assert found["typos"].measures["loss"].clips == 2
    assert "loss" not in found["canonical"].measures


def test_bars_of_strata_name_known_measures(tmp_path):
    with pytest.raises(ValueError, match="rihgt"):
        EvaluateConfig.model_validate(
            values_of(tmp_path, bars_of_strata={"small": {"rihgt": {"minimum": 1}}})
        )


def test_baselines_can_be_left_out(tmp_path):
    config = EvaluateConfig.model_validate(values_of(tmp_path, baselines=False))
    assert [method.name for method in config.all_methods] == ["mini"]
