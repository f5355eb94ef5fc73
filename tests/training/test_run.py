"""Training from configuration to checkpoint: resuming, many processes, ablations and samples."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from lgvi_core.errors import LGVIError
from support.image_model import write_image_model
from support.train_run import OWN_PARTS, SOURCE, launch, tiny_values, write_config
from tools.paths import ROOT
from train.data.readers import open_reader
from train.data.sample import BrokenSample
from train.engine import checkpoints
from train.engine.config import read_run_config, read_yaml_config
from train.engine.optimization import rate_factor
from train.engine.progress import BrokenSamples
from train.lgvi.batches import Rank
from train.lgvi.config import TrainConfig
from train.lgvi.model import build_model, build_tokenizer
from train.lgvi.objective import losses
from train.lgvi.reader_batches import ReaderBatches
from train.lgvi.text import Sentences
from train.train_lgvi import build_trainer, train

pytestmark = pytest.mark.training


def config_of(output: Path, **changes) -> TrainConfig:
    return TrainConfig.model_validate(tiny_values(output, **changes))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.newest(run / "checkpoints") / checkpoints.WEIGHTS)


def curve(run: Path, name: str = "loss/loss") -> list[float]:
    """Values of a TensorBoard scalar, step by step."""
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run of six steps with progress pictures."""
    output = tmp_path_factory.mktemp("runs") / "finished"
    samples = {"every": 3, "source": {**SOURCE, "split": "held-out"}, "count": 2, "frames": 2}
    train(config_of(output, samples={**samples, "steps": 2}))
    return output


def test_a_run_leaves_checkpoints_curves_and_pictures(finished):
    names = sorted(path.name for path in (finished / "checkpoints").iterdir())
    assert names == ["step-00000004", "step-00000006"]
    assert len(curve(finished)) == 6
    rates = curve(finished, "rate/unet")
    assert rates[:2] == pytest.approx([0.5e-3, 1e-3 * 5 / 6])
    assert rates[-1] == pytest.approx(1e-3 / 6)
    for step in (3, 6):
        with Image.open(finished / "samples" / f"step-{step:08d}.png") as picture:
            assert picture.size[0] >= 8 * 48
            assert len(picture.getcolors(1 << 20)) > 100
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert len(events.Images("samples")) == 2
    shown = {"loss/diffusion", "loss/mask", "rate/mask_decoder", "rate/text_encoder"}
    assert shown <= set(events.Tags()["scalars"])
    for name in ("speed/samples_per_second", "speed/frames_per_second", "memory/gigabytes"):
        assert min(curve(finished, name)) > 0


