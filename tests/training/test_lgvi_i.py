"""Joint training of video and chat model: trained parts, Eq. 5, resuming, and both exports."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from lgvi_core.chat.llava import read_released_parts
from lgvi_core.chat.marks import find_prompt
from lgvi_core.chat.model import load_chat
from lgvi_core.chat.reply import reply
from lgvi_core.checkpoint.checkpoint import CHAT_PARTS_FILE, load_checkpoint
from lgvi_core.errors import LGVIError
from lgvi_core.pipeline import LGVIPipeline
from support.data_sets import handmade_rovi
from support.tiny_chat import BASE_ROWS, make_chat_folder, to_original_layout
from support.train_run import OWN_PARTS, launch, tiny_values
from tools.paths import ROOT
from train.data.language.conversations import LabelledTurn
from train.data.sets.rovi import RoviReader
from train.data.write import write_shards
from train.engine.checkpoints import WEIGHTS, newest
from train.engine.config import read_run_config, read_yaml_config
from train.engine.trainer import Trainer
from train.export import check, export
from train.joint.config import JointConfig
from train.joint.export import write_chat_folder, write_released_parts
from train.lgvi.config import TrainConfig
from train.lgvi.objective import losses
from train.train_lgvi import train as train_lgvi
from train.train_lgvi_i import build_trainer, train

pytestmark = pytest.mark.training
WIDTH = 16  # width of the tiny U-Net's text features


@pytest.fixture(scope="module")
def lgvi(tmp_path_factory) -> Path:
    """A tiny LGVI model to start from."""
    folder = tmp_path_factory.mktemp("lgvi")
    train_lgvi(TrainConfig.model_validate(tiny_values(folder / "run", max_steps=1)))
    export(folder / "run", folder / "model", "MIT", torch.float32)
    return folder / "model"


@pytest.fixture(scope="module")
def chat(tmp_path_factory) -> Path:
    return make_chat_folder(tmp_path_factory.mktemp("chat"), mm_features=None, context=1024)


def values_of(output: Path, lgvi: Path, chat_folder: Path, **changes):
    own = {
        **dict.fromkeys(OWN_PARTS, ...),
        "start_from": str(lgvi),
        "optimizer": {"text_encoder": None, "unet": {"peak": 1e-3}},
    }
    section = {"model": str(chat_folder), "rate": {"peak": 1e-2}, "feature_length": 48}
    section |= changes.pop("chat", {})
    return tiny_values(output, **own | changes) | {"chat": section}


def config_of(*args, **changes) -> JointConfig:
    return JointConfig.model_validate(values_of(*args, **changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, lgvi, chat) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    train(config_of(run, lgvi, chat))
    return run


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = newest(run / "checkpoints")
    assert checkpoint is not None
    return load_file(checkpoint / WEIGHTS)


def test_the_chat_model_is_frozen_but_for_its_three_parts(finished, chat):
    trained = weights_of(finished)
    parts = {name.rsplit(".", 2)[-2] for name in trained if name.startswith("chat.")}
    assert parts == {"embed_tokens", "linear_1", "linear_2", "0", "2"}
    before = load_chat(chat, dtype=torch.float32).llava.state_dict()
    for name, value in trained.items():
        if name.startswith("chat.llava."):
            assert not torch.equal(value, before[name.removeprefix("chat.")]), name


@pytest.mark.parametrize(("own", "expected"), [({"peak": 3e-2}, 3e-2), (None, 1e-2)])
def test_the_mm_head_may_have_a_rate_of_its_own(tmp_path, lgvi, chat, own, expected):
    trainer = build_trainer(config_of(tmp_path, lgvi, chat, chat={"mm_head_rate": own}))
    groups = trainer.optimizer.param_groups
    assert {g["lr"] for g in groups if g["name"] == "mm_head"} == {expected}
    assert {g["lr"] for g in groups if g["name"] == "chat"} == {1e-2}
    head = {id(p) for p in trainer.unwrapped.chat.mm_head.parameters()}
    assert {id(p) for g in groups if g["name"] == "mm_head" for p in g["params"]} == head


def test_the_states_of_the_prompt_reach_cross_attention(tmp_path, lgvi, chat):
    """The features are those of the prompt's own words in the reply."""
    trainer = build_trainer(config_of(tmp_path, lgvi, chat))
    encoder = trainer.task.batches.text.encoder
    batch = trainer.task.losses.to_latents(trainer.task.batches[0])
    chat_input = batch.text
    seen = []
    trainer.unwrapped.predict = lambda z_t, t, text, c_x: seen.append(text) or pytest.skip
    with pytest.raises(AttributeError):
        trainer.model(batch.target, batch.t, chat_input, batch.has_text, batch.source)
    features = seen[0]
    assert features.shape == (len(batch.t), 48, WIDTH)
    states = trainer.unwrapped._states(chat_input)
    for i, tokens in enumerate(chat_input.tokens.tolist()):
        text = encoder.tokenizer.decode(tokens)
        reply_text = text[text.rindex("Assistant:") + len("Assistant:") :]
        words = tokens[: int((chat_input.labels[i] >= 0).nonzero()[-1])]  # without the end token
        spoken = words[-(len(reply_text.split("</s>")[0].encode())) :]
        found = find_prompt(spoken, encoder.tokenizer.decode)
        first = len(words) - len(spoken) + found.opening
        picked = states[i, first : len(words)][:48]
        expected = trainer.unwrapped.chat.mm_head(picked) * batch.has_text[i]
        assert torch.allclose(features[i, : len(picked)], expected, atol=1e-5)
        assert not features[i, len(picked) :].any()


