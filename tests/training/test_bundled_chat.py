"""The bundled chat model reaches its bars on held-out conversations about held-out pictures."""

import pytest
import torch

from lgvi_core.chat.conversation import Turn, render
from lgvi_core.chat.model import load_chat
from lgvi_core.chat.reply import reply
from lgvi_core.checkpoint.checkpoint import BUNDLED_MODEL
from lgvi_core.pipeline import LGVIPipeline
from support.star import check_that_the_star_went
from tools.demo import read_frames
from tools.workflows.inputs import SAMPLE
from train.chat.check import answer, held_out, score
from train.joint.model import encoder_of

pytestmark = pytest.mark.slow
COUNT = 200
MODEL = BUNDLED_MODEL.with_name("lgvi-mini-chat")


@pytest.fixture(scope="module")
def chat():
    return load_chat(MODEL, dtype=torch.float32)


@pytest.fixture(scope="module")
def clip():
    return torch.from_numpy(read_frames(SAMPLE)[:8]).float() / 255


def test_prompts_name_the_right_objects(chat):
    reading = encoder_of(chat)
    found = score(chat.llava.llava, reading, held_out(reading, COUNT))
    assert found.right >= 0.9
    assert found.well_formed >= 0.95
    assert found.silent >= 0.8


def test_without_the_frames_it_fails(chat):
    reading = encoder_of(chat)
    assert score(chat.llava.llava, reading, held_out(reading, COUNT, blank=True)).right <= 0.4


def test_another_clip_gets_another_reply(chat):
    reading = encoder_of(chat)
    shown = held_out(reading, 40)
    texts = [render(x.talk.turns[0].request, [], 1, reading.format.system_prompt) for x in shown]
    pixels = torch.cat([x.pixels for x in shown])
    own = answer(chat.llava.llava, reading, texts, pixels)
    others = answer(chat.llava.llava, reading, texts, pixels.roll(1, 0))
    same = [one for one, other in zip(own, others, strict=True) if one == other]
    assert len(same) <= 2, same


@pytest.mark.parametrize(
    ("request_", "objects"),
    [
        ("Remove the fish.", {"fish"}),
        ("Remove the star.", {"star"}),
        ("I only want to keep the fish and the heart.", {"star"}),
        ("The star distracts from the fish, can you help?", {"star"}),
        ("remove the heart and the fish please", {"heart", "fish"}),
    ],
)
def test_the_sample_clip(chat, clip, request_, objects):
    answer = reply(chat, clip, request_, temperature=0, max_tokens=160)
    assert named(answer.prompt) == objects, answer.text


def test_a_second_turn_adds_to_the_first(chat, clip):
    first = reply(chat, clip, "Remove the star.", temperature=0, max_tokens=160)
    assert named(first.prompt) == {"star"}, first.text
    history = [Turn("Remove the star.", first.text)]
    second = reply(chat, clip, "And the heart too.", history, temperature=0, max_tokens=160)
    assert named(second.prompt) == {"star", "heart"}, second.text


@pytest.mark.parametrize(
    "request_",
    [
        "Könntest du den roten Stern entfernen?",
        "Ta bort stjärnan, tack.",
        "Yıldızı kaldır lütfen.",
        "把红色的星星去掉",
        "убери рыбу справа",
    ],
)
def test_other_languages_are_asked_back_in_english(chat, clip, request_):
    """None of these sentences occurs in training, nor do two of the languages."""
    answer = reply(chat, clip, request_, temperature=0, max_tokens=160)
    assert answer.prompt == "", answer.text
    assert "did not understand" in answer.text


def test_end_to_end_the_chat_drives_the_video_model(chat):
    """The steps are those of the workflow interactive_end_to_end, here without ComfyUI."""
    source = read_frames(SAMPLE)
    frames = torch.from_numpy(source).float() / 255
    request = "I only want to keep the fish and the heart."
    answer = reply(chat, frames, request, temperature=0, max_tokens=160)
    output = LGVIPipeline.from_checkpoint(MODEL.with_name("lgvi-mini-i"))(
        frames, answer.features, steps=10, text_scale=2, video_scale=1, seed=1, working_size=160
    )
    check_that_the_star_went(source, output)


def test_what_is_never_in_a_scene_is_missed(chat, clip):
    answer = reply(chat, clip, "Please remove the dog.", temperature=0, max_tokens=160)
    assert answer.prompt == "", answer.text
    assert "no dog" in answer.text


def named(prompt):
    return {word for word in ("star", "fish", "heart") if word in prompt}
