"""Copies of a message for services that make the mail themselves: described once, encoded once, then filled by joining.

A provider says what one reader's copy looks like in its own words, as JSON. `Entries` asks it once for a copy that has
a hole wherever a reader's own value goes, so that a thousand copies cost a thousand joins of bytes.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import quote
from typing import Any, Generic, TypeVar

from bulletin.model import Letter
from bulletin.render.message import Message, checked

T = TypeVar("T")

_PLAIN_IN_JSON = re.compile(r"[ !#-\[\]-~]*")
_HTML = re.compile(r"[&<>\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One reader's copy. Where a value differs from reader to reader, a hole stands for it."""

    address: str
    key: str
    html: str
    text: str
    headers: Mapping[str, str]
    """All but From, To, Reply-To, Subject, Date and Message-ID."""
    own: Mapping[str, str]
    """Those of them that differ from reader to reader."""
    personal: Mapping[str, str]
    """A value for each marker of the message."""
    personal_html: Mapping[str, str]
    """The same, escaped for HTML."""


class Entries:
    """Writes the JSON of one copy after the other. `describe` must use the values of a `Copy` as they are.

    `tag` gives the form of a key that the provider takes. `nested` says that `describe` puts personal values into JSON
    that is itself a text in JSON.
    """

    def __init__(
        self,
        message: Message,
        describe: Callable[[Copy], Any],
        *,
        tag: Callable[[str], str] = lambda key: key,
        nested: bool = False,
    ) -> None:
        self._message, self._describe, self._tag = message, describe, tag
        self._encoded = _twice_in_json if nested else in_json
        self._made: dict[tuple[str, ...], tuple[bytes | str, ...]] = {}

    def of(self, letters: Sequence[Letter]) -> Iterator[bytes]:
        """The JSON of each letter's copy. Raises `BulletinError` if a value cannot stand in a header."""
        for letter in letters:
            own = self._message.personal_headers(letter)
            names = tuple(own)
            pieces = self._made.get(names)
            if pieces is None:
                pieces = self._made[names] = tuple(self._pieces(names))
            values = self._values(letter, own)
            yield b"".join([piece if isinstance(piece, bytes) else values[piece] for piece in pieces])

    def _pieces(self, names: Sequence[str]) -> Iterator[bytes | str]:
        """Pieces of JSON, and between them the names of what goes there."""
        message = self._message
        # Nobody can write a text that holds its own digest.
        mark = "hole" + hashlib.sha256(f"{message.subject}\0{message.text}\0{message.html}".encode()).hexdigest()[:24]
        holes = ["address", "key", *(f"{kind}:{name}" for kind in ("text", "html") for name in message.markers)]
        holes += [f"header:{name}" for name in names]
        hole = {name: f"{mark}x{number:03}" for number, name in enumerate(holes)}
        own = {name: hole[f"header:{name}"] for name in names}
        personal = {name: hole[f"text:{name}"] for name in message.markers}
        personal_html = {name: hole[f"html:{name}"] for name in message.markers}
        copy = Copy(
            address=hole["address"],
            key=hole["key"],
            html=with_values(message.html, message.markers, personal_html),
            text=with_values(message.text, message.markers, personal),
            headers={**message.headers, **own},
            own=own,
            personal=personal,
            personal_html=personal_html,
        )
        for number, part in enumerate(re.split(f"{mark}x(\\d\\d\\d)", json_text(self._describe(copy)))):
            yield holes[int(part)] if number % 2 else part.encode()

    def _values(self, letter: Letter, headers: Mapping[str, str]) -> dict[str, bytes]:
        values = {"address": in_json(letter.address), "key": in_json(self._tag(letter.key))}
        for name in self._message.markers:
            value = letter.personal[name]
            values[f"text:{name}"] = encoded = self._encoded(value)
            values[f"html:{name}"] = self._encoded(html.escape(value)) if _HTML.search(value) else encoded
        for name, value in headers.items():
            values[f"header:{name}"] = in_json(value)
        return values


class Once(Generic[T]):
    """Makes something of a message in a mailing when it is first asked for, and keeps it for the calls that follow."""

    _KEPT = 16

    def __init__(self, make: Callable[[Message, str], T]) -> None:
        self._make = make
        self._made: dict[tuple[int, str], tuple[Message, T]] = {}

    def __call__(self, message: Message, mailing: str) -> T:
        """What was made of this message."""
        name = id(message), mailing
        if name not in self._made:
            while len(self._made) >= self._KEPT:
                del self._made[next(iter(self._made))]
            self._made[name] = message, self._make(message, mailing)
        return self._made[name][1]


def with_values(content: str, markers: Mapping[str, str], values: Mapping[str, str]) -> str:
    """The content with a value in the place of each marker."""
    for name, marker in markers.items():
        content = content.replace(marker, values[name])
    return content


def json_text(value: object) -> str:
    """Compact JSON; letters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def in_json(value: str) -> bytes:
    """A value as it stands between the quotes of a JSON string."""
    return value.encode() if _PLAIN_IN_JSON.fullmatch(value) else json_text(value)[1:-1].encode()


def _twice_in_json(value: str) -> bytes:
    return in_json(in_json(value).decode())


def subject_of(message: Message) -> str:
    """The subject as people read it. Raises `BulletinError` if it holds a line break (M-10)."""
    return checked("Subject", message.subject)


def key_as_tag(key: str) -> str:
    """A key in the letters that tags may hold where only A to Z, digits, "-" and "_" are allowed.

    Nothing in a key stands twice in a row but what is put here, so that the way back is certain.
    """
    return key.replace(".", "--").replace(":", "__")


def key_of_tag(tag: str) -> str:
    """The key that `key_as_tag` made this of."""
    return tag.replace("__", ":").replace("--", ".")


def sender_of(message: Message) -> str:
    """Name and address of the sender for services that encode names themselves."""
    envelope = message.envelope
    return f'"{quote(checked("From", envelope.sender_name))}" <{checked("From", envelope.sender_address)}>'
