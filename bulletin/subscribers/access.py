"""Everything held about one reader, as a page they can read (P-24). Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

_TITLES = {
    "reader": "What we hold about you",
    "lists": "Lists you are on",
    "consents": "What you agreed to and withdrew",
    "confirmations": "Links we mailed to you to confirm something",
    "service_mails": "Mails about your subscription, in the last day",
    "mailings": "Mails to you",
    "events": "What mail servers reported about them",
    "suppression": "The list of addresses we do not write to",
}


def as_text(held: Mapping[str, Any], *, publication: str, at: dt.datetime) -> str:
    """The same that the JSON file holds, in words and one fact a line. Times are in UTC."""
    lines = [f"{publication}: everything held about one reader", f"Written {_value(at)}", ""]
    for part, title in _TITLES.items():
        if part in held:
            found = held[part]
            lines += [title, "-" * len(title), *_rows(found if isinstance(found, list) else [found]), ""]
    if "suppression" in held:
        lines.append(
            "Of an address on that list we keep a keyed hash, the reason and the date, and\nuse it only for this."
        )
    return "\n".join(lines).rstrip() + "\n"


def as_json(held: Mapping[str, Any]) -> str:
    """The same for a program."""
    return json.dumps(held, indent=2, ensure_ascii=False, default=_for_json)


def _for_json(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def _rows(rows: list[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        yield "nothing"
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from (
            f"{name.replace('_', ' ')}: {_value(value)}" for name, value in row.items() if value not in {None, "", ()}
        )


def _value(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return "".join(sign if sign.isprintable() else " " for sign in text)
