"""Chat models from anywhere: what could hang, fill the memory or be obeyed is refused in words."""

import json
import os
import shutil
import time
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from lgvi_core.chat import tokens
from lgvi_core.chat.conversation import Turn
from lgvi_core.chat.history import MAX_TURNS, read_history, write_history
from lgvi_core.chat.llava import RELEASED_PARTS, read_released_parts
from lgvi_core.chat.model import load_chat
from lgvi_core.chat.reply import prepare_inputs, reply
from lgvi_core.checkpoint.guard import in_time
from lgvi_core.checkpoint.regex import regex_problem
from lgvi_core.errors import CheckpointError, LGVIError
from support.tiny_chat import make_chat_folder

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
SHORT_O200K = (
    r"[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+(?i:'s|'t|'ll)?|[!\"\[\\\]^_`{|}~][A-Za-z]+|[[a-z]&&[^b]]"
)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_chat_folder(tmp_path_factory.mktemp("chat") / "tiny")


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "tiny")


@pytest.fixture
def frames():
    return torch.rand(2, 24, 40, 3, generator=torch.Generator().manual_seed(1))


def edit(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def before_words(*steps):
    """A change of `tokenizer.json` that puts these pre-tokenizers before its own."""

    def change(values):
        own = values["pre_tokenizer"]
        values["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*steps, own]}

    return change


def split(pattern):
    step = {"type": "Split", "pattern": {"Regex": pattern}}
    return before_words({**step, "behavior": "Isolated", "invert": False})


def added(count):
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    more = [{**token, "id": 1000 + i, "content": f"<{i}>", "special": True} for i in range(count)]
    return lambda values: values["added_tokens"].extend(more)


def replaced(part, key, times, pattern, content):
    step = {"type": "Replace", "pattern": pattern, "content": content}
    return lambda values: values.update({part: {"type": "Sequence", key: [step] * times}})


@pytest.mark.parametrize(
    "pattern", [GPT2, LLAMA3, POSSESSIVE, SHORT_O200K, r"\d", r"[^(\s|[.,])]+"]
)
def test_the_expressions_of_real_tokenizers_are_taken(pattern):
    assert regex_problem(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 5000,
        "(a+)+$",
        "(a|a)*b",
        "((a?){9})+",
        "(?:a*)*",
        "a*a*a*b|a",
        "(a{1,2})+",
        "a{1,2}+",
        "(a+){2,}",
        r"(x)\1",
        r"(?<n>a)\g<n>",
        "[](a+)+]",
        "(?x) a",
        "(",
        ")",
        "[a",
        "a**",
        "(?R)",
        "(" * 3000,
    ],
)
def test_expressions_that_may_not_end_are_refused(pattern):
    assert regex_problem(pattern)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (split("(a+)+$"), r"'\(a\+\)\+\$' in its pre_tokenizer is refused"),
        (replaced("decoder", "decoders", 1, {"Regex": "(a+)+$"}, ""), "in its decoder is refused"),
        (replaced("normalizer", "normalizers", 20, {"String": "a"}, "aa"), "up to 1.0.* times"),
        (added(10_001), "adds 100.. tokens"),
        (lambda v: v["model"]["vocab"].update({"a" * 2000: 999}), "more than 1024 characters"),
        (lambda v: v.update(pre_tokenizer={"type": "Unheard"}), "the tokenizer cannot be read"),
    ],
)
def test_a_tokenizer_that_could_hang_is_refused_on_loading(folder, change, message):
    edit(folder / "tokenizer.json", change)
    started = time.process_time()
    with pytest.raises(CheckpointError, match=message) as error:
        load_chat(folder)
    assert str(folder) in str(error.value)
    assert time.process_time() - started < 5


def test_many_added_tokens_are_refused_in_every_file(folder):
    edit(
        folder / "tokenizer_config.json",
        lambda v: v.update(more={str(i): i for i in range(20_000)}),
    )
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: adds 20000 tokens"):
        load_chat(folder)