def test_the_average_is_what_is_kept(finished):
    checkpoint = checkpoints.newest(finished / "checkpoints")
    last = load_file(checkpoint / "model.safetensors")
    averaged = weights(finished)
    name = "unet.conv_in.weight"
    assert averaged[name].shape == last[name].shape
    assert not torch.equal(averaged[name], last[name])


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_killed_ten_times_ends_with_the_same_weights(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "support" / "kill_training.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    killed, verdict = done.stdout.strip().splitlines()[-2:]
    assert len(killed.split()) == 2 + 10
    assert verdict == "equal", killed


def test_two_processes_train_as_one(finished, tmp_path):
    samples = {"every": 3, "source": {**SOURCE, "split": "held-out"}, "count": 2, "frames": 2}
    samples |= {"steps": 2}
    config = write_config(tmp_path / "two.yaml", tmp_path / "two", samples=samples)
    launch(["-m", "train.train_lgvi", "--config", str(config)], 2)
    with (
        Image.open(finished / "samples" / "step-00000003.png") as alone,
        Image.open(tmp_path / "two" / "samples" / "step-00000003.png") as shared,
    ):
        assert alone.size == shared.size, "each process has drawn its clip"
        difference = np.asarray(alone).astype(int) - np.asarray(shared)
        assert np.abs(difference).max() < 20
    one, two = torch.tensor(curve(finished)), torch.tensor(curve(tmp_path / "two"))
    assert len(one) == 6
    assert (one - two).abs().max() < 1e-4
    pairs = [(v, weights(tmp_path / "two")[k]) for k, v in weights(finished).items()]
    assert max(float((a - b).abs().max()) for a, b in pairs) < 1e-4


def test_sharded_weights_train_as_whole_ones_and_resume_exactly(finished, tmp_path):
    run = tmp_path / "run"
    config = write_config(tmp_path / "sharded.yaml", run, optimizer={"ema_decay": None})
    environment = {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
        "FSDP_AUTO_WRAP_POLICY": "NO_WRAP",
    }
    script = [str(ROOT / "tests" / "support" / "train_sharded.py"), str(config)]
    launch(script, 2, **environment)
    one, sharded = torch.tensor(curve(finished)), torch.tensor(curve(run))
    assert len(sharded) == 6
    assert (one - sharded).abs().max() < 1e-4
    whole = weights(run)
    rewind(run, 6)
    launch(script, 2, **environment)
    resumed = weights(run)
    assert whole.keys() == weights(finished).keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_accumulated_parts_train_as_a_whole(finished, tmp_path):
    train(config_of(tmp_path, gradient_accumulation=2))
    pairs = [(v, weights(tmp_path)[k]) for k, v in weights(finished).items()]
    assert max(float((a - b).abs().max()) for a, b in pairs) < 1e-4


def rewind(run: Path, steps: int) -> None:
    """Make the run look killed before its last checkpoint, at step `steps`, was written."""
    shutil.rmtree(run / "checkpoints" / f"step-{steps:08d}")


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_accumulation": 2},
        {"data": {"workers": 2}},
        {"data": {"video_from": 0.5, "video_frames": [1, 2]}},
        {"mixed_precision": "fp16"},
        {"gradient_checkpointing": True, "lora": {"rank": 2}},
    ],
    ids=str,
)
def test_resuming_is_exact(tmp_path, tiny_folder, changes):
    if "lora" in changes:
        rates = {"unet": {"peak": 1e-3}, "text_encoder": None}
        changes |= {"start_from": str(tiny_folder), "optimizer": rates, **OWN_PARTS}
    run = tmp_path / "run"
    train(config_of(run, **changes))
    whole = weights(run)
    rewind(run, 6)
    train(config_of(run, **changes))
    assert len(curve(run)) == 6, "steps that were logged twice count once"
    resumed = weights(run)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_what_is_frozen_is_not_in_checkpoints(tmp_path, tiny_folder):
    rates = {"unet": {"peak": 1e-3}, "text_encoder": None}
    values = {"start_from": str(tiny_folder), "optimizer": rates, **OWN_PARTS, "max_steps": 2}
    train(config_of(tmp_path, **values, lora={"rank": 2}))
    state = load_file(checkpoints.newest(tmp_path / "checkpoints") / checkpoints.MODEL)
    assert state
    assert all(".lora_" in name for name in state)


def test_a_changed_configuration_is_named(finished, tmp_path, caplog):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    train(config_of(run, log_every=2, threads=2))
    assert "changed configuration" not in caplog.text
    train(config_of(run, loss={"mask_weight": 0.5}))
    assert "loss.mask_weight: 0.001 -> 0.5" in caplog.text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"unet": {"mask_decoder_channels": 8}}, "unet.mask_decoder_channels: 16 -> 8"),
        ({"ablation": {"mask_supervision": False}}, "mask_supervision: True -> False"),
        ({"optimizer": {"ema_decay": None}}, "optimizer.ema_decay: 0.9 -> None"),
    ],
)
def test_a_run_of_another_model_is_not_mixed(finished, tmp_path, changes, text):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with pytest.raises(LGVIError, match="another model") as caught:
        train(config_of(run, **changes))
    assert text in str(caught.value)
    assert read_run_config(run, TrainConfig) == read_run_config(finished, TrainConfig), (
        "what it was is still noted"
    )


def test_a_damaged_checkpoint_does_not_push_out_good_ones(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "checkpoints" / "step-00000006" / checkpoints.SEAL).unlink()
    trainer = build_trainer(config_of(run, keep_checkpoints=1))
    trainer.resume()
    trainer.progress.step = 5
    (run / "checkpoints" / "step-00000003.partial").mkdir()
    assert trainer.save()
    assert checkpoints.newest(run / "checkpoints").name == "step-00000005"
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == ["step-00000005", "step-00000006"]


