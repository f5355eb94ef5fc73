"""Procedurally drawn clips with a conversation about them, for the evaluation of chat models."""

from dataclasses import replace

from ..drawn.numbered import scene_of
from ..language.conversations import make_conversation
from ..language.prompts import removal_prompt
from ..sample import Sample
from .samples import compose_sample


def make_asked_sample(split: str, number: int, frames: int, height: int, width: int) -> Sample:
    """Draw clip `number` of a split, whose target follows the last turn of its conversation.

    The sentence is the prompt in the reply of that turn, or "" if there is nothing to remove, and
    the sample's `kind` is that of the turn.
    """
    talk = make_conversation(split, number, frames, height, width)
    last = talk.turns[-1]
    sentence = removal_prompt(talk.objects, last.removed) or ""
    scene = scene_of(split, number, frames, width / height)
    return replace(
        compose_sample(scene, last.removed, height, width, sentence),
        name=f"{split} {number} asked",
        kind=last.kind,
        turns=tuple((turn.request, turn.reply) for turn in talk.turns),
    )