def test_a_panic_of_the_tokenizer_is_an_error_in_words(folder, frames):
    edit(folder / "tokenizer.json", before_words({"type": "FixedLength", "length": 0}))
    chat = load_chat(folder, dtype=torch.float32)
    with pytest.raises(CheckpointError, match="the tokenizer of this chat model cannot be used"):
        prepare_inputs(chat, frames, "remove the ball")

    class Panicking:
        def decode(self, *_, **__):
            chat.tokenizer._tokenizer.encode("abc")

    with pytest.raises(CheckpointError, match="cannot be used"):
        tokens.decode(Panicking(), [1])


def test_a_slow_tokenizer_is_waited_for_in_bounds(folder, frames, monkeypatch):
    edit(folder / "tokenizer.json", split("a*a*b|a"))
    chat = load_chat(folder, dtype=torch.float32)
    monkeypatch.setattr(tokens, "in_time", lambda call, what: in_time(call, what, 0.2))
    started = time.monotonic()
    with pytest.raises(CheckpointError, match=r"took more than 0\.2 seconds"):
        prepare_inputs(chat, frames, "a" * 1500)
    assert time.monotonic() - started < 3


def test_stopping_is_not_taken_for_a_failure():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_time(stop, "it")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "anything"])
def test_pipes_and_devices_are_not_read(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(CheckpointError, match=f"{name}: not a file, but"):
        load_chat(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=f"{name}: not a file, but"):
        load_chat(folder)


def change_config(**changes):
    def damage(folder):
        edit(folder / "config.json", lambda values: values.update(changes))

    return damage


def change_part(part, **changes):
    def damage(folder):
        edit(folder / "config.json", lambda values: values[part].update(changes))

    return damage


def normalisation(**values):
    return lambda folder: (folder / "preprocessor_config.json").write_text(json.dumps(values))


def change_weights(change, file="model.safetensors"):
    def damage(folder):
        state = load_file(folder / file)
        change(state)
        save_file(state, folder / file, {"format": "pt"})

    return damage


def with_nan(state):
    key = next(key for key in state if key.endswith("q_proj.weight"))
    state[key][0, 0] = float("nan")


def flat_head(state):
    state["mm_head.layers.2.weight"] = torch.tensor(1.0)


def many_tensors(state):
    state |= {f"t{i}": torch.zeros(0) for i in range(30_000)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_part("text_config", num_hidden_layers=20_000), "num_hidden_layers"),
        (change_part("text_config", num_hidden_layers=500), "missing"),
        (change_part("text_config", hidden_size=10**12), "hidden_size"),
        (change_part("text_config", hidden_act="import os"), "import os"),
        (change_part("text_config", model_type="mamba"), "model_type 'mamba' is not one"),
        (change_part("vision_config", patch_size=0), "patch_size"),
        (change_part("vision_config", image_size=10**9), "image_size"),
        (change_config(image_token_index=-1), "image_token_index"),
        (change_config(image_token_index=5000), "the image token of config.json is 5000"),
        (change_config(vision_feature_layer=99), "vision_feature_layer of config.json is 99"),
        (change_config(vision_feature_layer=[0, -9]), "is -9, the vision tower has 2 layers"),
        (change_config(text_config=[1]), "text_config: not a JSON object"),
        (normalisation(image_mean=5), "image_mean is 5 instead of three numbers"),
        (normalisation(image_std=[1, 1, "x"]), "image_std is .* instead of three numbers"),
        (change_weights(with_nan), "q_proj.weight hold NaN"),
        (change_weights(many_tensors), "300.. tensors, at most"),
        (change_weights(flat_head, "mm_head.safetensors"), "MM head without its last layer"),
    ],
)
def test_foreign_configs_and_weights_are_refused_before_they_cost_anything(folder, damage, message):
    damage(folder)
    started = time.process_time()
    with pytest.raises(LGVIError, match=message) as error:
        load_chat(folder)
    assert str(folder) in str(error.value)
    assert time.process_time() - started < 10


def test_a_normalisation_of_null_is_the_usual_one(folder):
    normalisation(image_mean=None)(folder)
    assert load_chat(folder).image_mean == pytest.approx((0.48145466, 0.4578275, 0.40821073))


