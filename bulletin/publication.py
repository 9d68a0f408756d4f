"""A publication on disk: every path the tool reads or writes, and the one place that writes what people care about."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bulletin import config as settings
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.issuefile import IssueFile, TranslationFile, read, read_translation
from bulletin.model import Issue, Picture
from bulletin.pictures import measure
from bulletin.words import starter_templates

SETTINGS = "bulletin.toml"
ISSUE_FILE = "issue.yaml"
SECRET_VARIABLE = "BULLETIN_SECRET"  # noqa: S105 - the name of a variable, not a secret
DATABASE_VARIABLE = "BULLETIN_DATABASE_URL"
_MONTH = re.compile(r"\d{4}-\d\d")
EDIT_WAIT_S = 30
"""How long one command waits for another that is changing an issue."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A folder with `bulletin.toml`, and what belongs to it. Made by `open_publication`."""

    root: Path
    config: Config
    environment: Mapping[str, str] = field(repr=False)
    settings_file: str = SETTINGS

    # ---- where things are

    @property
    def issues_dir(self) -> Path:
        """Holds one folder for each issue."""
        return self.root / "issues"

    @property
    def state_dir(self) -> Path:
        """What the tool keeps for itself; never committed. Made when asked for, readable by its owner only."""
        path = self.root / ".bulletin"
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    @property
    def outbox_dir(self) -> Path:
        """Where the outbox provider writes messages."""
        return self.state_dir / "outbox"

    @property
    def archive_dir(self) -> Path:
        """Where the built archive goes unless told otherwise."""
        return self.state_dir / "archive"

    @property
    def published_path(self) -> Path:
        """Every web address the archive was ever published with."""
        return self.issues_dir / "published.txt"

    @property
    def cache_dir(self) -> Path:
        """Answers that can be had again at any time."""
        return self.state_dir / "cache"

    @property
    def memory_path(self) -> Path:
        """What sources answered and offered so far."""
        return self.state_dir / "sources.db"

    @property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where templates are looked for: the publication's own first, file by file over the starter's."""
        own = self.root / "templates"
        starter = starter_templates()
        return (own, starter) if own.is_dir() and own.resolve() != starter.resolve() else (starter,)

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the stores: SQLite in the state folder unless the environment names another."""
        return self.environment.get(DATABASE_VARIABLE) or f"sqlite:///{self.state_dir / 'bulletin.db'}"

    def issue_dir(self, issue: str) -> Path:
        """The folder of an issue."""
        return self.issues_dir / issue

    def issue_path(self, issue: str) -> Path:
        """The file of an issue."""
        return self.issue_dir(issue) / ISSUE_FILE

    def shown(self, path: Path) -> str:
        """A path as people know it: seen from the publication's folder, or whole if it lies outside."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return str(path)

    # ---- issues

    def issue_ids(self) -> tuple[str, ...]:
        """All issues by their folders' names, oldest first."""
        return tuple(sorted(path.parent.name for path in self.issues_dir.glob(f"*/{ISSUE_FILE}")))

    def issue_sources(self, issue: str) -> dict[str, bytes]:
        """The files an issue is made of, settings and its languages included, by their names."""
        paths = [*sorted(self.issue_dir(issue).glob("issue*.yaml")), self.root / self.settings_file]
        return {path.name: path.read_bytes() for path in paths}

    def newest_issue(self) -> str:
        """The issue a command means when none is named. Raises `BulletinError` if there is none."""
        ids = self.issue_ids()
        if not ids:
            raise BulletinError("there is no issue yet.", hint="Start one: bulletin new 2024-06")
        if all(_MONTH.fullmatch(name) for name in ids):
            return ids[-1]
        return max(ids, key=self._day_of)  # a name such as summer-special does not say how old it is

    def _day_of(self, issue: str) -> str:
        """The day in an issue's file, or the issue's name; a file with mistakes in it has its day as well."""
        day = re.search(rb"^date:[ \t]*[\"']?(\d{4}-\d\d-\d\d)", self.issue_path(issue).read_bytes(), re.MULTILINE)
        return day[1].decode() if day else issue

    def own_words(self) -> frozenset[str]:
        """The publication's own words, spelt as meant: one a line in `issues/words.txt`, with notes after `#`."""
        path = self.issues_dir / "words.txt"
        if not path.is_file():
            return frozenset()
        lines = path.read_bytes().decode("utf-8-sig", "replace").splitlines()
        return frozenset(word for line in lines if (word := line.partition("#")[0].strip()))

    def read_issue(self, issue: str) -> IssueFile:
        """An issue from its file. Raises `FileProblems` with everything wrong with it, or `BulletinError`."""
        path = self.issue_path(issue)
        shown = self.shown(path)
        if path.is_dir():
            raise BulletinError(f"{shown} is a folder, not a file.", hint="Rename it, then: bulletin new " + issue)
        if not path.is_file():
            known = ", ".join(self.issue_ids()[-5:]) or "none yet"
            raise BulletinError(
                f'there is no issue "{issue}".', hint=f"Known: {known}. To start it: bulletin new {issue}"
            )
        return read(read_text(path, shown), shown, self.config.vocabulary, folder=issue)

    def translation_path(self, issue: str, language: str) -> Path:
        """The file of an issue's words in another language."""
        return self.issue_dir(issue) / f"issue.{language}.yaml"

    def translations(self, file: IssueFile) -> dict[str, TranslationFile | None]:
        """The issue's words in each further language of the settings; None where there is no file.

        Raises `FileProblems` with everything wrong with the first file that cannot be read.
        """
        found: dict[str, TranslationFile | None] = {}
        for language in self.config.other_languages:
            path = self.translation_path(file.issue.id, language)
            shown = self.shown(path)
            found[language] = read_translation(read_text(path, shown), shown, file.issue) if path.is_file() else None
        return found

    def other_issues(self, issue: str) -> Iterator[Issue]:
        """All issues but this one, oldest first. One that cannot be read is left out; `doctor` names it."""
        for name in self.issue_ids():
            if name != issue:
                with suppress(BulletinError):
                    yield self.read_issue(name).issue

    def edit_issue(self, issue: str, edit: Callable[[str, str], str], *, language: str = "") -> bool:
        """Change an issue's text with `edit(text, shown path)`; whether anything changed.

        With `language` it is the text of that translation, empty if there is no file yet.

        The file is replaced as a whole, never half, and never over somebody's save: if it changed while `edit` was at
        work, the edit is made again on the new text. Of several commands at once each waits for the one before.
        """
        path = self.translation_path(issue, language) if language else self.issue_path(issue)
        shown = self.shown(path)
        with self._editing(shown):
            if language and not path.exists():
                write_atomically(path, edit("", shown).encode("utf-8"))
                return True
            for _ in range(5):
                before = path.read_bytes()
                after = edit(_decoded(before, shown), shown).encode("utf-8")
                if after == before:
                    return False
                if _replace_unchanged(path, before, after):
                    return True
        raise BulletinError(f"{shown} keeps changing while it is being edited.", hint="Save it and try again.")

    @contextmanager
    def _editing(self, shown: str) -> Iterator[None]:
        """One command at a time edits issues. The operating system frees the lock when a process dies."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.state_dir / "editing.lock", timeout=EDIT_WAIT_S, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise BulletinError(
                f"another command has been changing issues for {EDIT_WAIT_S} seconds; {shown} stands as it was.",
                hint="Wait until it is done, then try again.",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def pictures(self, issue: Issue) -> dict[str, Picture | None]:
        """Size and format of each picture the issue names, and of the masthead's, by file; None where it is missing."""
        folder, logo = self.issue_dir(issue.id), self.config.brand.logo
        own = {logo: measure(self.root / logo)} if logo else {}
        return own | {item.image.file: measure(folder / item.image.file) for item in issue.items if item.image}

    def logo_bytes(self) -> bytes | None:
        """The bytes of the masthead's picture, if there is one."""
        path = self.root / (self.config.brand.logo or ".")
        return path.read_bytes() if path.is_file() else None

    def picture_bytes(self, issue: str, file: str) -> bytes:
        """The bytes of a picture of an issue."""
        return (self.issue_dir(issue) / file).read_bytes()

    def free_picture(self, issue: str, name: str, ending: str) -> str:
        """A file name in the issue's `images/` that no picture has yet, `name` or the same with a number."""
        number, file = 1, f"images/{name}.{ending}"
        while (self.issue_dir(issue) / file).exists():
            number += 1
            file = f"images/{name}-{number}.{ending}"
        return file

    # ---- secret

    def secret(self) -> bytes:
        """The key for links and markers: from the environment, else made once and kept, mode 0600 (Z-23)."""
        given = self.environment.get(SECRET_VARIABLE)
        if given:
            if len(given) < 32:
                raise BulletinError(
                    f"{SECRET_VARIABLE} is too short to be safe.", hint="Use at least 32 random characters."
                )
            return given.encode()
        path = self.state_dir / "secret"
        if not path.exists():
            _write_if_missing(path, secrets.token_urlsafe(32).encode())
        key = path.read_bytes().strip()
        if len(key) < 32:
            raise BulletinError(
                f"{self.shown(path)} does not hold a whole key.",
                hint="Put it back from a copy. Without one delete it; links in mails already sent then stop working.",
            )
        return key