def test_only_damaged_checkpoints_stop_the_run(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for seal in run.glob(f"checkpoints/*/{checkpoints.SEAL}"):
        seal.unlink()
    with pytest.raises(LGVIError, match=r"every checkpoint in .* is damaged"):
        train(config_of(run))


class Code:
    def __reduce__(self):
        return print, ("executed",)


def test_a_checkpoint_that_holds_code_is_not_opened(finished, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    last = checkpoints.newest(run / "checkpoints")
    torch.save({"step": Code()}, last / "custom_checkpoint_0.pkl")
    (last / checkpoints.SEAL).write_text("{}")
    with pytest.raises(LGVIError, match="holds more than numbers"):
        train(config_of(run))
    assert "executed" not in capsys.readouterr().out


def test_a_loss_that_is_not_a_number_stops_the_run(tmp_path):
    rates = {"unet": {"peak": 1e30}, "warmup_steps": 0, "max_grad_norm": 1e30}
    with pytest.raises(LGVIError, match=r"the loss is .* at step \d"):
        train(config_of(tmp_path, optimizer=rates))


def test_wrong_progress_pictures_are_named_before_the_first_step(tmp_path):
    source = {"kind": "rovi", "root": str(tmp_path / "nowhere")}
    with pytest.raises(LGVIError, match="is not a ROVI folder"):
        build_trainer(config_of(tmp_path, samples={"source": source}))


@pytest.mark.parametrize("damage", ["torn", "missing", "unsealed"])
def test_a_damaged_checkpoint_leaves_the_one_before(finished, tmp_path, damage, caplog):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    last = run / "checkpoints" / "step-00000006"
    if damage == "torn":
        data = (last / "optimizer.bin").read_bytes()
        (last / "optimizer.bin").write_bytes(data[: len(data) // 2])
    elif damage == "missing":
        (last / checkpoints.WEIGHTS).unlink()
    else:
        (last / checkpoints.SEAL).unlink()
    with caplog.at_level(logging.WARNING):
        assert checkpoints.newest(run / "checkpoints").name == "step-00000004"
    assert "step-00000006 is damaged" in caplog.text
    train(config_of(run))
    after = weights(run)
    assert all(torch.equal(value, after[name]) for name, value in weights(finished).items())


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_full_disk_keeps_the_last_checkpoint(finished, tmp_path, caplog):
    import resource

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    trainer = build_trainer(config_of(run))
    trainer.resume()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        trainer.progress.step = 8
        written = trainer.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert not written
    assert "could not be written" in caplog.text
    assert "a file could not be written to its end" in caplog.text or "too large" in caplog.text
    assert "MB of the disk are free" in caplog.text
    assert "enforce fail" not in caplog.text and "unexpected pos" not in caplog.text
    assert checkpoints.newest(run / "checkpoints").name == "step-00000006"
    assert not list((run / "checkpoints").glob("*.partial"))
    assert trainer.save()
    assert checkpoints.newest(run / "checkpoints").name == "step-00000008"


@pytest.mark.parametrize(
    ("switch", "check"),
    [
        ("full_fine_tuning", lambda t: 0 < len(t.trained()) < len(list(t.unwrapped.parameters()))),
        ("mask_supervision", lambda t: t.unwrapped.unet.mask_decoder is None),
        ("video_inflation", lambda t: not t.unwrapped.unet.config.temp_attn),
        ("image_joint_training", lambda t: t.task.batches.videos_before(6) == 6),
    ],
)
def test_ablations(tmp_path, switch, check):
    trainer = build_trainer(config_of(tmp_path, ablation={switch: False}, max_steps=2))
    assert check(trainer)
    trainer.run()
    assert len(weights(tmp_path)) > 50


def test_without_inflation_every_frame_is_a_sample(tmp_path):
    trainer = build_trainer(config_of(tmp_path, ablation={"video_inflation": False}))
    batch = next(
        b for b in map(trainer.task.batches.__getitem__, range(6)) if b.noise.shape[2] == 2
    )
    flat = trainer.task.losses.to_latents(batch)
    assert flat.target.shape == (4, 4, 1, 4, 6)
    assert torch.equal(flat.noise[1, :, 0], batch.noise[0, :, 1])
    assert flat.t.tolist() == batch.t.repeat_interleave(2).tolist()


def test_memory_saving_gives_the_same_gradients(tmp_path):
    gradients = []
    for saving in (False, True):
        torch.manual_seed(0)
        trainer = build_trainer(config_of(tmp_path, gradient_checkpointing=saving))
        batch = trainer.task.losses.to_latents(trainer.task.batches[3])
        loss = losses(trainer.unwrapped, trainer.task.losses.scheduler, batch, trainer.config.loss)[
            "loss"
        ]
        loss.backward()
        gradients.append(trainer.unwrapped.unet.conv_in.weight.grad.clone())
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, atol=1e-7)


def test_mixed_precision_learns(tmp_path):
    train(config_of(tmp_path, mixed_precision="bf16", max_steps=2))
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_from_a_folder_only_what_is_configured_changes(tiny_folder, tmp_path):
    rates = {"unet": {"peak": 1e-3}, "text_encoder": None}
    config = config_of(tmp_path, start_from=str(tiny_folder), **OWN_PARTS, optimizer=rates)
    before = {k: v.clone() for k, v in build_model(config).state_dict().items()}
    train(config)
    changed = {
        k.split(".")[0] for k, v in weights(tmp_path).items() if not torch.equal(v, before[k])
    }
    assert changed == {"unet"}


def test_batches_are_the_same_wherever_they_are_made(tmp_path):
    config = config_of(tmp_path)
    videos, images = (
        [open_reader(s) for s in sources] for sources in (config.data.videos, config.data.images)
    )
    tokenizer = build_tokenizer(config)
    whole = ReaderBatches(config, Sentences(tokenizer), videos, images)
    halves = [
        ReaderBatches(config, Sentences(tokenizer), videos, images, Rank(i, 2)) for i in (0, 1)
    ]
    for number in (5, 0):  # the order must not matter
        parts = [half[number] for half in halves]
        for name in ("source", "target", "mask", "text", "t", "noise"):
            joined = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(getattr(whole[number], name), joined)


def test_an_epoch_reads_every_sample_once(tmp_path):
    few = {**SOURCE, "count": 8}
    config = config_of(tmp_path, data={"videos": [few], "video_share": 1.0, "images": []})
    seen = []

    class Recorder:
        def __init__(self, reader):
            self.reader, self.order = reader, reader.order

        def __len__(self):
            return len(self.reader)

        def read(self, index, frames, rng):
            seen.append(index)
            return self.reader.read(index, frames, rng)

    readers = [Recorder(open_reader(source)) for source in config.data.videos]
    batches = ReaderBatches(config, Sentences(build_tokenizer(config)), readers, [])
    for number in range(4):
        batches[number]
    assert sorted(seen) == list(range(8))


def test_broken_samples_are_skipped_counted_and_too_many_stop_the_run(tmp_path, caplog):
    config = config_of(tmp_path)
    reader = open_reader(config.data.videos[0])

    class Holey:
        order = reader.order

        def __len__(self):
            return len(reader)

        def read(self, index, frames, rng):
            if index % 2:
                raise BrokenSample(f"clip {index}: torn")
            return reader.read(index, frames, rng)

    batches = ReaderBatches(config, Sentences(build_tokenizer(config)), [Holey()], [Holey()])
    names = [name for number in range(6) for name in batches[number].broken]
    assert names
    assert all("torn" in name for name in names)
    count = BrokenSamples({"clips": 200, "pictures": 9000})
    count.add("clips", ("a", "b", "a"))
    assert caplog.text.count("skipped sample") == 2
    count.add("pictures", ("c", "d"))
    with pytest.raises(LGVIError, match=r"3 of 200 clips are broken.*one of them: c"):
        count.add("clips", ("c",))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"stepz": 3}, "stepz: Extra inputs are not permitted"),
        ({"max_steps": 0}, "max_steps: Input should be greater than 0"),
        ({"vae": ...}, "needs vae"),
        ({"data": {"size": [30, 48]}}, "multiples of 8"),
        ({"gradient_accumulation": 3}, "multiple of gradient_accumulation"),
        ({"data": {"cache": "x"}}, "either `cache`, or"),
        ({"lora": {"rank": 2}}, "set start_from"),
        ({"trackers": {"names": ["wand"]}}, "no such trackers: ['wand']; there are"),
        ({"trackers": {"options": {"wandb": {}}}}, "options of trackers that are not in names"),
        ({"lora": {"rank": 2}, "start_from": "x", **OWN_PARTS}, "the U-Net alone"),
    ],
)
def test_wrong_configurations_say_what_is_wrong(tmp_path, changes, text):
    path = write_config(tmp_path / "wrong.yaml", tmp_path, **changes)
    with pytest.raises(LGVIError) as caught:
        read_yaml_config(path, TrainConfig)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["lgvi_paper", "lgvi_mini"])
