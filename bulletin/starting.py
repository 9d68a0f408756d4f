"""New publications and new issues: text from the starter templates."""

from __future__ import annotations

import calendar
import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bulletin import door
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.issuefile import translate
from bulletin.model import EVERYONE, Issue, Translation
from bulletin.publication import SETTINGS, Publication, has_settings, write_atomically
from bulletin.words import starter_templates

SCHEMA_FILE = "issue.schema.json"
TRANSLATION_SCHEMA_FILE = translate.SCHEMA_FILE
_THEME = ("mail", "archive")


def make_publication(directory: Path, name: str) -> Iterator[Path]:
    """Write a new publication's settings, theme, words and git ignore file; yields each path. A file there stays.

    Raises `BulletinError` if there is one already.
    """
    if (directory / SETTINGS).exists() or has_settings(directory / "pyproject.toml"):
        raise BulletinError(f"{directory} already holds a publication.", hint="Choose another folder.")
    if directory.exists() and not directory.is_dir():
        raise BulletinError(f"{directory} is a file.", hint="Choose another folder.")
    directory.mkdir(parents=True, exist_ok=True)
    for part in _THEME:
        _copy(starter_templates() / part, directory / "templates" / part)
        yield directory / "templates" / part
    if not (directory / ".gitignore").exists():
        write_atomically(directory / ".gitignore", b".bulletin/\n")
    write_atomically(directory / SETTINGS, filled("bulletin.toml", name=name).encode())
    yield directory / SETTINGS
    words = directory / "issues" / "words.txt"
    if not words.exists():
        write_atomically(words, filled("words.txt").encode())
    yield words


def _copy(folder: Path, target: Path) -> None:
    """The files of a folder, as a person's own: an installed package may hold them read-only."""
    for source in sorted(folder.rglob("*")):
        path = target / source.relative_to(folder)
        if source.is_file() and not path.exists():
            write_atomically(path, source.read_bytes())


def make_issue(publication: Publication, issue: str, date: dt.date | None, *, example: bool = False) -> Path:
    """Write a new issue's file with the standing sections, and the schema beside it; gives the file's path.

    Without a date the issue, named like 2024-06, goes out on the last working day of its month.
    """
    path = publication.issue_path(issue)
    if path.exists():
        raise BulletinError(
            f"{publication.shown(path)} is there already.", hint=f"Look at it with: bulletin check {issue}"
        )
    if not re.fullmatch(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*", issue):
        raise BulletinError(
            f'"{issue}" cannot be the name of an issue.', hint="Use letters, digits and hyphens, such as 2024-06."
        )
    day = date or _last_working_day(issue)
    title = f"{publication.config.name}, {day:%B %Y}"
    text = filled(
        "issue.yaml", id=issue, title=title, date=day.isoformat(), sections=publication.config.sections, example=example
    )
    write_schema(publication)
    (path.parent / "images").mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    publication.read_issue(issue)
    return path


def write_schema(publication: Publication) -> Path:
    """Write the JSON Schema that lets an editor complete and check issue files, with this publication's words in it."""
    path = publication.issues_dir / SCHEMA_FILE
    write_atomically(path, (json.dumps(issue_schema(publication.config), indent=2, ensure_ascii=False) + "\n").encode())
    return path


def write_translation_schema(publication: Publication) -> Path:
    """Write the JSON Schema of the files that hold an issue's words in another language."""
    schema = door.json_schema(Translation)
    _let_lists_be_empty(schema)
    path = publication.issues_dir / TRANSLATION_SCHEMA_FILE
    write_atomically(path, (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def issue_schema(config: Config) -> dict[str, Any]:
    """The JSON Schema of an issue file, in which sections, topics and audiences are the publication's."""
    schema = door.json_schema(Issue)
    words = config.vocabulary
    kinds = schema["$defs"]
    for known, place in (
        (words.sections, kinds["Section"]["properties"]["id"]),
        (words.topics, kinds["Item"]["properties"]["topics"]["items"]),
        (words.audiences and (EVERYONE, *words.audiences), kinds["Item"]["properties"]["audience"]["items"]),
    ):
        if known:
            place["enum"] = list(known)
    _let_lists_be_empty(schema)
    return schema


def _let_lists_be_empty(schema: dict[str, Any]) -> None:
    """A key with nothing behind it counts as not given, so editors should not complain of it."""
    for kind in (schema, *schema["$defs"].values()):
        for name, field in kind["properties"].items():
            if field.get("type") in {"array", "object"}:
                kind["properties"][name] = {**field, "type": [field["type"], "null"]}


def _last_working_day(issue: str) -> dt.date:
    month = re.fullmatch(r"(\d{4})-(\d\d)", issue)
    if not month or not 1 <= int(month[2]) <= 12:
        short = re.fullmatch(r"(\d{4})-([1-9])", issue)
        say_it = f"Say it: bulletin new {issue} --date 2024-06-28"
        raise BulletinError(
            f'"{issue}" does not say when the issue goes out.',
            hint=f"For the month: bulletin new {short[1]}-0{short[2]}" if short else say_it,
        )
    year, number = int(month[1]), int(month[2])
    day = dt.date(year, number, calendar.monthrange(year, number)[1])
    return day - dt.timedelta(days=max(0, day.weekday() - 4))


def filled(template: str, **values: object) -> str:
    """A text from the starter templates with its values; strings are quoted by the filters `toml` and `yaml`."""
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(starter_templates() / "start"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    # A JSON string is a valid string in both formats.
    environment.filters["toml"] = environment.filters["yaml"] = lambda text: json.dumps(str(text), ensure_ascii=False)
    return environment.get_template(template).render(**values)
