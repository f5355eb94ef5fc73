"""The folder of state: what each stage made of each clip, and which stage is at work.

    STATE/
        <stage>/<xx>/<clip>/result.json      what the stage found, or why the clip is left out
        <stage>/<xx>/<clip>/cost.json        what it cost: seconds, CPU seconds, bytes
        <stage>/<xx>/<clip>/...              the files that the stage made
        people.sqlite                        people's choices (`people.choices`)
        *.lock                               held by the process at work

A clip's folder is written under a temporary name and then renamed: where it has its name, it is
whole. `xx` are two digits of a checksum, so that a million clips share 256 folders.
"""

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lgvi_core.errors import LGVIError

from ..engine.files import write_json
from .errors import BrokenClip

RESULT, COST = "result.json", "cost.json"
PARTIAL = ".partial-"
_LONGEST_KEY = 80


@dataclass(frozen=True)
class Result:
    """What a stage made of a clip: `facts`, or the `problem` for which the clip is left out."""

    key: str
    made_with: str
    """Checksum of the settings and of the results that this one was made with."""
    problem: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class State:
    """Reads and writes a folder of state."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def folder(self, stage: str, key: str) -> Path:
        """Where the result of a stage for the clip `key` lies."""
        return self.root / stage / checksum(key)[:2] / key

    def result(self, stage: str, key: str) -> Result | None:
        """The result of a stage for a clip; None where there is none yet."""
        try:
            text = (self.folder(stage, key) / RESULT).read_text(encoding="utf-8")
        except OSError:
            return None
        content = json.loads(text)
        return Result(key, content["made_with"], content["problem"], content["facts"])

    def results(self, stage: str) -> Iterator[Result]:
        """All results of a stage, in the order of their keys."""
        for folder in sorted(self._clips(stage), key=lambda path: path.name):
            if (found := self.result(stage, folder.name)) is not None:
                yield found

    def cost(self, stage: str, key: str) -> dict[str, float]:
        """What a stage cost for a clip; empty where that is not known."""
        path = self.folder(stage, key) / COST
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def make(
        self, stage: str, key: str, made_with: str, work: Callable[[Path], dict[str, Any]]
    ) -> Result:
        """Let `work` write into a new folder, and put that in its place with the facts it returns.

        BrokenClip from `work` is a result too: the clip is left out, for that reason.
        """
        place = self.folder(stage, key)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f"{key}{PARTIAL}{uuid.uuid4().hex[:8]}")
        partial.mkdir()
        started, cpu = time.monotonic(), time.process_time()
        try:
            try:
                result = Result(key, made_with, "", work(partial))
            except BrokenClip as error:
                shutil.rmtree(partial)
                partial.mkdir()
                result = Result(key, made_with, str(error))
            cost = {
                "seconds": round(time.monotonic() - started, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
                "bytes": sum(p.stat().st_size for p in partial.rglob("*") if p.is_file()),
            }
            write_json(partial / COST, cost)
            content = {"made_with": made_with, "problem": result.problem, "facts": result.facts}
            write_json(partial / RESULT, content, indent=1)
            _flush(partial)
            _put(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return result

    def forget_partials(self, stage: str) -> int:
        """Delete what a killed run left half done; only for the process that holds the lock."""
        left = list((self.root / stage).glob(f"*/*{PARTIAL}*"))
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold this folder for one kind of work. Raises LGVIError where another process does."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / f"{name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise LGVIError(
                f"{self.root} is in use by another `{name}`: wait until that ends, stop it, or "
                "name another folder in `state`"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _clips(self, stage: str) -> list[Path]:
        return [p for p in (self.root / stage).glob("*/*") if PARTIAL not in p.name]


def checksum(*parts: object) -> str:
    """A checksum of JSON values, the same in every process."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def key_of(source: str, clip: str) -> str:
    """The name of a clip in the state: safe as a file name anywhere, different for each clip."""
    name = f"{source}--{clip}"
    plain = re.sub(r"[^a-z0-9._-]+", "_", name.lower())[:_LONGEST_KEY].strip(".")
    return plain if plain == name else f"{plain}-{checksum(name)[:8]}"


def _flush(folder: Path) -> None:
    """Make sure that the result's file is on the disk before its folder gets its name."""
    with (folder / RESULT).open("rb") as file:
        os.fsync(file.fileno())


def _put(partial: Path, place: Path) -> None:
    """Rename a finished folder into its place, where an older one may be."""
    if place.exists():
        shutil.rmtree(_renamed(place))
    try:
        partial.rename(place)
    except OSError:
        # Another worker of a cluster, that was thought dead, has just finished the same clip.
        if not (place / RESULT).is_file():
            raise


def _renamed(place: Path) -> Path:
    old = place.with_name(f"{place.name}{PARTIAL}{uuid.uuid4().hex[:8]}")
    place.rename(old)
    return old