def open_publication(start: Path, environment: Mapping[str, str]) -> Publication:
    """The publication `start` lies in, looked for upwards. Raises `BulletinError` if there is none."""
    folder = start.resolve()
    for root in (folder, *folder.parents):
        if (root / SETTINGS).is_file():
            return Publication(root, settings.read(root / SETTINGS), environment)
        project = root / "pyproject.toml"
        if has_settings(project):
            return Publication(root, settings.read(project), environment, "pyproject.toml")
    raise BulletinError(
        f"there is no publication in {folder}.",
        hint="Make one with: bulletin init my-bulletin. Or go to its folder first.",
    )


def has_settings(project: Path) -> bool:
    """Whether a `pyproject.toml` is there and holds a publication's settings."""
    return project.is_file() and re.search(rb"^\s*\[tool\.bulletin\]", project.read_bytes(), re.MULTILINE) is not None


def write_atomically(path: Path, data: bytes, *, mode: int | None = None, lasting: bool = True) -> None:
    """Write a file whole: it holds the old bytes or the new ones, also after a crash. Keeps the old file's mode.

    Not `lasting`, for what can be made again at any time: a crash of the command leaves it whole, a power cut may not.
    Raises `OSError` naming the file if it cannot be written; the old one then stands, and nothing is left beside it.
    """
    path = _followed(path)
    with _written_beside(path, data, mode, lasting=lasting) as whole:
        os.replace(whole, path)


