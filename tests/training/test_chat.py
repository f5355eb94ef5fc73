"""Training of the chat model: what it reads, and that it learns, resumes exactly and exports."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from lgvi_core.chat.model import load_chat
from lgvi_core.chat.reply import prepare_inputs, reply
from lgvi_core.errors import LGVIError
from tools.paths import ROOT
from train.chat.batches import ChatBatches
from train.chat.check import Scores, held_out, score
from train.chat.config import ChatConfig
from train.chat.encoder import IGNORED, ConversationEncoder, chat_format
from train.chat.export import export
from train.chat.frames import SceneCache, scene_objects, write_shard
from train.chat.model import position_codes
from train.chat.tokenizer import read_tokenizer, train_tokenizer
from train.data.drawn.numbered import scene_of
from train.data.drawn.scenes import draw_scene
from train.data.language.conversations import LabelledTurn, converse
from train.data.language.prompts import describe_scene, from_left, seen_parts
from train.engine import checkpoints
from train.engine.config import read_yaml_config
from train.engine.trainer import Trainer
from train.evaluation.config import read_evaluation_config
from train.lgvi.attributes import IGNORED_LABEL
from train.train_chat import build_trainer, train

pytestmark = pytest.mark.training
TINY_TOWER = {
    "image_size": 64,
    "patch_size": 16,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 32,
}
TINY_LANGUAGE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 512,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A folder of drawn pictures in both sizes."""
    folder = tmp_path_factory.mktemp("frames")
    for number in (0, 1):
        write_shard(folder, number)
    return folder


def config_of(output: Path, cache: Path, **changes) -> ChatConfig:
    values = {
        "output": output,
        "max_steps": 6,
        "threads": 1,
        "cpu": True,
        "log_every": 1,
        "checkpoint_every": 3,
        "check_every": 6,
        "check_count": 2,
        "vocabulary": 600,
        "vision": TINY_TOWER,
        "text": TINY_LANGUAGE,
        "data": {
            "cache": cache,
            "batch": 4,
            "apart_pictures": 6,
            "apart_talks": 8,
            "turns": [1, 2],
        },
        "optimizer": {"warmup_steps": 1, "ema_decay": 0.9},
        **changes,
    }
    return ChatConfig.model_validate(values)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cache) -> Path:
    output = tmp_path_factory.mktemp("runs") / "finished"
    train(config_of(output, cache))
    AcceleratorState._reset_state(reset_partial_state=True)
    return output


@pytest.fixture(scope="module")
def reading(cache) -> ConversationEncoder:
    config = config_of(Path("unused"), cache)
    tokenizer = train_tokenizer(600, config.system_prompt)
    image = tokenizer.convert_tokens_to_ids("<image>")
    return ConversationEncoder(tokenizer, image, 64, 16, chat_format(config))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints.newest(run / "checkpoints") / checkpoints.WEIGHTS)


