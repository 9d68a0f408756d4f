"""The file of an issue in another language, `issue.cy.yaml`: its words alone, by the ids of sections and items."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bulletin import door
from bulletin.door import Complaint, Rejected
from bulletin.errors import FileProblems, Place
from bulletin.issuefile._read import one_line
from bulletin.issuefile._yaml import Document, parse
from bulletin.model import SCHEMA, Issue, Translation


@dataclass(frozen=True, slots=True)
class TranslationFile:
    """A translation as read from its file, and where everything in it stands."""

    path: str
    translation: Translation
    document: Document = field(repr=False)

    def place_of(self, *loc: str | int) -> Place:
        """The place of a value: `place_of("items", "codes", "title")`; of what is around it, if it is not there."""
        return self.document.place_of(loc)


def read_translation(text: str, path: str, issue: Issue) -> TranslationFile:
    """Read the text of a translation of `issue`. `path` is the name people know the file by.

    Raises `FileProblems` with every problem of the file at once, each with line, column and remedy; an id that the
    issue does not have is one.
    """
    document = parse(text, path)
    data = dict(document.data)
    if isinstance(data.get("schema"), str) and re.fullmatch("[0-9]{1,9}", data["schema"]):
        data["schema"] = int(data["schema"])
    translation = door.admit(
        Translation,
        data,
        document.place_of,
        key_of=document.key_of,
        rules=lambda translation: _beyond_schema(translation, issue),
    )
    if isinstance(translation, Rejected):
        raise FileProblems(path, translation.problems)
    known = {("items", item.id) for item in issue.items} | {("sections", section.id) for section in issue.sections}
    _refuse_unknown(translation, document, known)
    return TranslationFile(path, translation, document)


def _refuse_unknown(translation: Translation, document: Document, known: set[tuple[str, str]]) -> None:
    """Ids that the issue does not have, each at its own place and not at that of what stands under it."""
    from bulletin.errors import Problem

    problems = []
    for kind, named in (("items", translation.items), ("sections", translation.sections)):
        ids = [name for group, name in sorted(known) if group == kind]
        for name in named:
            if name not in ids:
                place = document.key_of((kind, name))
                message = f'the issue has no {kind[:-1]} "{name}".'
                problems.append(Problem(place, message, door.closest(name, ids) or "Take it out."))
    if problems:
        raise FileProblems(document.path, problems)


def _beyond_schema(translation: Translation, issue: Issue) -> Iterator[Complaint]:
    if translation.schema != SCHEMA:
        message = f"this file is of format {translation.schema}."
        yield ("schema",), message, f"This version of bulletin reads format {SCHEMA}."
    for name in ("title", "subject", "preheader", "notice", "signed"):
        yield from one_line((name,), getattr(translation, name))
    for key, section in translation.sections.items():
        yield from one_line(("sections", key, "title"), section.title)
    for key, item in translation.items.items():
        for name in ("title", "link", "place"):
            yield from one_line(("items", key, name), getattr(item, name))