def test_the_loss_is_equation_5(tmp_path, lgvi, chat):
    trainer = build_trainer(
        config_of(tmp_path, lgvi, chat, loss={"language_weight": 0.25, "mask_weight": 0.5})
    )
    batch = trainer.task.losses.to_latents(trainer.task.batches[0])
    parts = losses(trainer.model, trainer.task.losses.scheduler, batch, trainer.config.loss)
    expected = parts["diffusion"] + 0.5 * parts["mask"] + 0.25 * parts["language"]
    assert torch.allclose(parts["loss"], expected)
    with torch.no_grad():
        states = trainer.unwrapped._states(batch.text)
        logits = trainer.unwrapped.chat.llava.lm_head(states)
    each = []
    for row, labels in zip(logits[:, :-1], batch.text.labels[:, 1:], strict=True):
        each.append(torch.nn.functional.cross_entropy(row, labels, ignore_index=-100))
    assert torch.allclose(parts["language"], torch.stack(each).mean(), atol=1e-5)


def test_a_stopped_run_goes_on_exactly(tmp_path, finished, lgvi, chat, monkeypatch):
    run = tmp_path / "run"
    original = Trainer.train_part

    def killed(self, batch):
        if self.progress.step == 3:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "train_part", killed)
        train(config_of(run, lgvi, chat))
    train(config_of(run, lgvi, chat))
    ours, theirs = weights_of(run), weights_of(finished)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_two_processes_train_as_one(tmp_path, finished, lgvi, chat):
    run, config = tmp_path / "two", tmp_path / "two.yaml"
    config.write_text(yaml.safe_dump(values_of(run, lgvi, chat)))
    launch(["-m", "train.train_lgvi_i", "--config", str(config)], 2)
    one, two = weights_of(finished), weights_of(run)
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-4


def test_both_exports_open_as_the_same_chat_model(tmp_path, finished, chat):
    video, whole = tmp_path / "lgvi-i", tmp_path / "chat"
    export(finished, video, "MIT", torch.float32, whole, released=True)
    assert "opens and runs" in check(video)
    checkpoint = load_checkpoint(video)
    assert checkpoint.unet_config.text_features == ("mm_head",)
    assert checkpoint.text_encoder is None
    parts = load_chat(chat, dtype=torch.float32, released_parts=video / CHAT_PARTS_FILE)
    own = load_chat(whole, dtype=torch.float32)
    assert own.format == parts.format
    assert own.format.feature_length == 48
    mine = own.llava.state_dict()
    for name, value in parts.llava.state_dict().items():
        assert torch.equal(value, mine[name]), name
    frames = torch.rand(2, 32, 48, 3)
    answer = reply(own, frames, "hello", max_tokens=5, temperature=0)
    features = torch.zeros(1, 48, WIDTH) if answer.features is None else answer.features
    result = LGVIPipeline.from_checkpoint(video)(frames, features, steps=1)
    assert torch.isfinite(result.frames).all()
    with pytest.raises(LGVIError, match="takes mm_head features, got clip"):
        LGVIPipeline.from_checkpoint(video)(frames, "remove it", steps=1)