@pytest.mark.parametrize("part", [None, "text_config", "vision_config"])
def test_a_config_cannot_choose_code_or_quantisation(folder, part):
    hostile = {
        "attn_implementation": "someone/kernels",
        "_attn_implementation": "someone/kernels",
        "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True},
        "auto_map": {"AutoModel": "evil.Model"},
        "torch_dtype": "float64",
    }
    damage = change_config(**hostile) if part is None else change_part(part, **hostile)
    damage(folder)
    chat = load_chat(folder, dtype=torch.float32)
    written = json.dumps(chat.config.to_dict(), default=str)
    assert "someone" not in written and "evil" not in written
    assert getattr(chat.config, "quantization_config", None) is None
    assert chat.config._attn_implementation in ("sdpa", "eager")
    assert next(chat.llava.parameters()).dtype == torch.float32


def test_mistral_and_qwen_inside_a_llava_load(folder):
    """Their tensors have Llama's names; Qwen's have biases too."""
    change_part("text_config", model_type="mistral")(folder)
    assert load_chat(folder).config.text_config.model_type == "mistral"
    change_part("text_config", model_type="qwen2")(folder)
    with pytest.raises(CheckpointError, match=r"missing .*bias"):
        load_chat(folder)


def test_a_released_file_of_other_tables_is_refused(tmp_path):
    path = tmp_path / "llava_weights.pth"
    torch.save(dict.fromkeys(RELEASED_PARTS, torch.zeros(2)), path)
    with pytest.raises(CheckpointError, match="not tables of tensors"):
        read_released_parts(path)

    torch.save({"a": os.getcwd}, path)
    with pytest.raises(CheckpointError, match="refused") as error:
        read_released_parts(path)
    assert "weights_only" not in str(error.value)


def test_a_zip_bomb_is_refused_without_unpacking(tmp_path):
    path, plain = tmp_path / "llava_weights.pth", tmp_path / "plain.pth"
    torch.save({"language_embedding": {"weight": torch.zeros(1_000_000)}}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in source.infolist():
            bomb.writestr(entry.filename, source.read(entry))
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="unpack to 40"):
        read_released_parts(path)


def test_a_tensor_that_claims_more_than_it_stores_is_refused(tmp_path):
    path = tmp_path / "llava_weights.pth"
    torch.save({"language_embedding": {"weight": torch.zeros(1).expand(10**12)}}, path)
    with pytest.raises(CheckpointError, match="not stored in full"):
        read_released_parts(path)


@pytest.mark.parametrize("temperature", [float("nan"), float("inf"), -1.0])
def test_a_temperature_that_is_no_number_is_refused(original, frames, temperature):
    chat = load_chat(original, dtype=torch.float32)
    with pytest.raises(LGVIError, match="temperature must be 0 or more"):
        reply(chat, frames, "remove the ball", temperature=temperature)


def test_frames_without_pixels_are_refused(original):
    chat = load_chat(original, dtype=torch.float32)
    with pytest.raises(LGVIError, match="0 x 24 pixels"):
        prepare_inputs(chat, torch.zeros(2, 24, 0, 3), "remove the ball")


def test_a_conversation_without_end_is_refused_before_the_reply(original, frames):
    chat = load_chat(original, dtype=torch.float32)
    with pytest.raises(LGVIError, match=f"history has {MAX_TURNS + 1} turns"):
        prepare_inputs(chat, frames, "and now?", [Turn("a", "b")] * MAX_TURNS)
    with pytest.raises(LGVIError, match="the request has 100001 characters"):
        prepare_inputs(chat, frames, "a" * 100_001)


def test_a_history_that_could_not_be_read_again_is_not_written():
    turns = [Turn("a", "b")] * MAX_TURNS
    assert read_history(write_history(turns)) == tuple(turns)
    with pytest.raises(LGVIError, match=f"history has {MAX_TURNS + 1} turns"):
        write_history([*turns, Turn("a", "b")])
