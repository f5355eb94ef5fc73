"""Objects' attributes as a training signal: the targets, and a loss that is 0 for perfect heads."""

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import AutoencoderTiny
from safetensors.torch import load_file
from torch.nn import functional as F

from support.train_run import WEIGHTS, tiny_values
from train.data.drawn.scenes import SceneObject
from train.data.drawn.sprites import NOUNS
from train.data.language.expressions import PLACE_WORDS
from train.engine.checkpoints import WEIGHTS as WEIGHTS_FILE
from train.engine.checkpoints import newest
from train.latent_cache import Shard, write_shard
from train.lgvi.attributes import (
    COLOUR_NAMES,
    DRAWN,
    FLAG_WORDS,
    FLAGS,
    IGNORED_LABEL,
    AttributeHeads,
    attribute_loss,
    attribute_map,
    attribute_table,
)
from train.lgvi.config import TrainConfig
from train.train_lgvi import build_trainer


def thing(
    noun: str, colour: str, x: float, diameter: float = 0.3, frames: int = 2, by: float = 0.0
) -> SceneObject:
    path = np.array([[x + by * i, 0.5] for i in range(frames)])
    return SceneObject(noun, colour, (1.0, 0.0, 0.0), diameter, path, np.zeros(frames), False)


def true_words(row: list[int]) -> set[str]:
    return {word for word, flag in zip(FLAG_WORDS, row[2:], strict=True) if flag == 1}


def test_places_are_among_objects_of_the_same_noun() -> None:
    objects = [thing("ball", "red", 0.2), thing("ball", "red", 0.8), thing("star", "blue", 1.4)]
    table = attribute_table(objects).tolist()
    assert [row[0] for row in table] == [NOUNS.index(n) for n in ("ball", "ball", "star")]
    assert [row[1] for row in table] == [COLOUR_NAMES.index(c) for c in ("red", "red", "blue")]
    places = [true_words(row) & {*PLACE_WORDS} for row in table]
    assert places == [{"on the left"}, {"on the right"}, {"on the right"}]


def test_sizes_are_relative_and_motion_is_of_the_object_itself() -> None:
    objects = [thing("ball", "red", 0.2, diameter=0.4, by=0.1), thing("ball", "red", 0.8, 0.25)]
    words = [true_words(row) for row in attribute_table(objects).tolist()]
    assert words == [{"on the left", "big", "moving"}, {"on the right", "small", "still"}]


def test_a_single_frame_says_nothing_of_motion() -> None:
    (row,) = attribute_table([thing("ball", "red", 0.2, frames=1)]).tolist()
    assert row[2:] == [0] * (FLAGS - 2) + [IGNORED_LABEL] * 2
    masks = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)
    target = attribute_map(masks, [thing("ball", "red", 0.2, frames=1)])[None]
    logits = torch.zeros(1, DRAWN.channels, 2, 2)
    disturbed = logits.clone()
    disturbed[:, -2:] = 50
    assert attribute_loss([logits], target) == attribute_loss([disturbed], target)


def test_the_map_holds_each_object_where_it_is() -> None:
    masks = torch.zeros(2, 2, 4, 4, dtype=torch.uint8)
    masks[0, :, :2], masks[1, :, 1:3] = 255, 200
    found = attribute_map(masks, [thing("ball", "red", 0.2), thing("cup", "white", 0.8)])
    assert found.shape == (2 + FLAGS, 2, 4, 4)
    nouns = found[0, 0, :, 0].tolist()
    assert nouns == [NOUNS.index("ball"), NOUNS.index("ball"), NOUNS.index("cup"), IGNORED_LABEL]


def test_the_loss_is_zero_for_perfect_heads_and_blind_to_the_background() -> None:
    masks = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    masks[0, :, :2], masks[1, :, 3:] = 255, 255
    objects = [thing("ball", "red", 0.2), thing("cup", "white", 0.8)]
    target = attribute_map(masks, objects)[None]
    nouns, colours = (target[:, i, 0].clamp(min=0) for i in (0, 1))
    perfect = torch.cat(
        [
            F.one_hot(nouns, len(NOUNS)).movedim(-1, 1),
            F.one_hot(colours, len(COLOUR_NAMES)).movedim(-1, 1),
            target[:, 2:, 0].clamp(min=0),
        ],
        dim=1,
    )
    logits = 100.0 * (perfect * 2 - 1)
    assert attribute_loss([logits], target) < 1e-6
    disturbed = logits.clone()
    disturbed[:, :, 2] = 50 * torch.randn(DRAWN.channels, 4)  # a row of the picture without objects
    assert attribute_loss([disturbed], target) < 1e-6
    assert attribute_loss([-logits], target) > 10


@pytest.mark.training
def test_a_cached_run_learns_attributes_and_exports_without_the_heads(
    tmp_path, monkeypatch
) -> None:
    """The second run has no inflation, so that every frame is a sample."""
    vae = AutoencoderTiny.from_pretrained(WEIGHTS / "vae", torch_dtype=torch.float32)
    monkeypatch.setattr("train.lgvi.latent_cache.SCENES_PER_SHARD", 4)
    cache = tmp_path / "cache"
    cache.mkdir()
    for kind in ("image", "video"):
        write_shard(vae, Shard(kind, 0), cache)
    data = {"cache": str(cache), "videos": [], "images": [], "video_frames": [2]}
    for name, ablation in (("run", {}), ("frames", {"video_inflation": False})):
        values = tiny_values(
            tmp_path / name,
            max_steps=4,
            data=data,
            loss={"attribute_weight": 0.1},
            ablation=ablation,
            optimizer={"mask_decoder": {"peak": 0.02}},
        )
        trainer = build_trainer(TrainConfig.model_validate(values))
        before = trainer.unwrapped.attribute_heads.heads[0].weight.detach().clone()
        trainer.run()
        assert not torch.equal(before, trainer.unwrapped.attribute_heads.heads[0].weight)
        weights = load_file(newest(tmp_path / name / "checkpoints") / WEIGHTS_FILE)
        assert weights
        assert not any("attribute" in key for key in weights)
    AcceleratorState._reset_state(reset_partial_state=True)


def test_heads_answer_at_the_latents_size() -> None:
    heads = AttributeHeads([8, 4])
    features = [torch.randn(2, 8, 3, 5), torch.randn(2, 4, 6, 10)]
    assert [x.shape for x in heads(features, (6, 10))] == [(2, DRAWN.channels, 6, 10)] * 2