def test_cached_pictures_are_those_that_are_drawn(cache):
    frames = SceneCache(cache)
    assert len(frames) == 200
    for number in (3, 104):
        height, width = ((128, 128), (96, 160))[number // 100]
        scene = scene_of("train", number, 1, width / height)
        layers = draw_scene(scene, height, width)
        assert [o.noun for o in frames.objects(number)] == [o.noun for o in scene.objects]
        present = tuple(range(len(scene.objects)))[-1:]
        picture, coverage = frames.picture(number, present)
        drawn = layers.compose(present)[0] / 255
        assert np.abs(picture - drawn).max() < 0.02
        assert np.abs(coverage[..., 0] - layers.masks()[present[0], 0]).max() < 0.01
        assert not coverage[..., 1:].any()


def test_a_cache_must_be_drawn_first(tmp_path):
    with pytest.raises(LGVIError, match=r"run train\.chat\.frames"):
        SceneCache(tmp_path)


def test_only_replies_are_learnt_and_all_of_them(reading):
    turns = converse(np.random.default_rng(3), scene_objects(5), 3)
    ids, labels = reading.encode_conversation(turns, 1)
    assert all(label in (IGNORED, token) for label, token in zip(labels, ids, strict=True))
    assert learnt(reading, labels) == "".join(f" {turn.reply}</s>" for turn in turns)
    assert ids.count(reading.image_token) == 16


def test_without_a_picture_the_scene_is_told_and_not_learnt(reading):
    turns = converse(np.random.default_rng(3), scene_objects(5), 3)
    ids, labels = reading.encode_conversation(turns, 0)
    assert reading.tokenizer.decode(ids).count(describe_scene(scene_objects(5))[:8]) >= 1
    expected = ""
    for turn in turns:
        reply = f" {turn.reply}</s>"
        for part in reversed(seen_parts(turn.reply)):
            reply = reply[: part.start + 1] + reply[part.stop + 1 :]
        expected += reply
    assert "I see" not in expected
    assert "(yes)" in expected or "(no)" in expected, "all of an answer is learnt, its end too"
    # The vocabulary has one token for the bracket and the full stop after it.
    told = learnt(reading, labels).replace(").", ")")
    assert told.replace(" ", "") == expected.replace(" ", "")


def learnt(reading, labels) -> str:
    return reading.tokenizer.decode([token for token in labels if token != IGNORED])


def test_any_text_survives_the_vocabulary(reading):
    for text in ("the frog's BALLOON?!", "Bitte entferne den Würfel.", "请移除它 🐸\n\tx"):
        ids = reading.tokenizer(text, add_special_tokens=False).input_ids
        assert reading.tokenizer.decode(ids) == text
    assert len(reading.tokenizer(" {{prompt}} remove the red ball").input_ids) <= 9


def test_patches_are_labelled_with_the_object_they_show(cache, reading):
    batches = ChatBatches(config_of(Path("unused"), cache), reading)
    seen = 0
    for step in range(10):
        batch = batches[step]
        assert torch.equal(batch.order > 0, batch.attributes[:, 0, 0] != IGNORED_LABEL)
        seen += int((batch.order > 0).any((1, 2)).sum())
        for order in batch.order:
            columns = torch.arange(4).expand(4, 4).float()
            places = [columns[order == k].mean() for k in (1, 2, 3) if (order == k).any()]
            assert all(b >= a - 1 for a, b in itertools.pairwise(places))
    assert seen > 30


def test_places_are_told_apart_from_the_start():
    codes = position_codes(8, 36)
    assert torch.cdist(codes, codes).add(10 * torch.eye(64)).min() > 0.1
    near, far = (codes[0] - codes[1]).norm(), (codes[0] - codes[7]).norm()
    assert near < far


def test_order_is_from_left_to_right():
    objects = scene_objects(7)
    xs = [objects[i].path[0, 0] for i in from_left(objects)]
    assert xs == sorted(xs)


def test_batches_of_two_processes_are_those_of_one(cache, reading):
    config = config_of(Path("unused"), cache)
    whole = ChatBatches(config, reading)[2]
    halves = [ChatBatches(config, reading, rank, 2)[2] for rank in (0, 1)]
    assert torch.equal(whole.pixels, torch.cat([half.pixels for half in halves]))
    with pytest.raises(LGVIError, match="shared evenly by 3"):
        ChatBatches(config, reading, 0, 3)


def test_pictures_join_when_they_are_due(cache, reading):
    batches = ChatBatches(config_of(Path("unused"), cache, apart_until=0.5), reading)
    first, last = batches[2], batches[3]
    assert not first.joint and not (first.tokens == reading.image_token).any()
    assert last.joint and ((last.tokens == reading.image_token).sum(1) == 16).all()


def test_a_stopped_run_ends_with_the_same_weights(finished, cache, tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    original = Trainer.train_part

    def stop_at_four(self, batch):
        if self.progress.step == 4:
            raise Stop
        return original(self, batch)

    monkeypatch.setattr(Trainer, "train_part", stop_at_four)
    with pytest.raises(Stop):
        train(config_of(tmp_path, cache))
    monkeypatch.undo()
    AcceleratorState._reset_state(reset_partial_state=True)
    train(config_of(tmp_path, cache))
    resumed, whole = weights(tmp_path), weights(finished)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_another_model_is_not_gone_on_with(finished, cache):
    with pytest.raises(LGVIError, match="text changed"):
        train(config_of(finished, cache, text={**TINY_LANGUAGE, "hidden_act": "gelu"}))


def test_a_run_starts_from_another(finished, cache, tmp_path):
    config = config_of(tmp_path / "more", cache, start_from=finished)
    trainer = build_trainer(config)
    average = weights(finished)
    state = trainer.unwrapped.state_dict()
    assert all(torch.equal(state[name], value) for name, value in average.items())
    newest = checkpoints.newest(finished / "checkpoints")
    heads = load_file(newest / checkpoints.MODEL)
    name = "attribute_heads.heads.0.weight"
    assert torch.equal(state[name], heads[name])
    assert (
        read_tokenizer(config.output / "tokenizer").get_vocab()
        == read_tokenizer(finished / "tokenizer").get_vocab()
    )


@pytest.mark.parametrize(
    ("before", "changes", "message"),
    [
        ("missing", {}, "name the output folder of a chat training"),
        ("finished", {"text": {**TINY_LANGUAGE, "intermediate_size": 48}}, "of another model"),
    ],
)
def test_a_run_starts_from_its_like_only(finished, cache, tmp_path, before, changes, message):
    run = finished if before == "finished" else tmp_path / before
    with pytest.raises(LGVIError, match=message):
        build_trainer(config_of(tmp_path / "more", cache, start_from=run, **changes))


@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_all_parts_learn(cache, tmp_path, apart):
    """All parts also learn apart from each other, although then none learns to read pictures."""
    config = config_of(
        tmp_path,
        cache,
        max_steps=40,
        apart_until=apart,
        optimizer={"vision": 5e-3, "language": 5e-3, "warmup_steps": 1},
    )
    trainer = build_trainer(config)
    losses = [trainer.train_part(trainer.task.batches[step]) for step in range(40)]
    for name in ("language", "attributes", "order"):
        first, last = (sum(x[name] for x in part) / 5 for part in (losses[:5], losses[-5:]))
        assert last < 0.9 * first, name


def test_the_export_is_what_the_nodes_load(finished, tmp_path):
    export(finished, tmp_path)
    model = load_chat(tmp_path, dtype=torch.float32)
    assert model.format.framing == "letterbox"
    assert model.patches == 16
    assert "<image>" in model.tokenizer.all_special_tokens
    average = weights(finished)
    found = model.llava.llava.state_dict()
    assert not any("attribute" in name or "order" in name for name in found)
    name = "lm_head.weight"
    assert torch.allclose(found[name], average[f"llava.{name}"], atol=1e-3)
    frames = torch.rand(2, 48, 80, 3)
    answer = reply(model, frames, "Remove the ball.", temperature=0, max_tokens=5)
    assert answer.text != ""


def test_training_reads_what_the_chat_reads(finished, tmp_path, reading):
    """Training and inference make the same tokens and pixels."""
    export(finished, tmp_path)
    model = load_chat(tmp_path, dtype=torch.float32)
    own = ConversationEncoder(model.tokenizer, model.image_token, 64, 16, model.format)
    frames = torch.rand(3, 48, 80, 3)
    turn = LabelledTurn("Remove the {{prompt}} ball", "x", (), "remove")
    ids, pixels = prepare_inputs(model, frames, turn.request)
    assert ids == own.ids(own.text_before_reply([turn], 0, 1))
    assert torch.equal(pixels, own.pixels(frames))
    assert own.tokenizer.get_vocab() == reading.tokenizer.get_vocab()


def test_a_right_answer_scores_and_a_wrong_one_does_not(reading, monkeypatch):
    shown = held_out(reading, 12)
    truth = {turn.request: turn.reply for item in shown for turn in item.talk.turns}

    def parrot(llava, reading, texts, pixels):
        requests = [t.rsplit("User: ")[-1].removeprefix("<image>\n") for t in texts]
        return [truth[request.removesuffix(" Assistant:")] for request in requests]

    monkeypatch.setattr("train.chat.check._reason", lambda *_: [True] * 12)
    monkeypatch.setattr("train.chat.check.answer", parrot)
    assert score(None, reading, shown) == Scores(1, 1, 1, 1, 1)
    monkeypatch.setattr("train.chat.check._reason", lambda *_: [False] * 12)
    monkeypatch.setattr("train.chat.check.answer", lambda *a: ["{{prompt}} go"] * len(a[2]))
    assert score(None, reading, shown) == Scores(0, 0, 0, 0, 0)


def test_blank_pictures_show_nothing(reading):
    (item,) = held_out(reading, 1, blank=True)
    assert item.pixels.flatten(2).std(2).max() < 1e-4
    assert held_out(reading, 1)[0].pixels.std() > 0.1


@pytest.mark.parametrize(
    "text", ["steps: 2026-02-31", "[" * 5000, f"steps: {'9' * 5000}", "a: [", "\0", "a: !!binary x"]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, text):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(LGVIError, match=r"wrong\.yaml"):
        read_yaml_config(path, ChatConfig)
    with pytest.raises(LGVIError, match=r"wrong\.yaml"):
        read_evaluation_config(path, {})
    path.write_text("[1, 2]")
    with pytest.raises(LGVIError, match=r"wrong\.yaml is not a table of keys"):
        read_evaluation_config(path, {})


def test_the_shipped_configurations_are_valid(tmp_path):
    config = read_yaml_config(ROOT / "train" / "configs" / "chat_mini.yaml", ChatConfig)
    more = read_yaml_config(ROOT / "train" / "configs" / "chat_mini_more.yaml", ChatConfig)
    assert more.start_from == config.output
    same = ("system_prompt", "vocabulary", "vision", "text")
    assert all(getattr(more, key) == getattr(config, key) for key in same)
    path = tmp_path / "wrong.yaml"
    values = config.model_dump(mode="json")
    path.write_text(yaml.safe_dump({**values, "max_steps": 0, "colour": 1}))
    with pytest.raises(LGVIError) as caught:
        read_yaml_config(path, ChatConfig)
    assert "max_steps" in str(caught.value)
    assert "colour" in str(caught.value)
