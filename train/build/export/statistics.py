"""Figures of a data set as in the paper's Table 1 and Fig. 3."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ...data.pictures import list_pictures
from ...data.sets.rovi import FRAMES_FOLDER

_SMALL_WORDS = {
    *("a", "an", "the", "of", "on", "in", "at", "to", "from", "with", "and", "or", "by", "for"),
    *("is", "are", "was", "be", "that", "this", "it", "its", "his", "her", "their"),
    *("remove", "delete", "erase", "please"),
}
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?", re.UNICODE)
_SHOWN = 30  # words and categories in tables and plots


def statistics(root: Path, splits: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Everything that is counted, ready for JSON; `splits` are the tables of the split files."""
    videos = {key: video for table in splits.values() for key, video in table.items()}
    objects = [thing for video in videos.values() for thing in video["objects"].values()]
    expressions = [text for thing in objects for text in thing["expressions"]]
    requests = [text for thing in objects for text in thing.get("requests", [])]
    replies = [text for thing in objects for text in thing.get("response", [])]
    frames = [len(list_pictures(root / FRAMES_FOLDER / key)) for key in sorted(videos)]
    return {
        "videos": len(videos),
        "frames": sum(frames),
        "objects": len(objects),
        "expressions": len(expressions),
        "requests": len(requests),
        "replies": len(replies),
        "by_split": {split: len(table) for split, table in splits.items()},
        "by_source": dict(Counter(video["source"] for video in videos.values())),
        "chosen_by": dict(Counter(thing["made"]["chosen_by"] for thing in objects)),
        "grow": _counted(thing["made"]["grow"] for thing in objects),
        "categories": _counted(thing["category"] or "unknown" for thing in objects),
        "words": _counted(word for text in expressions for word in words(text)),
        "frames_of_videos": frames,
        "expression_lengths": [len(_WORD.findall(text)) for text in expressions],
        "request_lengths": [len(_WORD.findall(text)) for text in requests],
        "reply_lengths": [len(_WORD.findall(text)) for text in replies],
        "mask_sizes": [thing["mask"]["mean"] for thing in objects],
        "motion": [thing["mask"]["motion"] for thing in objects],
    }


def words(text: str) -> list[str]:
    """The words of a sentence that say something of its object, in lower case."""
    return [word for word in _WORD.findall(text.lower()) if word not in _SMALL_WORDS]


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["| what | how many |", "|---|---|"]
    for key in ("videos", "frames", "objects", "expressions", "requests", "replies"):
        lines.append(f"| {key} | {found[key]:,} |")
    for key, title in (("by_split", "videos in"), ("by_source", "videos of")):
        lines += [f"| {title} {name} | {count:,} |" for name, count in found[key].items()]
    lines += [f"| objects chosen by {name} | {n:,} |" for name, n in found["chosen_by"].items()]
    lines += [f"| objects with d = {name} | {count:,} |" for name, count in found["grow"].items()]
    lines += ["", "| | least | median | mean | most |", "|---|---|---|---|---|"]
    for key, title, scale, unit in (
        ("frames_of_videos", "frames of a video", 1, ""),
        ("expression_lengths", "words of an expression", 1, ""),
        ("request_lengths", "words of a request", 1, ""),
        ("reply_lengths", "words of a reply", 1, ""),
        ("mask_sizes", "mask, share of a frame", 100, " %"),
        ("motion", "motion from frame to frame, share of the diagonal", 100, " %"),
    ):
        if (values := np.array(found[key]) * scale).size:
            spread = (values.min(), np.median(values), values.mean(), values.max())
            lines.append(f"| {title} | " + " | ".join(f"{v:.4g}{unit}" for v in spread) + " |")
    for key in ("categories", "words"):
        listed = ", ".join(f"{name} ({count})" for name, count in list(found[key].items())[:_SHOWN])
        lines += ["", f"Most frequent {key}: {listed or 'none'}."]
    return "\n".join(lines)


def _counted(values: Any) -> dict[str, int]:
    counts = Counter(str(value) for value in values)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