def test_shipped_configurations_are_valid(name):
    config = read_yaml_config(ROOT / "train" / "configs" / f"{name}.yaml", TrainConfig)
    assert config.max_steps > 1000


def test_the_paper_is_configured_as_written():
    config = read_yaml_config(ROOT / "train" / "configs" / "lgvi_paper.yaml", TrainConfig)
    assert config.data.size == (320, 512)
    assert (config.data.batch_videos, config.data.batch_images) == (32, 768)
    assert config.data.video_frames == (24,)
    assert config.data.video_share == 0.75
    assert config.optimizer.unet.peak == 3e-5
    assert config.optimizer.unet.schedule == "constant" and config.optimizer.warmup_steps == 0
    assert config.optimizer.ema_decay is None
    assert config.condition_input == "zeros"
    assert config.optimizer.mask_decoder.peak == 1e-4
    assert config.loss.mask_weight == 0.001


def test_learning_rates_follow_their_schedules():
    optimizer = config_of(Path("x"), optimizer={"warmup_steps": 10, "decay_from": 0.5}).optimizer

    def factor(schedule, step):
        return rate_factor(schedule, optimizer, step, 1000)

    assert factor("constant", 0) == 0.1
    assert factor("constant", 999) == 1
    assert factor("linear", 500) == factor("cosine", 500) == 1
    assert factor("linear", 750) == pytest.approx(0.5)
    assert factor("cosine", 750) == pytest.approx(0.5)
    assert factor("cosine", 600) > factor("linear", 600)


