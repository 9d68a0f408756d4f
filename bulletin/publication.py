"""A publication on disk: every path the tool reads or writes, and the one place that writes what people care about."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bulletin import config as settings
from bulletin.config import Config
from bulletin.errors import BulletinError, FileProblems
from bulletin.issuefile import IssueFile, read
from bulletin.model import Issue, Picture
from bulletin.pictures import measure

SETTINGS = "bulletin.toml"
ISSUE_FILE = "issue.yaml"
SECRET_VARIABLE = "BULLETIN_SECRET"  # noqa: S105 - the name of a variable, not a secret
DATABASE_VARIABLE = "BULLETIN_DATABASE_URL"


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
    def cache_dir(self) -> Path:
        """Answers of sources, to ask them only for what is new."""
        return self.state_dir / "cache"

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

    def newest_issue(self) -> str:
        """The issue a command means when none is named. Raises `BulletinError` if there is none."""
        ids = self.issue_ids()
        if not ids:
            raise BulletinError("there is no issue yet.", hint="Start one: bulletin new 2024-06")
        return ids[-1]

    def read_issue(self, issue: str) -> IssueFile:
        """An issue from its file. Raises `FileProblems` with everything wrong with it, or `BulletinError`."""
        path = self.issue_path(issue)
        shown = self.shown(path)
        if not path.is_file():
            known = ", ".join(self.issue_ids()[-5:]) or "none yet"
            raise BulletinError(
                f'there is no issue "{issue}".', hint=f"Known: {known}. To start it: bulletin new {issue}"
            )
        return read(read_text(path, shown), shown, self.config.vocabulary)

    def other_issues(self, issue: str) -> Iterator[Issue]:
        """All issues but this one, oldest first. One that cannot be read is left out; `check` names it."""
        for name in self.issue_ids():
            if name != issue:
                try:
                    yield self.read_issue(name).issue
                except FileProblems:
                    continue

    def edit_issue(self, issue: str, edit: Callable[[str, str], str]) -> bool:
        """Change an issue's text with `edit(text, shown path)`; whether anything changed.

        The file is replaced as a whole, never half, and never over somebody's save: if it changed while `edit` was at
        work, the edit is made again on the new text.
        """
        path = self.issue_path(issue)
        for _ in range(5):
            before = path.read_bytes()
            after = edit(_decoded(before, self.shown(path)), self.shown(path)).encode("utf-8")
            if after == before:
                return False
            if path.read_bytes() == before:
                write_atomically(path, after)
                return True
        raise BulletinError(
            f"{self.shown(path)} keeps changing while it is being edited.", hint="Save it and try again."
        )

    def pictures(self, issue: Issue) -> dict[str, Picture | None]:
        """Size and format of each picture the issue names, by file; None where the file is missing."""
        folder = self.issue_dir(issue.id)
        return {item.image.file: measure(folder / item.image.file) for item in issue.items if item.image}

    def picture_bytes(self, issue: str, file: str) -> bytes:
        """The bytes of a picture of an issue."""
        return (self.issue_dir(issue) / file).read_bytes()

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
        if project.is_file() and b"[tool.bulletin]" in project.read_bytes():
            return Publication(root, settings.read(project), environment, "pyproject.toml")
    raise BulletinError(
        f"there is no publication in {folder}.",
        hint="Make one with: bulletin init my-bulletin. Or go to its folder first.",
    )


def starter_templates() -> Path:
    """The starter theme: inside the installed package, or at the top level of a checkout."""
    packaged = Path(__file__).parent / "templates"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "templates"


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file whole: it holds the old bytes or the new ones, also after a crash. Keeps the old file's mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _write_if_missing(path: Path, data: bytes) -> None:
    """Write a private file unless there is one; of several at once the first wins, and nobody sees half of it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


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
