"""The stage itself: a data set that appears whole or not at all."""

import logging
import shutil
from pathlib import Path

from lgvi_core.errors import LGVIError

from ...data.readers import RoviSource, open_reader
from ...data.write import write_shards
from ...engine.files import write_json, write_text
from ..config import BuildConfig
from ..people.agreement import agreement
from ..people.choices import Choices, has_choices
from ..people.decisions import Decision, decide, items, standing_choices
from ..runner import RUN_LOCK
from ..state import State
from .card import card
from .plots import FILE, plot
from .rovi import Talk, write_rovi
from .statistics import statistics, table

logger = logging.getLogger(__name__)

CARD, STATISTICS, SHARDS = "README.md", "statistics.json", "shards"
_MARK = "build.json"


def export(config: BuildConfig) -> Path:
    """Write the data set of what was chosen, in place of the one that was exported before.

    Raises LGVIError where nothing was chosen, where the output is something else, or where another
    run has the state.
    """
    output = config.export.output
    if output.exists() and any(output.iterdir()) and not (output / _MARK).is_file():
        raise LGVIError(f"{output} holds something that is no export: name a new folder")
    state = State(config.state)
    with state.lock(RUN_LOCK):
        choices = standing_choices(config)
        decisions = decide(config, items(config), choices)
        chosen = [decision for decision in decisions if decision.grow is not None]
        if not chosen:
            raise LGVIError(_nothing(decisions))
        partial = output.with_name(f"{output.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        splits = write_rovi(config, chosen, talks_of(config, decisions), partial)
        found = statistics(partial, splits)
        write_json(partial / STATISTICS, found, indent=1)
        plot(found, partial / FILE)
        write_text(partial / CARD, card(config, found, decisions, agreement(choices)))
        if config.export.shards:
            _shards(partial, splits)
        write_json(partial / _MARK, config.model_dump(mode="json"))
        if output.exists():
            old = output.with_name(f"{output.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            output.rename(old)
            partial.rename(output)
            shutil.rmtree(old)
        else:
            partial.rename(output)
    logger.info("%s", table(found))
    left = len(decisions) - len(chosen)
    logger.info("%s: %d objects, %d left out", output, len(chosen), left)
    return output


def talks_of(config: BuildConfig, decisions: list[Decision]) -> dict[str, list[Talk]]:
    """The conversations of each item, as people left them."""
    if config.talks is None:
        return {}
    from ..talks.stage import current_talks

    mended = {}
    if has_choices(config.state):
        choices = Choices(config.state)
        mended = choices.mended_talks()
        choices.close()
    found: dict[str, list[Talk]] = {}
    for name, made_with, talk in current_talks(config, State(config.state), decisions):
        word = mended.get((name, made_with))
        if word is not None and word.verdict == "drop":
            continue
        if word is not None:
            talk = {**talk, "request": word.request, "reply": word.reply}
        found.setdefault(name, []).append(talk)
    return found


def _shards(root: Path, splits: dict[str, dict[str, object]]) -> None:
    """The same as WebDataset shards, one folder for each split."""
    for split, videos in splits.items():
        if not videos:
            continue
        reader = open_reader(
            RoviSource(kind="rovi", root=root, split_file=f"{split}.json", stride=1)
        )
        longest = max(reader.frames_of(i) for i in range(len(reader)))  # type: ignore[attr-defined]
        for reason in write_shards(reader, root / SHARDS / split, longest):
            logger.warning("shards, left out: %s", reason)


def _nothing(decisions: list[Decision]) -> str:
    if not decisions:
        return "nothing to export: no clip has candidates yet; call `python -m train.build run`"
    reasons = {decision.reason for decision in decisions}
    return (
        f"nothing to export: {len(decisions)} objects, all left out "
        f"({'; '.join(sorted(reasons))}). "
        "Choose on the page of `python -m train.build select`, or set selection.without_people "
        "to best"
    )
