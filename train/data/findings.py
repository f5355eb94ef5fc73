"""What a check of a data set has found: single findings, and the report on all of them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..engine.progress import BROKEN_SHARE

_SHOWN = 50  # number of problems that a report lists


@dataclass
class Finding:
    """The properties of one sample, or what is wrong with it."""

    name: str = ""
    sentence: str = ""
    kind: str = ""
    frames: int = 0
    size: str = ""
    """WIDTHxHEIGHT in pixels."""
    is_empty: bool = False
    """Whether the mask is empty, so that there is nothing to remove."""
    problem: str = ""
    """What is wrong with the sample, if anything."""
    has_conversation: bool = False
    """Whether it brings a conversation, from which `train_lgvi_i` learns replies."""
    is_dropped: bool = False
    """Whether training leaves the sample out because the object is too large."""


@dataclass
class Report:
    """The findings on a data set; printed as text by `str`."""

    kind: str
    total: int
    findings: list[Finding] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """Lines about the data set as a whole."""
    clip_length: int | None = None
    """Frames of a training's clips; None if the samples are not judged for a training."""

    @property
    def problems(self) -> list[str]:
        """What is wrong with each broken sample."""
        return [found.problem for found in self.findings if found.problem]

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.total} samples, {len(self.findings)} read", *self.facts]
        good = [found for found in self.findings if not found.problem and not found.is_dropped]
        if good:
            lines += _summary(good)
            lines += self._lengths(good)
        if dropped := sum(found.is_dropped for found in self.findings):
            lines.append(f"dropped, since they cover too much of a frame: {dropped}")
        if self.problems:
            lines.append(f"BROKEN: {len(self.problems)}")
            lines += [f"  {problem}" for problem in self.problems[:_SHOWN]]
            if len(self.problems) > _SHOWN:
                lines.append(f"  and {len(self.problems) - _SHOWN} more")
            too_many = len(self.problems) > BROKEN_SHARE * len(self.findings)
            if self.clip_length is not None and too_many:
                lines.append(f"a training stops: more than {BROKEN_SHARE:.0%} are broken")
        else:
            lines.append("nothing is broken")
        return "\n".join(lines)

    def _lengths(self, good: list[Finding]) -> list[str]:
        asked = self.clip_length or 1
        short = [found.frames for found in good if found.frames < asked]
        if not short:
            return []
        return [
            f"shorter than {asked} frames: {len(short)}, the shortest of {min(short)}; training "
            "fills them up with mirrored frames that count in no loss"
        ]


def _summary(good: list[Finding]) -> list[str]:
    frames = [found.frames for found in good]
    sentences = {found.sentence for found in good}
    lines = [
        f"frames: {min(frames)} to {max(frames)}, half have {int(np.median(frames))} or more",
        f"sizes: {counted(found.size for found in good)}",
        f"sentences in what was read: {len(sentences)} different, "
        f"such as {', '.join(map(repr, sorted(sentences)[:3]))}",
        f"nothing to remove: {sum(found.is_empty for found in good)}",
    ]
    with_talk = sum(found.has_conversation for found in good)
    lines.append(
        f"conversations: {with_talk} have one; train_lgvi_i makes replies of the sentences of "
        f"{len(good) - with_talk}"
    )
    if any(found.kind for found in good):
        lines.append(f"kinds of sentences: {counted(found.kind for found in good)}")
    return lines


def counted(values: Iterator[str]) -> str:
    """The most frequent of `values` with their counts, as text."""
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value} ({count})" for value, count in counts[:10])
    return shown + (f" and {len(counts) - 10} more" if len(counts) > 10 else "")
