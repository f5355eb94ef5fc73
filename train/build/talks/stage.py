"""The stage itself: one conversation for each chosen object of a clip.

What a check refuses is asked for again with another seed; what is refused every time leaves the
object without a conversation, for a reason that is counted.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lgvi_core.errors import LGVIError

from ...data.pictures import list_pictures, read_indices, read_rgb
from ..config import BuildConfig, TalksConfig
from ..errors import BrokenClip
from ..masks.stage import MASKS as MASK_FILES
from ..people.decisions import Decision, decide, items, standing_choices
from ..sources.take import FRAMES
from ..stages import MASKS, SOURCES, TALKS, Job, job_of
from ..state import State, checksum
from . import prompts
from .checks import cleaned, wrong_with_description, wrong_with_reply, wrong_with_request
from .engines import Ask, open_engine


def talk_jobs(config: BuildConfig, state: State) -> Iterator[Job]:
    """One job for each clip of which anything was chosen. Raises LGVIError without `talks`."""
    if config.talks is None:
        raise LGVIError("the configuration has no `talks`: name the engines that write them")
    yield from _jobs(config, decide(config, items(config), standing_choices(config)))


def _jobs(config: BuildConfig, decisions: list[Decision]) -> Iterator[Job]:
    by_clip: dict[str, list[Decision]] = {}
    for decision in decisions:
        if decision.grow is not None:
            by_clip.setdefault(decision.item.key, []).append(decision)
    for key, chosen in by_clip.items():
        given = [[d.item.object["id"], list(d.expressions)] for d in chosen]
        yield job_of(config, TALKS, key, checksum(chosen[0].item.revision, given), given)


def current_talks(
    config: BuildConfig, state: State, decisions: list[Decision]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The conversations of today's choices: (item, checksum, facts)."""
    for job in _jobs(config, decisions):
        result = state.result(TALKS, job.key)
        if result is None or result.made_with != job.made_with:
            continue
        for talk in result.facts.get("talks", []):
            yield f"{job.key}/{talk['id']}", job.made_with, talk


def open_talks(config: BuildConfig, state: State) -> Callable[[Job, Path], dict[str, Any]]:
    """The function of the stage; engines that are the same are opened once."""
    talks = config.talks
    assert talks is not None
    opened: dict[str, Ask] = {}

    def engine(of: Any) -> Ask:
        name = of.model_dump_json()
        if name not in opened:
            opened[name] = open_engine(of)
        return opened[name]

    describe = engine(talks.describe)
    request = engine(talks.request or talks.describe)
    reply = engine(talks.reply or talks.describe)

    def work(job: Job, out: Path) -> dict[str, Any]:
        made, notes = [], []
        for identity, expressions in job.given:
            frame = _clearest(state, job.key, identity)
            seed = int(checksum(talks.seed, job.key, identity)[:6], 16)
            try:
                talk = converse(talks, (describe, request, reply), frame, expressions, seed)
            except BrokenClip as error:
                notes.append(f"object {identity}: {error}")
                continue
            made.append({"id": identity, **talk})
        if not made:
            raise BrokenClip("; ".join(notes))
        return {"talks": made, "left_out": notes}

    return work


def converse(
    config: TalksConfig,
    engines: tuple[Ask, Ask, Ask],
    frame: np.ndarray,
    expressions: list[str],
    seed: int,
) -> dict[str, str]:
    """Description, request and reply for an object in a `frame` uint8 [h, w, 3].

    Raises BrokenClip, with what was wrong last, where one of them is refused each time.
    """
    describe, request, reply = engines
    description = _asked(
        config,
        "description",
        lambda s: describe(prompts.DESCRIBE_SYSTEM, prompts.describe(), frame, s),
        wrong_with_description,
        seed,
    )
    question = prompts.ask_for_request(description, expressions)
    wish = _asked(
        config,
        "request",
        lambda s: request(prompts.REQUEST_SYSTEM, question, None, s),
        wrong_with_request,
        seed,
    )
    answer = _asked(
        config,
        "reply",
        lambda s: reply(prompts.REPLY_SYSTEM, prompts.ask_for_reply(wish, expressions), frame, s),
        lambda text: wrong_with_reply(text, expressions),
        seed,
    )
    return {"description": description, "request": wish, "reply": answer}


def _asked(
    config: TalksConfig,
    name: str,
    ask: Callable[[int], str],
    wrong_with: Callable[[str], str],
    seed: int,
) -> str:
    problem = ""
    for attempt in range(config.tries):
        text = cleaned(ask(seed + attempt))
        problem = wrong_with(text)
        if not problem:
            return text
    raise BrokenClip(f"no {name} in {config.tries} tries: the last one {problem}")


def _clearest(state: State, key: str, identity: int) -> np.ndarray:
    """The frame in which an object is largest, uint8 RGB [h, w, 3]."""
    masks = list_pictures(state.folder(MASKS, key) / MASK_FILES)
    areas = [int((read_indices(path) == identity).sum()) for path in masks]
    return read_rgb(list_pictures(state.folder(SOURCES, key) / FRAMES)[int(np.argmax(areas))])
