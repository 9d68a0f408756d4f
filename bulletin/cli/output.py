"""What people see: results on standard output, talk on standard error, and the exit code of every ending."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from bulletin.errors import BulletinError, FileProblems

if TYPE_CHECKING:
    from bulletin.publication import Publication


def say(text: str = "") -> None:
    """Talk to the person: standard error."""
    click.echo(text, err=True)


def show(text: str = "") -> None:
    """A result: standard output."""
    click.echo(text)


def show_json(value: Any) -> None:
    """A result for a machine."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_json_list(values: Iterable[Any]) -> None:
    """A list for a machine, of any length: it is written as it comes."""
    before = "[\n"
    for value in values:
        sys.stdout.write(f"{before}{json.dumps(value, ensure_ascii=False, default=str)}")
        before = ",\n"
    click.echo("[]" if before == "[\n" else "\n]")


def done(text: str) -> None:
    """A step that went well."""
    say(click.style("✓ ", fg="green") + text)


def warn(text: str) -> None:
    """Something to look at."""
    say(click.style("! ", fg="yellow") + text)


def explain(error: BaseException) -> int:
    """Say what happened and what to do, and give the exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else 2
        case BrokenPipeError():
            sys.stderr.close()
            return 0
        case click.Abort() | KeyboardInterrupt():
            say("\nStopped. Nothing was left half done.")
            return 3
    return _advise(error)


def _advise(error: BaseException) -> int:
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, FileProblems):
        _fault(error.message)
        for problem in error.problems:
            say(f"  {click.style(str(problem.place), bold=True)}: {problem.message}")
            if problem.hint:
                say(f"      → {problem.hint}")
        return error.exit_code
    if isinstance(error, BulletinError):
        _fault((f"{error.place}: " if error.place else "") + error.message, error.hint)
        return error.exit_code
    if isinstance(error, OSError) and (error.filename or error.errno in _DISK_IS_FULL):
        _fault(f"{error.filename or 'writing failed'}: {(error.strerror or str(error)).lower()}.", _remedy(error))
        return 2
    _fault(
        f"bulletin itself failed: {type(error).__name__}: {error}",
        "This is a fault of the program, not yours. Run it again as bulletin --debug ..., and report what it prints.",
    )
    return 2


_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _remedy(error: OSError) -> str:
    """What to do about a file that the system would not let us read or write."""
    if error.errno in _DISK_IS_FULL:
        return "Make room on the disk, then try again."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "Look at the rights of the file and of its folder, or ask whoever owns them."
    if error.errno in {errno.EISDIR, errno.ENOTDIR, errno.EEXIST}:
        return "A file stands where a folder should be, or a folder in place of a file. Move it away."
    return ""


def _fault(message: str, hint: str = "") -> None:
    say(click.style("✗ ", fg="red") + message)
    if hint:
        say("  → " + hint.replace("\n", "\n    "))


def publication() -> Publication:
    """The publication of the folder the person is in."""
    import os
    from pathlib import Path

    from bulletin.publication import open_publication

    return open_publication(Path.cwd(), os.environ)


def user_name() -> str:
    """Who is at the keyboard, as this machine calls them."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # some containers run as a user without a name
        raise click.UsageError("Say who decided, as this machine has no name for you: --by NAME") from None


def chosen_issue(home: Publication, issue: str | None) -> str:
    """The issue named, or the newest, saying which."""
    if issue is not None:
        return issue.strip("/").removeprefix("issues/").removesuffix("/issue.yaml")
    newest = home.newest_issue()
    say(f"Issue {newest}, the newest. Name another one to choose it.")
    return newest


@contextmanager
def waiting() -> Iterator[Callable[[str], None]]:
    """`with waiting() as show: show("Leaves in 2 h")`: a line on standard error, if that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield status.update


def progress(label: str, total: int) -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    return Progress(label, total)


class Progress:
    """`with progress("Sending", 900) as step: step(1)`."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total

    def __enter__(self) -> Callable[[int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._bar = Bar(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._bar.start()
        task = self._bar.add_task(self._label, total=self._total)
        return lambda count: self._bar.advance(task, count)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def table(rows: Iterable[tuple[str, ...]], header: tuple[str, ...]) -> None:
    """Rows as a plain table on standard output, fitted to the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    columns = (Column(name, overflow="fold") for name in header)  # nothing is cut off: an address has to be whole
    drawn = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console.width = 500  # a file has room for every word
    for row in rows:
        drawn.add_row(*(_plain(cell) for cell in row))
    console.print(drawn)


_FITTED_ROWS = 1000


def long_table(rows: Iterable[tuple[str, ...]], header: tuple[str, ...]) -> int:
    """Rows as a table on standard output, however many; how many they are.

    A long one is written as it comes, in columns as wide as its first rows need, whatever the terminal has.
    """
    rest = iter(rows)
    first = list(islice(rest, _FITTED_ROWS + 1))
    if len(first) <= _FITTED_ROWS:
        table(first, header)
        return len(first)
    widths = [max(map(len, column)) for column in zip(header, *first, strict=True)]
    form = "  ".join(f"{{:<{width}}}" for width in widths[:-1]) + "  {}"
    number = 0
    for row in chain([header], first, rest):
        line = form.format(*row).rstrip()
        sys.stdout.write((line if line.isprintable() else _printable(line)) + "\n")
        number += 1
    return number - 1


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in line)


def _plain(cell: str) -> str:
    from rich.markup import escape

    return escape(cell)