def test_a_lora_of_the_chat_model_is_merged_into_the_whole_export(tmp_path, lgvi, chat):
    run = tmp_path / "run"
    config = config_of(run, lgvi, chat, max_steps=3, chat={"lora": {"rank": 2}})
    train(config)
    trained = weights_of(run)
    added = {name for name in trained if ".lora_" in name}
    assert len(added) == 2 * 4 * 2, "two layers, four projections, A and B"
    embedding = "llava.model.language_model.embed_tokens.weight"
    before = load_chat(chat, dtype=torch.float32).llava.state_dict()[embedding]
    assert not torch.equal(trained[f"chat.{embedding}"], before), "still trained beside LoRA"
    with pytest.raises(LGVIError, match=r"cannot hold chat\.lora"):
        export(run, tmp_path / "lgvi-i", "MIT", torch.float32, released=True)
    export(run, tmp_path / "lgvi-i", "MIT", torch.float32, tmp_path / "whole")
    base = load_chat(chat, dtype=torch.float32).llava.state_dict()
    merged = load_chat(tmp_path / "whole", dtype=torch.float32).llava.state_dict()
    for name in sorted(added):
        if ".lora_A." not in name:
            continue
        layer = name.removeprefix("chat.").split(".lora_A.")[0]
        a, b = trained[name], trained[name.replace("lora_A", "lora_B")]
        scale = config.chat.lora.alpha / config.chat.lora.rank
        expected = base[f"{layer}.weight"] + scale * b @ a
        assert torch.allclose(merged[f"{layer}.weight"], expected, atol=1e-6), layer


def test_low_precision_checkpointing_accumulation_and_lora_together(tmp_path, lgvi, chat):
    config = config_of(
        tmp_path,
        lgvi,
        chat,
        max_steps=2,
        mixed_precision="bf16",
        gradient_checkpointing=True,
        gradient_accumulation=2,
        chat={"frozen_dtype": "bf16", "lora": {"rank": 2}},
    )
    trainer = build_trainer(config)
    chat_model = trainer.unwrapped.chat
    layer = chat_model.llava.model.language_model.layers[0]
    assert layer.training and layer.gradient_checkpointing
    for name, parameter in chat_model.named_parameters():
        wanted = torch.float32 if parameter.requires_grad else torch.bfloat16
        assert parameter.dtype == wanted, name
    trainer.run()
    assert all(torch.isfinite(value).all() for value in weights_of(tmp_path).values())


def test_a_conversation_that_ends_silently_counts_as_text_withheld(tmp_path, lgvi, chat):
    trainer = build_trainer(config_of(tmp_path, lgvi, chat))
    batches = trainer.task.batches
    silent = [LabelledTurn("hello", "Hello.", (), "greeting")]
    columns = batches.text.columns(silent, torch.rand(1, 32, 48, 3))
    assert not columns["inside"].any()
    assert (columns["labels"] >= 0).sum() > len("Hello."), "its words are learnt"


def test_invented_replies_are_counted_and_said(tmp_path, lgvi, chat, caplog):
    talk = {"expressions": ["the cat"], "requests": "no cat", "response": "{{prompt}} cat"}
    table = {"v": {"objects": {"1": talk, "2": {"expressions": ["the dog"]}}}}
    root = handmade_rovi(tmp_path / "rovi", table, ["a", "b"])
    write_shards(RoviReader(root, max_area=1), tmp_path / "shards", 2)
    sources = {
        "clips": {"kind": "shards", "index": str(tmp_path / "shards")},
        "pictures": {"kind": "rovi", "root": str(root), "max_area": 1},
    }
    data = {"videos": [sources["clips"]], "images": [sources["pictures"]]}
    build_trainer(config_of(tmp_path / "run", lgvi, chat, data=data))
    for kind in sources:
        assert f"1 of 2 of the {kind} bring no conversation" in caplog.text
    index = tmp_path / "shards" / "index.json"
    index.write_text(index.read_text().replace('"conversations"', '"unknown"'))
    build_trainer(config_of(tmp_path / "other", lgvi, chat, data=data))
    assert "up to 2 of 2: an index of shards does not say" in caplog.text
    caplog.clear()
    table["v"]["objects"].pop("2")
    (root / "train.json").write_text(json.dumps(table))
    only = {"videos": [sources["pictures"]], "images": [sources["pictures"]]}
    build_trainer(config_of(tmp_path / "third", lgvi, chat, data=only))
    assert "bring no conversation" not in caplog.text


def test_padding_is_no_picture(tmp_path, lgvi, chat):
    original, _ = to_original_layout(chat, tmp_path)
    trainer = build_trainer(config_of(tmp_path / "run", lgvi, original))
    encoder = trainer.task.batches.text.encoder
    assert encoder.tokenizer.pad_token_id == encoder.image_token
    batch = trainer.task.batches[0].text
    ends = {int((labels >= 0).nonzero()[-1]) for labels in batch.labels}
    assert len(ends) > 1, "padded"
    assert ((batch.tokens == encoder.image_token).sum(1) == encoder.side**2).all()
    assert torch.isfinite(trainer.unwrapped._states(batch)).all()


