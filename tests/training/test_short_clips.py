"""Clips that are shorter than a step's: they are trained on, checked and evaluated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lgvi_core.errors import LGVIError
from support.data_sets import FRAMES, SIZE, generated, write_picture
from support.train_run import tiny_values
from train.data.check import check
from train.data.pictures import mirrored
from train.data.sets.rovi import RoviReader
from train.data.write import write_rovi
from train.evaluation.clips import open_clips
from train.evaluation.config import ReaderConfig
from train.lgvi.batch import Batch
from train.lgvi.config import TrainConfig
from train.lgvi.model import build_tokenizer
from train.lgvi.objective import losses
from train.lgvi.reader_batches import ReaderBatches
from train.lgvi.text import Sentences
from train.train_lgvi import build_trainer, train

pytestmark = pytest.mark.training
LONG = 7
"""Frames of the clips that the runs ask for; the data's have FRAMES."""


@pytest.fixture(scope="module")
def rovi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("rovi")
    assert write_rovi(generated(), root, FRAMES) == []
    return root


def config_of(output: Path, root: Path, **changes) -> TrainConfig:
    source = {"kind": "rovi", "root": str(root), "max_area": 1}
    data = {
        "videos": [source],
        "images": [source],
        "video_frames": [LONG],
        **changes.pop("data", {}),
    }
    return TrainConfig.model_validate(tiny_values(output, data=data, **changes))


def batches_of(config: TrainConfig) -> ReaderBatches:
    reader = RoviReader(config.data.videos[0].root, max_area=1)
    return ReaderBatches(config, Sentences(build_tokenizer(config)), [reader], [reader])


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (4, [0, 1, 2, 3, 2, 1, 0, 1, 2]),
        (2, [0, 1, 0, 1, 0, 1, 0, 1, 0]),
        (1, [0] * 9),
        (9, list(range(9))),
    ],
)
def test_mirrored_frames_walk_forth_and_back(available: int, expected: list[int]) -> None:
    assert mirrored(available, 9) == expected


def test_a_run_trains_on_clips_that_are_all_too_short(rovi: Path, tmp_path: Path) -> None:
    """What stopped the paper's run: no clip has as many frames as `video_frames`."""
    assert check(str(rovi), options={"max_area": 1}, frames=LONG).problems == []
    train(config_of(tmp_path, rovi, max_steps=2, data={"video_share": 1.0}))
    assert (tmp_path / "checkpoints" / "step-00000002").is_dir()


def test_a_short_clip_is_filled_up_with_mirrored_frames(rovi: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, rovi, data={"video_share": 1.0})
    batch = batches_of(config)[0]
    assert batch.broken == ()
    assert batch.source.shape[1] == batch.noise.shape[2] == LONG
    assert batch.counted is not None
    assert batch.counted.tolist() == [[True] * FRAMES + [False] * (LONG - FRAMES)] * 2
    for clips in (batch.source, batch.target, batch.mask.movedim(2, 1)):
        assert torch.equal(clips[:, FRAMES:], clips[:, [2, 1, 0]])
    longer = batches_of(config_of(tmp_path, rovi, data={"video_frames": [2]}))[1]
    assert longer.counted is not None and longer.counted.all()


@pytest.mark.parametrize("inflated", [True, False])
def test_mirrored_frames_count_in_no_loss(rovi: Path, tmp_path: Path, inflated: bool) -> None:
    config = config_of(
        tmp_path, rovi, data={"video_share": 1.0}, ablation={"video_inflation": inflated}
    )
    trainer = build_trainer(config)
    objective = trainer.task.losses
    batch: Batch = objective.to_latents(trainer.task.batches[0])
    latents = batch.target.clone()
    wrong = replace(batch, target=latents, mask=batch.mask.clone())
    assert batch.counted is not None
    uncounted = ~batch.counted

    class Echo(torch.nn.Module):
        """Predicts its noised input, so that a changed frame changes only its own error."""

        def forward(self, z_t, t, text, has_text, c_x):
            from train.lgvi.model import Predictions

            return Predictions(z_t, z_t[:, :1], None)

    found = losses(Echo(), objective.scheduler, batch, config.loss)
    wrong.target.movedim(1, 2)[uncounted] += 9
    wrong.mask.movedim(1, 2)[uncounted] = 1
    again = losses(Echo(), objective.scheduler, wrong, config.loss)
    assert all(torch.equal(found[name], again[name]) for name in found)
    wrong.target.movedim(1, 2)[batch.counted] += 9
    assert losses(Echo(), objective.scheduler, wrong, config.loss)["loss"] != found["loss"]
    assert torch.isfinite(found["loss"])


def test_pictures_among_the_clips_are_refused(rovi: Path, tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    assert write_rovi(generated(), root, 1) == []
    config = config_of(tmp_path / "run", root, data={"video_share": 1.0})
    with pytest.raises(LGVIError, match="has one frame, so it is no clip"):
        batches_of(config)[0]
    assert batches_of(config_of(tmp_path, root))[0].frames == 1


def test_short_clips_are_evaluated(rovi: Path) -> None:
    source = {"kind": "rovi", "root": str(rovi), "max_area": 1}
    numbers, read = open_clips(ReaderConfig(kind="reader", source=source, frames=24))
    assert [len(read(number).source) for number in numbers] == [FRAMES] * 6


def test_the_check_still_reads_every_frame(rovi: Path, tmp_path: Path) -> None:
    """A frame that no training of two frames need ever choose is damaged."""
    root = tmp_path / "data"
    assert write_rovi(generated(1), root, FRAMES) == []
    write_picture(root / "InpaintImages/000000/1/00015.jpg", np.zeros((8, *SIZE[1:], 3), np.uint8))
    (problem,) = check(str(root), options={"max_area": 1}, frames=2).problems
    assert "different sizes" in problem
