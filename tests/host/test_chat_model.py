"""The chat model in ComfyUI's model management, and its features in ComfyUI's sampling."""

import json

import pytest
import torch

from lgvi_core.pipeline import LGVIPipeline
from support.sampling import FRAMES, HEIGHT, WIDTH, run
from support.tiny_chat import dictated, make_chat_folder
from support.tiny_checkpoint import write_checkpoint

SAID = "I see a ball. {{prompt}} remove the red ball {{/prompt}}"
FEATURES = 24  # width of the tiny U-Net's text features


@pytest.fixture(scope="module")
def chat_folder(tmp_path_factory):
    return make_chat_folder(tmp_path_factory.mktemp("chat") / "tiny", mm_features=FEATURES)


@pytest.fixture(scope="module")
def chat(comfy, chat_folder):
    return comfy.comfy_chat.create(chat_folder, "auto", "auto", None)


@pytest.fixture(scope="module")
def end_to_end_folder(tmp_path_factory):
    folder = write_checkpoint(tmp_path_factory.mktemp("models") / "lgvi-i")
    path = folder / "unet" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "text_features": ["mm_head"]}))
    return folder


@pytest.fixture(scope="module")
def end_to_end(comfy, end_to_end_folder):
    checkpoint = comfy.checkpoint.load_checkpoint(end_to_end_folder)
    return comfy.comfy_checkpoint.create(checkpoint, "fp32")


@pytest.fixture
def frames():
    return torch.rand(FRAMES, 8 * HEIGHT, 8 * WIDTH, 3, generator=torch.Generator().manual_seed(0))


def ask(comfy, chat, frames, said=SAID, request="only the cat"):
    with dictated(chat.model, said):
        return comfy.chat_run.run(chat, frames, request, (), 0, 0.2, 200, print)


def conditionings_of(comfy, positive):
    """The three conditionings (text and video, video, neither) and an empty latent."""
    clip = {"concat_latent_image": torch.randn(FRAMES, 4, HEIGHT, WIDTH)}
    negative = comfy.conditioning.unconditional(positive, None)
    conds = [
        [[text, {**options, **extra}] for text, options in given]
        for given, extra in ((positive, clip), (negative, clip), (negative, {}))
    ]
    return conds, torch.zeros(FRAMES, 4, HEIGHT, WIDTH)


def test_the_model_is_managed_by_comfyui(comfy, chat, frames):
    answer = ask(comfy, chat, frames)
    assert answer.prompt == "remove the red ball"
    assert any(m.model is chat.patcher for m in comfy.management.current_loaded_models)
    comfy.management.unload_all_models()
    assert not any(m.model is chat.patcher for m in comfy.management.current_loaded_models)
    assert ask(comfy, chat, frames).text == answer.text


def test_a_model_that_no_device_can_hold_says_what_to_do(comfy, chat, frames, monkeypatch):
    monkeypatch.setattr(comfy.management, "get_total_memory", lambda device: 10)
    with pytest.raises(Exception, match="choose 4-bit or the CPU"):
        ask(comfy, chat, frames)


def test_features_drive_the_sampling_as_in_the_core(comfy, chat, end_to_end, frames):
    answer = ask(comfy, chat, frames)
    conditionings = conditionings_of(comfy, comfy.chat_run.conditioning_of(answer))
    (text_video, video, neither), _ = conditionings
    assert torch.equal(text_video[0][0], answer.features)
    assert not video[0][0].any()
    assert "concat_latent_image" not in neither[0][1]
    sampled, _ = run(comfy, end_to_end[0], conditionings)
    assert sampled.shape == (FRAMES, 4, HEIGHT, WIDTH)
    other = [[text + 1, options] for text, options in text_video]
    changed, _ = run(comfy, end_to_end[0], ([other, video, neither], conditionings[1]))
    assert not torch.equal(sampled, changed)


def test_the_unconditional_branch_is_zeros(comfy, chat, frames):
    positive = comfy.chat_run.conditioning_of(ask(comfy, chat, frames))
    zeros = [[torch.zeros(1, 77, FEATURES), {}]]
    made = comfy.conditioning.unconditional(positive, zeros)
    assert made[0][0].shape == positive[0][0].shape
    with pytest.raises(Exception, match="leave negative open"):
        comfy.conditioning.unconditional(positive, [[torch.ones(1, 77, FEATURES), {}]])
    sentence = [[torch.ones(1, 77, FEATURES), {}]]
    assert comfy.conditioning.unconditional(sentence, zeros) is zeros
    with pytest.raises(Exception, match="negative is open"):
        comfy.conditioning.unconditional(sentence, None)


def test_a_two_stage_graph_with_an_end_to_end_model_is_refused(comfy, end_to_end):
    clip = {"concat_latent_image": torch.zeros(FRAMES, 4, HEIGHT, WIDTH)}
    text = torch.zeros(1, 77, FEATURES)
    conds = [[text, dict(clip)]], [[text, dict(clip)]], [[text, {}]]
    with pytest.raises(Exception, match=r"end-to-end model .* in place of CLIPTextEncode"):
        run(comfy, end_to_end[0], (conds, torch.zeros(FRAMES, 4, HEIGHT, WIDTH)))