def test_progress_pictures_come_from_replies(tmp_path, lgvi, chat):
    source = {"kind": "generated", "split": "held-out", "size": [32, 48], "count": 2}
    samples = {"every": 1, "source": source, "count": 2, "frames": 2, "steps": 1}
    train(config_of(tmp_path, lgvi, chat, max_steps=1, samples=samples))
    assert (tmp_path / "samples" / "step-00000001.png").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_from": ...}, "from random weights"),
        ({"optimizer": {"text_encoder": {"peak": 1e-3}}}, "no text encoder"),
        ({"lora": {"rank": 2}}, r"chat\.lora"),
        ({"chat": {"frozen_dtype": "bf16"}}, "needs mixed_precision"),
    ],
)
def test_configurations_that_cannot_be(tmp_path, lgvi, chat, changes, message):
    with pytest.raises(ValueError, match=message):
        config_of(tmp_path, lgvi, chat, **changes)


def test_an_mm_head_of_another_width_is_refused(tmp_path, lgvi):
    other = make_chat_folder(tmp_path / "other", mm_features=24)
    with pytest.raises(LGVIError, match="features of width 24, the U-Net reads 16"):
        build_trainer(config_of(tmp_path, lgvi, other))


def test_the_command_line_names_wrong_keys(tmp_path, monkeypatch):
    from train import train_lgvi_i

    path = tmp_path / "config.yaml"
    path.write_text("output: x\nmax_steps: 1\nchta: {}\n")
    monkeypatch.setattr(sys, "argv", ["train_lgvi_i", "--config", str(path)])
    with pytest.raises(SystemExit, match="chta"):
        train_lgvi_i.main()


def test_released_parts_read_back(tmp_path, finished):
    export(finished, tmp_path / "lgvi-i", "MIT", torch.float32, released=True)
    tables = read_released_parts(tmp_path / "lgvi-i" / CHAT_PARTS_FILE)
    trained = weights_of(finished)
    assert torch.equal(
        tables["language.embed_tokens.weight"],
        trained["chat.llava.model.language_model.embed_tokens.weight"],
    )


def test_released_parts_have_the_rows_of_the_base_tokenizer(tmp_path, lgvi):
    """The base is Hugging Face's LLaVA, which adds tokens and rows, or that of its authors."""
    few, many = (
        make_chat_folder(tmp_path / str(rows), mm_features=None, context=1024, rows=rows)
        for rows in (BASE_ROWS, BASE_ROWS + 8)
    )
    few, _ = to_original_layout(few, tmp_path)
    embedding = "llava.model.language_model.embed_tokens.weight"
    for name, base in (("few", few), ("many", many)):
        run, output = tmp_path / f"run-{name}", tmp_path / f"lgvi-i-{name}"
        train(config_of(run, lgvi, base, max_steps=1))
        export(run, output, "MIT", torch.float32, released=True)
        path = output / CHAT_PARTS_FILE
        table = read_released_parts(path)["language.embed_tokens.weight"]
        assert torch.equal(table, weights_of(run)[f"chat.{embedding}"][:BASE_ROWS])
        for other, rows in ((few, BASE_ROWS), (many, BASE_ROWS + 8)):
            loaded = load_chat(other, dtype=torch.float32, released_parts=path)
            found = loaded.llava.state_dict()[embedding]
            assert len(found) == rows
            assert torch.equal(found[:BASE_ROWS], table)


@pytest.mark.parametrize("part", ["embed_tokens", "linear_1.bias", "mm_head"])
def test_weights_that_lack_a_trained_part_are_not_exported(tmp_path, finished, part):
    config = read_run_config(finished, JointConfig)
    weights = {name: value for name, value in weights_of(finished).items() if part not in name}
    with pytest.raises(LGVIError, match=rf"lack \d trained tensors .*{part}"):
        write_chat_folder(config, weights, tmp_path / "chat", {}, torch.float32)
    with pytest.raises(LGVIError, match=rf"lack \d trained tensors .*{part}"):
        write_released_parts(config, weights, tmp_path / "lgvi-i")
    assert not any(tmp_path.iterdir())


def test_the_papers_configuration_is_valid():
    config = read_yaml_config(ROOT / "train" / "configs" / "lgvi_i_paper.yaml", JointConfig)
    loss = config.loss
    assert (loss.mask_weight, loss.language_weight) == (0.001, 0.1)
    assert config.chat.rate.peak == 1e-4
