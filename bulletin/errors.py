"""What can go wrong, said so that a person can act on it.

`BulletinError` ends a step. It carries what happened, what to do next and, where there is one, the place in a
file. Failures of single members of a batch (one source, one recipient) are values, never exceptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a file a person edits: line and column count from 1; 0 means the whole file."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: where, what, and what to do about it."""

    place: Place
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" + (f" {self.hint}" if self.hint else "")
        # What is quoted from a file may hold line breaks and signs that a terminal obeys.
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


class BulletinError(Exception):
    """The step cannot go on. Shown to the person as one message and one hint, without a traceback."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None) -> None:
        self.message, self.hint, self.place = message, hint, place
        super().__init__(message)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")


class FileProblems(BulletinError):  # noqa: N818 - named for what it holds
    """A file that cannot be used as it is, with every problem found in it."""

    def __init__(self, path: Path | str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        count = len(self.problems)
        super().__init__(
            f"{path} has {count} problem{'s' if count != 1 else ''}:",
            hint="\n".join(str(problem) for problem in self.problems),
        )


class StoppedPartWay(BulletinError):  # noqa: N818 - named for what happened
    """Work ended before it was finished; running the same command again goes on from there."""

    exit_code = 3


class LeakError(BulletinError):
    """The finished bytes hold something of an item their readers may not see. Nothing was sent or published."""
