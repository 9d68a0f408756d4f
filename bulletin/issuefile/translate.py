"""The file of a translation, made and kept up with its issue. What stands in it stays, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bulletin.errors import BulletinError
from bulletin.issuefile._translation import read_translation
from bulletin.issuefile._yaml import LINE_BREAK, Document
from bulletin.model import SCHEMA, Issue, Item, Section

SCHEMA_FILE = "translation.schema.json"


def skeleton(issue: Issue, language: str) -> str:
    """A new file: every key without a value, each below the words it is to translate."""
    lines = [
        f"# yaml-language-server: $schema=../{SCHEMA_FILE}",
        "#",
        f"# The words of issue {issue.id} in the language {language}.",
        "# Write each behind its key; the original stands above it.",
        "# What is left empty appears in the original.",
        "",
        f"schema: {SCHEMA}",
    ]
    for name in ("title", "subject", "preheader", "notice", "welcome", "signed"):
        lines += _key(name, getattr(issue, name), "")
    lines += ["", "sections:"]
    for section in issue.sections:
        lines += _section(section)
    lines += ["", "items:"]
    for item in issue.items:
        lines += _item(item)
    return "\n".join(lines) + "\n"


def with_new_items(text: str, path: str, issue: Issue) -> tuple[str, tuple[str, ...]]:
    """The text with each item of the issue that it does not name yet, added after the last one, and their ids.

    Raises `FileProblems` for a text that cannot be read, and `BulletinError` for one with no room to add to.
    """
    file = read_translation(text, path, issue)
    new = [item for item in issue.items if ("items", item.id) not in file.document.keys]
    if not new:
        return text, ()
    added = [line for item in new for line in _item(item)]
    # Ends of lines are kept with their lines, so that joining them gives every byte back.
    lines = text.splitlines(keepends=True)
    at = _end_of_items(lines, file.document)
    if ("items",) not in file.document.keys:
        added = ["", "items:", *added]
    ending = "\r\n" if "\r\n" in text else "\n"
    before = "".join(lines[:at])
    if before and not LINE_BREAK.search(before[-1]):
        before += ending
    changed = before + "".join(line + ending for line in added) + "".join(lines[at:])
    again = read_translation(changed, path, issue)
    before_it = {name: said for name, said in again.translation.items.items() if name in file.translation.items}
    named = all(("items", item.id) in again.document.keys for item in new)
    if replace(again.translation, items=before_it) != file.translation or not named:
        hint = f'Add these under "items" yourself: {", ".join(item.id for item in new)}.'
        raise BulletinError(f"{path} is written in a way that nothing can be added to.", hint=hint)
    return changed, tuple(item.id for item in new)


def _end_of_items(lines: list[str], document: Document) -> int:
    """The number of lines up to where another item goes."""
    if ("items",) not in document.keys:
        return len(lines)
    at = document.keys["items",].line
    while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" ")):
        at += 1
    while not lines[at - 1].strip():
        at -= 1
    return at


def _section(section: Section) -> Iterator[str]:
    yield f"  {section.id}:"
    if section.title:
        yield from _key("title", section.title, "    ")
    else:
        yield "    title:"
    yield from _key("intro", section.intro, "    ")


def _item(item: Item) -> Iterator[str]:
    yield ""
    yield f"  {item.id}:"
    yield from _key("title", item.title, "    ")
    yield from _key("link", item.link, "    ")
    yield from _key("summary", item.summary, "    ")
    yield from _key("alt", item.image.alt if item.image else None, "    ")
    yield from _key("place", item.event.place if item.event else None, "    ")


def _key(name: str, words: str | None, indent: str) -> Iterator[str]:
    """A key to be filled in below the words to translate; nothing if there are none."""
    if not words or not words.strip():
        return
    for line in LINE_BREAK.split(words.strip()):
        yield f"{indent}# {line}".rstrip()
    yield f"{indent}{name}:" + (" |" if name in {"welcome", "intro", "summary"} else "")
