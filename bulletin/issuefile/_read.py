"""Issue text to `Issue`: the schema, and the rules a schema cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bulletin import door, markings
from bulletin.door import Complaint, Loc, Rejected
from bulletin.errors import FileProblems, Place
from bulletin.issuefile._yaml import Document, parse
from bulletin.model import EVERYONE, SCHEMA, Issue

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_ISSUE_ID = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*\Z")
_DOCUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*\.pdf\Z")
_WEB = re.compile(r"https?://[^\s/]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids a publication knows. An empty tuple means that anything goes."""

    sections: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IssueFile:
    """An issue as read from its file: the value, the text it came from, and where everything stands."""

    path: str
    text: str
    issue: Issue
    document: Document = field(repr=False)

    def place_of(self, *loc: str | int) -> Place:
        """The place of a value: `place_of("sections", 0, "items", 1, "title")`."""
        return self.document.place_of(loc)


def read(text: str, path: str, vocabulary: Vocabulary | None = None, *, folder: str | None = None) -> IssueFile:
    """Read an issue's text. `path` is the name people know the file by; `folder`, if given, must be the issue's id.

    Raises `FileProblems` with every problem of the file at once, each with line, column and remedy.
    """
    document = parse(text, path)
    data = dict(document.data)
    if isinstance(data.get("schema"), str) and re.fullmatch("[0-9]{1,9}", data["schema"]):
        data["schema"] = int(data["schema"])
    issue = door.admit(
        Issue,
        data,
        document.place_of,
        key_of=document.key_of,
        rules=lambda issue: _beyond_schema(issue, vocabulary or Vocabulary(), folder),
    )
    if isinstance(issue, Rejected):
        raise FileProblems(path, issue.problems)
    return IssueFile(path, text, issue, document)


def _beyond_schema(issue: Issue, known: Vocabulary, folder: str | None) -> Iterator[Complaint]:
    if issue.schema != SCHEMA:
        yield ("schema",), f"this file is of format {issue.schema}.", f"This version of bulletin reads format {SCHEMA}."
    if not _ISSUE_ID.match(issue.id):
        yield (
            ("id",),
            f'"{issue.id}" cannot be the name of an issue.',
            "Use letters, digits and hyphens, such as 2024-05.",
        )
    elif folder is not None and issue.id != folder:
        # Pictures are looked for by the folder, and who was sent the issue by its id: they have to be one.
        message = f'the id is "{issue.id}", but the folder is "{folder}".'
        yield ("id",), message, f'Write "id: {folder}", or rename the folder.'
    for field_name in ("title", "subject", "preheader", "notice", "signed"):
        yield from one_line((field_name,), getattr(issue, field_name))
    yield from _marked((), issue.marking, None)
    yield from _sections(issue, known)
    yield from _published(issue)
    for number, candidate in enumerate(issue.inbox):
        yield from one_line(("inbox", number, "title"), candidate.title)
        yield from _web(("inbox", number, "url"), candidate.url)
    for number, skipped in enumerate(issue.skipped):
        yield from _web(("skipped", number, "url"), skipped.url)


def _sections(issue: Issue, known: Vocabulary) -> Iterator[Complaint]:
    seen_sections: set[str] = set()
    seen_items: dict[str, str] = {}
    for s, section in enumerate(issue.sections):
        here: Loc = ("sections", s)
        yield from _known((*here, "id"), section.id, "section", known.sections)
        if section.id in seen_sections:
            yield (*here, "id"), f'the section "{section.id}" stands here twice.', "Move its items into the first one."
        seen_sections.add(section.id)
        for i, item in enumerate(section.items):
            at: Loc = (*here, "items", i)
            if not _ID.match(item.id):
                yield (*at, "id"), f'"{item.id}" cannot be the id of an item.', "Use small letters, digits and hyphens."
            if item.id in seen_items:
                yield (
                    (*at, "id"),
                    f'two items have the id "{item.id}".',
                    f'Change one; the other is "{seen_items[item.id]}".',
                )
            seen_items[item.id] = item.title
            for field_name in ("title", "link", "source"):
                yield from one_line((*at, field_name), getattr(item, field_name))
            if not item.title.strip():
                yield (*at, "title"), "the headline is empty.", "Write one."
            yield from _web((*at, "url"), item.url)
            yield from _marked(at, item.marking, item.tlp)
            for t, topic in enumerate(item.topics):
                yield from _known((*at, "topics", t), topic, "topic", known.topics)
            for a, audience in enumerate(item.audience):
                yield from _known(
                    (*at, "audience", a), audience, "audience", known.audiences and (EVERYONE, *known.audiences)
                )
            if item.event:
                yield from _web((*at, "event", "booking"), item.event.booking)
                yield from one_line((*at, "event", "place"), item.event.place)
                if item.event.ends and item.event.ends.replace(tzinfo=None) < item.event.starts.replace(tzinfo=None):
                    yield (*at, "event", "ends"), "the event ends before it starts.", "Check both times."
            if item.image and (item.image.file.startswith(("/", "\\")) or ".." in item.image.file.split("/")):
                yield (*at, "image", "file"), "a picture must lie in the issue's own folder.", "Copy it to images/."