def _replace_unchanged(path: Path, before: bytes, after: bytes) -> bool:
    """The same, unless the file holds something else than `before` by then; whether it was replaced."""
    path = _followed(path)
    with _written_beside(path, after, None) as whole:
        # Looked at last of all, when nothing slow is left to do.
        unchanged = path.read_bytes() == before
        if unchanged:
            os.replace(whole, path)
    return unchanged


def _write_if_missing(path: Path, data: bytes) -> None:
    """Write a private file unless there is one; of several at once the first wins, and nobody sees half of it."""
    with _written_beside(path, data, 0o600) as whole, suppress(FileExistsError):
        os.link(whole, path)


def _followed(path: Path) -> Path:
    """Where a link leads: what is written replaces the file, not the link to it."""
    return path.resolve() if path.is_symlink() else path


@contextmanager
def _written_beside(path: Path, data: bytes, mode: int | None, *, lasting: bool = True) -> Iterator[Path]:
    """The file as it will be, whole and on the disk under another name, which is gone at the end of the context."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if mode is None and path.exists():
            mode = path.stat().st_mode & 0o777
        with open(whole, "xb", opener=partial(os.open, mode=0o666 if mode is None else 0o600)) as file:
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        if mode is not None:
            os.chmod(whole, mode)
        yield whole
    except OSError as error:
        # People know the file, not the name it had for a moment; a full disk names nothing at all.
        error.filename, error.filename2 = str(path), None
        raise
    finally:
        whole.unlink(missing_ok=True)


def read_text(path: Path, shown: str) -> str:
    """A text file's content. Raises `BulletinError` if it is not UTF-8."""
    return _decoded(path.read_bytes(), shown)


def _decoded(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BulletinError(
            f"{shown}:{line}: this file is not UTF-8 text.", hint='Save it again with the encoding "UTF-8".'
        ) from None