def test_an_end_to_end_graph_with_a_two_stage_model_is_refused(comfy, chat, frames, tiny_folder):
    model, _, _ = comfy.comfy_checkpoint.create(
        comfy.checkpoint.load_checkpoint(tiny_folder), "fp32"
    )
    positive = comfy.chat_run.conditioning_of(ask(comfy, chat, frames))
    with pytest.raises(Exception, match="reads CLIP's text"):
        run(comfy, model, conditionings_of(comfy, positive))


def test_a_chat_model_without_mm_head_blocks_with_the_reason(comfy, frames, tmp_path):
    folder = make_chat_folder(tmp_path / "plain", mm_features=None)
    chat = comfy.comfy_chat.create(folder, "auto", "cpu", None)
    blocker = comfy.chat_run.conditioning_of(ask(comfy, chat, frames))
    assert isinstance(blocker, comfy.graph_utils.ExecutionBlocker)
    assert "no MM head" in blocker.message


def test_without_a_prompt_what_follows_is_left_out(comfy, chat, frames):
    silent = ask(comfy, chat, frames, said="Which one?")
    assert "Answer it" in silent.reason
    stopped = comfy.chat_run.stop_if_silent(silent, silent.prompt)
    assert isinstance(stopped, comfy.graph_utils.ExecutionBlocker)
    assert stopped.message is None
    spoken = ask(comfy, chat, frames)
    assert comfy.chat_run.stop_if_silent(spoken, spoken.prompt) == "remove the red ball"


def test_turns_are_kept_by_workflow_node_and_clip(comfy, frames):
    memory, turn = comfy.chat_memory, comfy.conversation.Turn
    workflow = {"workflow": {"id": "a"}}
    place = memory.conversation_key("me", workflow, "3", frames)
    other_clip = memory.conversation_key("me", workflow, "3", frames + 0.1)
    others = [
        memory.conversation_key("you", workflow, "3", frames),
        memory.conversation_key("me", {"workflow": {"id": "b"}}, "3", frames),
        memory.conversation_key("me", workflow, "4", frames),
        memory.conversation_key(None, None, "3", frames),
    ]
    memory.keep(place, [turn("a", "b"), turn("c", "d")])
    assert memory.recall(place, "new") == (turn("a", "b"), turn("c", "d"))
    assert memory.recall(place, "c") == (turn("a", "b"),), "the last turn tried again"
    assert all(memory.recall(other, "new") == () for other in (*others, other_clip))
    memory.keep(other_clip, [turn("e", "f")])
    memory.keep(others[0], [turn("g", "h")])
    memory.forget(place)
    assert memory.recall(place, "new") == memory.recall(other_clip, "new") == ()
    assert memory.recall(others[0], "new") == (turn("g", "h"),), "another page's"
    for number in range(2 * memory.MAX_CONVERSATIONS):
        memory.keep(memory.conversation_key(f"{number}", None, "3", frames), [turn("a", "b")])
    assert len(memory._conversations) == memory.MAX_CONVERSATIONS


def test_what_is_remembered_counts_in_comfyuis_cache(comfy, frames):
    memory, turn = comfy.chat_memory, comfy.conversation.Turn
    place = memory.conversation_key("cache", None, "77", frames)
    memory._conversations.clear()
    assert memory.fingerprint("a", False) == "", "nothing to forget"
    empty = memory.fingerprint("a", True)
    memory.keep(place, [turn("a", "b")])
    assert memory.fingerprint("a", True) == empty, "queued again, it is the same"
    assert memory.fingerprint("c", True) != empty
    memory.keep(place, [turn("a", "b"), turn("c", "d")])
    assert memory.fingerprint("a", True) != empty, "asked again later, it is another turn"
    assert memory.fingerprint("a", False) != "", "it has to run to forget"
    memory.forget(place)
    assert memory.fingerprint("a", False) == ""
    assert memory.fingerprint("a", True) != empty, "what was kept before has to be kept again"


def test_the_core_pipeline_takes_the_same_features(chat, comfy, end_to_end_folder, frames):
    answer = ask(comfy, chat, frames)
    pipeline = LGVIPipeline.from_checkpoint(end_to_end_folder)
    output = pipeline(frames, answer.features, steps=1)
    assert output.frames.shape == frames.shape
    with pytest.raises(Exception, match="takes mm_head features, got clip"):
        pipeline(frames, "remove the ball", steps=1)


def test_cancelling_is_heard_at_the_next_token(comfy, chat, frames):
    shown = []

    def show(text):
        shown.append(text)
        comfy.management.interrupt_current_processing(True)

    interrupted = comfy.management.InterruptProcessingException
    with dictated(chat.model, SAID), pytest.raises(interrupted):
        comfy.chat_run.run(chat, frames, "only the cat", (), 0, 0.2, 200, show)
    assert [len(text) for text in shown] == [1], "a token is a letter here"