def _published(issue: Issue) -> Iterator[Complaint]:
    """What is written after an issue went out."""
    ids = [item.id for item in issue.items]
    for number, correction in enumerate(issue.corrections):
        at: Loc = ("corrections", number)
        if correction.item is not None and correction.item not in ids:
            yield (*at, "item"), f'there is no item "{correction.item}" here.', door.closest(correction.item, ids)
        if not correction.note.strip():
            yield (*at, "note"), "the correction says nothing.", "Say what was wrong, and what it says now."
    yield from one_line(("withdrawn",), issue.withdrawn)
    for number, name in enumerate(issue.formerly):
        if not _ISSUE_ID.match(name) or name == issue.id:
            hint = "Write the name of its folder from before, such as 2024-5."
            yield ("formerly", number), f'"{name}" cannot be an earlier name of this issue.', hint
    for s, section in enumerate(issue.sections):
        for i, item in enumerate(section.items):
            for number, name in enumerate(item.formerly):
                if not _ID.match(name) or name in ids:
                    hint = "Write an id that it had, and that no item has now."
                    loc = ("sections", s, "items", i, "formerly", number)
                    yield loc, f'"{name}" cannot be an earlier id of this item.', hint
    if issue.document is not None and not _DOCUMENT.match(issue.document):
        hint = "Copy it beside the issue file, and write issue.pdf."
        yield ("document",), f'"{issue.document}" is not a PDF file in the issue\'s own folder.', hint


def _marked(at: Loc, marking: str | None, tlp: str | None) -> Iterator[Complaint]:
    """S-01, S-11: what may not be in this tool, and what nobody could be sure of. The checks look at the rest."""
    if marking and marking.strip():
        for flaw in markings.parse(marking)[1]:
            if flaw.weight is markings.Weight.REFUSED:
                yield (*at, "marking"), flaw.message, flaw.hint
    flaw_of_label = markings.parse_tlp(tlp) if tlp else None
    if flaw_of_label:
        yield (*at, "tlp"), flaw_of_label.message, flaw_of_label.hint


def _known(loc: Loc, word: str, what: str, known: Sequence[str]) -> Iterator[Complaint]:
    if known and word not in known:
        hint = door.closest(word, known)
        yield loc, f'there is no {what} "{word}" in bulletin.toml.', hint


def one_line(loc: Loc, value: str | None) -> Iterator[Complaint]:
    """M-10: what may end up in a header holds no line break and no NUL; it is refused, not cleaned."""
    if value and re.search("[\r\n\0]", value):
        yield loc, f'"{loc[-1]}" must be a single line.', 'Write it on one line, without "|" or ">" before it.'


def _web(loc: Loc, value: str | None) -> Iterator[Complaint]:
    if value and not (_WEB.match(value) or value.startswith("mailto:")):
        yield loc, f'"{value}" is not a web address.', "It should start with https://."
    elif value and re.search(r"\s", value):
        yield loc, "there is a space inside this web address.", "Remove it, or write %20."
    elif value and (sign := re.search(r"[<>\"]", value)):
        coded = f"%{ord(sign[0]):02X}"
        yield (
            loc,
            f"a web address cannot hold {sign[0]}.",
            f"Open the page and copy its address again, or write {coded}.",
        )
    elif value and not _can_be_read(value):
        yield loc, f'"{value}" is not a whole web address.', "Open the page and copy its address again."


def _can_be_read(url: str) -> bool:
    """Whether programs can take the address apart, as they do before they follow it."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "mailto" or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        return False