def test_missing_packages_are_named(tmp_path):
    for changes, package in (
        ({"attention": "xformers"}, "xformers"),
        ({"optimizer": {"kind": "adamw8bit"}}, "bitsandbytes"),
    ):
        try:
            __import__(package)
        except ImportError:
            with pytest.raises(LGVIError, match=f"pip install {package}"):
                build_trainer(config_of(tmp_path, **changes))


def test_uneven_sharing_is_refused(tmp_path):
    config = config_of(tmp_path)
    tokenizer = build_tokenizer(config)
    with pytest.raises(LGVIError, match="cannot be shared evenly by 3 processes"):
        ReaderBatches(config, Sentences(tokenizer), [], [], Rank(0, 3))


def test_the_bundled_weights_can_be_trained_on(tmp_path):
    train(config_of(tmp_path, start_from=str(BUNDLED_MODEL), **OWN_PARTS, max_steps=2))
    assert curve(tmp_path)[0] < 0.5


def test_inflation_keeps_the_image_models_function(tiny_folder, tmp_path):
    """The image model gets the source's latents without the VAE's scale (InstructPix2Pix)."""
    folder = write_image_model(tmp_path / "image", tiny_folder)
    rates = {"unet": {"peak": 1e-3}, "text_encoder": None}
    config = config_of(tmp_path, start_from=str(folder), optimizer=rates, **OWN_PARTS)
    image_model = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    scale = 0.25
    vae = folder / "vae" / "config.json"
    vae.write_text(json.dumps({**json.loads(vae.read_text()), "scaling_factor": scale}))
    generator = torch.Generator().manual_seed(0)
    z_t, source = torch.randn(2, 1, 4, 8, 8, generator=generator)
    text, t = torch.randn(1, 77, 24, generator=generator), torch.tensor([500])
    with torch.no_grad():
        expected = image_model(torch.cat([z_t, source], 1), t, text).sample
        unet = build_model(config).unet.eval()
        found = unet(z_t[:, :, None], t, text, source[:, :, None] * scale).noise_pred[:, :, 0]
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_lora_of_an_image_model_is_refused(tiny_folder, tmp_path):
    folder = write_image_model(tmp_path / "image", tiny_folder)
    rates = {"unet": {"peak": 1e-3}, "text_encoder": None}
    values = {"start_from": str(folder), "optimizer": rates, "lora": {"rank": 2}, **OWN_PARTS}
    with pytest.raises(LGVIError, match="is an image model"):
        build_model(config_of(tmp_path, **values))


def test_a_tokenizer_is_never_looked_for_elsewhere(tmp_path):
    with pytest.raises(LGVIError, match="nowhere is no folder"):
        build_tokenizer(config_of(tmp_path, tokenizer=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("full", [True, False])
def test_an_image_model_is_inflated_and_trained(tiny_folder, tmp_path, full):
    """Without full fine-tuning (Table 4, row 1), the image model's own weights do not change."""
    folder = write_image_model(tmp_path / "image", tiny_folder)
    config = config_of(
        tmp_path / "run",
        start_from=str(folder),
        max_steps=3,
        optimizer={"unet": {"peak": 1e-3}, "text_encoder": None},
        ablation={"full_fine_tuning": full},
        **OWN_PARTS,
    )
    before = {k: v.clone() for k, v in build_model(config).state_dict().items()}
    train(config)
    changed = {k for k, v in weights(tmp_path / "run").items() if not torch.equal(v, before[k])}
    assert any("attn_temp" in name for name in changed)
    assert any("mask_decoder" in name for name in changed)
    assert any(".attn1." in name for name in changed) == full
