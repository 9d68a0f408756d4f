"""Copies of a message for services that make the mail themselves: described once, encoded once, then filled by joining.

A provider says what one reader's copy looks like in its own words, as JSON. `Entries` asks it once for a copy that has
a hole wherever a reader's own value goes, so that a thousand copies cost a thousand joins of bytes.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import quote
from typing import Any, Generic, TypeVar

from bulletin.model import Letter, Letters
from bulletin.render.message import Message, checked

T = TypeVar("T")

_PLAIN = bytes(sign for sign in range(32, 127) if sign not in b'"\\')
_PLAIN_IN_JSON = re.compile(r"[ !#-\[\]-~]*")


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
    that is itself a text in JSON. `bare` leaves out the braces around what is described, so that it is a member of an
    object. Letters are filled in by the thousand, so this is written for speed.
    """

    def __init__(
        self,
        message: Message,
        describe: Callable[[Copy], Any],
        *,
        tag: Callable[[str], str] = lambda key: key,
        nested: bool = False,
        bare: bool = False,
    ) -> None:
        self._message, self._describe, self._tag, self._bare = message, describe, tag, bare
        self._encoded = _twice_in_json if nested else in_json
        self._fields = tuple(message.markers)
        self._made: dict[tuple[str, ...], _Form] = {}

    def joined(self, letters: Sequence[Letter], *, before: bytes = b"[", after: bytes = b"]") -> bytes:
        """The JSON of each letter's copy, with commas between and something around; joined once, for it may be long.

        Raises `BulletinError` if a value cannot stand in a header.
        """
        if isinstance(letters, Letters):
            return before + self._joined_at_once(letters) + after
        pieces = [before]
        for letter in letters:
            own = self._message.personal_headers(letter)
            form, values = self._form(tuple(own)), self._values(letter, own)
            start = len(pieces)
            pieces += form.pieces
            for place, hole in form.places:
                pieces[start + place] = values[hole]
        pieces[-1] = after
        return b"".join(pieces)

    def _joined_at_once(self, letters: Letters) -> bytes:
        """Column by column: each hole of all copies is filled at once."""
        own = self._message.personal_headers_of_all(letters) if letters else {}
        form = self._form(tuple(own))
        columns = [_column(letters.addresses, in_json), _column(list(map(self._tag, letters.keys)), in_json)]
        personal = [letters.personal[field] for field in self._fields]
        written = [_column(values, self._encoded) for values in personal]
        columns += [*written, *(_column(values, in_json) for values in own.values())]
        for values, as_written in zip(personal, written, strict=True):
            escaped = _escaped(values)
            columns.append(as_written if escaped is values else _column(escaped, self._encoded))
        pieces = [*form.words] * len(letters)
        for place, hole in form.places:
            pieces[place :: len(form.words)] = columns[hole]
        return "".join(pieces[:-1]).encode()

    def digest(self, letters: Sequence[Letter]) -> bytes:
        """A digest of all that `joined` writes, without writing it."""
        told = hashlib.sha256()
        for letter in letters:
            own = self._message.personal_headers(letter)
            told.update(b"\0".join([self._form(tuple(own)).digest, *self._values(letter, own)]))
        return told.digest()

    def _form(self, names: tuple[str, ...]) -> _Form:
        """What is the same in all copies that have these headers of their own."""
        if names not in self._made:
            self._made[names] = self._form_with(names)
        return self._made[names]

    def _form_with(self, names: Sequence[str]) -> _Form:
        message, fields = self._message, self._fields
        # Nobody can write a text that holds its own digest.
        mark = "hole" + hashlib.sha256(f"{message.subject}\0{message.text}\0{message.html}".encode()).hexdigest()[:24]
        holes = (f"{mark}x{number:03}" for number in itertools.count())
        address, key = next(holes), next(holes)
        # In the order of `_values`.
        personal, own, personal_html = (dict(zip(some, holes, strict=False)) for some in (fields, names, fields))
        copy = Copy(
            address=address,
            key=key,
            html=with_values(message.html, message.markers, personal_html),
            text=with_values(message.text, message.markers, personal),
            headers={**message.headers, **own},
            own=own,
            personal=personal,
            personal_html=personal_html,
        )
        written = json_text(self._describe(copy))
        parts = re.split(f"{mark}x(\\d\\d\\d)", written[1:-1] if self._bare else written)
        return _Form(
            words=(*parts, ","),
            pieces=(*(part.encode() for part in parts), b","),
            places=tuple((place, int(parts[place])) for place in range(1, len(parts), 2)),
            digest=hashlib.sha256(written.encode()).digest(),
        )

    def _values(self, letter: Letter, own: Mapping[str, str]) -> list[bytes]:
        """What goes into the holes of a form: address and key, personal values, own headers, and values for HTML."""
        personal = [letter.personal[field] for field in self._fields]
        others = [letter.address, self._tag(letter.key)]
        words = "".join([*others, *personal, *own.values()])
        if words.isascii() and words.isprintable() and '"' not in words and "\\" not in words:
            encoded = [value.encode() for value in personal]
            values = [*(value.encode() for value in others), *encoded, *(value.encode() for value in own.values())]
        else:
            encoded = [self._encoded(value) for value in personal]
            values = [*map(in_json, others), *encoded, *map(in_json, own.values())]
        mine = "".join(personal)
        if html.escape(mine) == mine:
            return values + encoded
        return values + [self._encoded(html.escape(value)) for value in personal]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A copy's JSON cut at its holes, with a comma at the end."""

    words: tuple[str, ...]
    pieces: tuple[bytes, ...]
    places: tuple[tuple[int, int], ...]
    """Place of each hole among the pieces, and which value goes there."""
    digest: bytes


def _column(values: Sequence[str], encoded: Callable[[str], bytes]) -> Sequence[str]:
    """Values as they stand in JSON. Most are plain, which is cheaper to find out of all of them at once."""
    words = "".join(values)
    if words.isascii() and not words.encode().translate(None, _PLAIN):
        return values
    return [encoded(value).decode() for value in values]


def _escaped(values: Sequence[str]) -> Sequence[str]:
    words = "".join(values)
    return values if html.escape(words) == words else list(map(html.escape, values))


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
