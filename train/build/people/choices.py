"""What people chose, in an SQLite file that survives a kill at any moment.

Every choice is one row, committed to the disk before the page hears of it; nothing is ever changed
but the mark of what was undone.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

FILE = "people.sqlite"
NONE = "none"
"""The choice that no candidate is good."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS choices (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    revision TEXT NOT NULL,
    annotator TEXT NOT NULL,
    choice TEXT NOT NULL,
    expressions TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    undone INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS choices_item ON choices (item);
CREATE INDEX IF NOT EXISTS choices_annotator ON choices (annotator);
CREATE TABLE IF NOT EXISTS talks (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    revision TEXT NOT NULL,
    annotator TEXT NOT NULL,
    verdict TEXT NOT NULL,
    request TEXT NOT NULL,
    reply TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
"""


@dataclass(frozen=True)
class Choice:
    """One person's choice: a width d as text, or NONE, and the sentences as they left them."""

    item: str
    revision: str
    """Checksum of the candidates that were shown; choices of others do not count."""
    annotator: str
    choice: str
    expressions: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True)
class MendedTalk:
    """What a person made of a conversation: `verdict` is "keep" or "drop"."""

    item: str
    revision: str
    annotator: str
    verdict: str
    request: str
    reply: str


class Choices:
    """The choices in a folder of state. One object serves all threads of a process."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.lock = Lock()
        self.database = sqlite3.connect(root / FILE, check_same_thread=False, timeout=30)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.execute("PRAGMA synchronous=FULL")
        self.database.executescript(_SCHEMA)
        self.database.commit()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def add(self, choice: Choice) -> int:
        """Record a choice, replacing the same person's earlier one of the item; on the disk when
        this returns. Returns its number."""
        with self._writing() as cursor:
            cursor.execute(
                "UPDATE choices SET undone = 1 WHERE item = ? AND annotator = ? AND undone = 0",
                (choice.item, choice.annotator),
            )
            cursor.execute(
                "INSERT INTO choices (item, revision, annotator, choice, expressions) "
                "VALUES (?, ?, ?, ?, ?)",
                (
                    choice.item,
                    choice.revision,
                    choice.annotator,
                    choice.choice,
                    json.dumps(list(choice.expressions)),
                ),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def undo(self, annotator: str) -> str | None:
        """Take a person's last choice back and return its item; None where there is none."""
        with self._writing() as cursor:
            row = cursor.execute(
                "SELECT number, item FROM choices WHERE annotator = ? AND undone = 0 "
                "ORDER BY number DESC LIMIT 1",
                (annotator,),
            ).fetchone()
            if row is None:
                return None
            cursor.execute("UPDATE choices SET undone = 1 WHERE number = ?", (row[0],))
            return str(row[1])

    def standing(self) -> Iterator[Choice]:
        """Every choice that was not undone, in the order in which they were made."""
        with self.lock:
            rows = self.database.execute(
                "SELECT item, revision, annotator, choice, expressions, number FROM choices "
                "WHERE undone = 0 ORDER BY number"
            ).fetchall()
        for item, revision, annotator, choice, expressions, number in rows:
            yield Choice(item, revision, annotator, choice, tuple(json.loads(expressions)), number)

    def mend_talk(self, mended: MendedTalk) -> None:
        """Record what a person made of a conversation; the last word counts."""
        with self._writing() as cursor:
            cursor.execute(
                "INSERT INTO talks (item, revision, annotator, verdict, request, reply) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    mended.item,
                    mended.revision,
                    mended.annotator,
                    mended.verdict,
                    mended.request,
                    mended.reply,
                ),
            )

    def mended_talks(self) -> dict[tuple[str, str], MendedTalk]:
        """The last word on each conversation, by item and revision."""
        with self.lock:
            rows = self.database.execute(
                "SELECT item, revision, annotator, verdict, request, reply FROM talks "
                "ORDER BY number"
            ).fetchall()
        return {(row[0], row[1]): MendedTalk(*row) for row in rows}

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        with self.lock, self.database:
            cursor = self.database.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor


def has_choices(root: Path) -> bool:
    """Whether anybody has opened the page for this state."""
    return (root / FILE).is_file()
