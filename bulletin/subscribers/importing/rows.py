"""Judges the rows of a list one by one: an address in its one form with what goes with it, or why not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import NamedTuple

from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.consent import Cause
from bulletin.subscribers.importing.columns import STATUS, Columns, bare_word
from bulletin.subscribers.importing.files import Cells
from bulletin.subscribers.spreadsheet import unguarded

_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Line breaks, and what tells a terminal to do something (M-10, Z-21); a tab only moves on."""
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Signs that come along when text is copied, and that nobody sees."""
_LANGUAGES = {"english": "en", "saesneg": "en", "welsh": "cy", "cymraeg": "cy"}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
_LONGEST = 300
"""Characters in a name, organisation or role."""

_SHARED = frozenset(
    {
        *("info", "admin", "office", "enquiries", "enquiry", "contact", "hello", "team", "press", "media", "comms"),
        *("communications", "support", "help", "sales", "webmaster", "postmaster", "hostmaster", "abuse", "security"),
        *("noreply", "no-reply", "donotreply", "do-not-reply", "mailer-daemon", "root", "marketing", "newsletter"),
        *("reception", "general", "mail", "control", "foi", "hr", "it"),
    }
)


class Row(NamedTuple):
    """A line that can be used. The address is normalised; texts are empty where the file says nothing."""

    line: int
    email: str
    cause: Cause = Cause.IMPORT
    """IMPORT, or what happened to them in the program that wrote the file."""
    name: str = ""
    organisation: str = ""
    role: str = ""
    language: str = ""
    topics: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A line that cannot be used, and why; the reason repeats no address."""

    line: int
    reason: str
    cells: tuple[str, ...] = ()


def judge(rows: Iterable[tuple[int, Cells]], columns: Columns) -> Iterator[Row | RefusedRow]:
    """Each row with something in it, judged on its own; the heading is not among them."""
    email_at = columns.places["email"]
    others = [(field, place) for field, place in columns.places.items() if field != "email"]
    for line, cells in rows:
        raw = cells[email_at] if email_at < len(cells) else ""
        values = {field: cells[place] for field, place in others if place < len(cells) and cells[place]}
        if not raw and not any(map(str.strip, cells)):
            continue
        try:
            yield _judge(line, raw, values)
        except AddressRefused as refusal:
            yield RefusedRow(line, str(refusal), tuple(cells))


def is_shared(email: str) -> bool:
    """Whether an address looks like one that several people read, who cannot agree as one."""
    return email.partition("@")[0] in _SHARED


def _judge(line: int, raw: str, values: dict[str, str]) -> Row:
    if _CONTROLS.search(raw) or any(map(_CONTROLS.search, values.values())):
        raise AddressRefused("a value holds a line break or a control character")
    name, raw = "", unguarded(raw)
    try:
        email = normalise(raw)
    except AddressRefused:
        name, address = _taken_apart(raw)
        email = normalise(address)
    if not values:
        return Row(line, email, name=name)
    cause = _cause(values)
    texts = {field: _text(values[field]) for field in values}
    whole = texts.get("name") or " ".join(filter(None, (texts.get("first"), texts.get("last")))) or name
    for field in (whole, texts.get("organisation", ""), texts.get("role", "")):
        if len(field) > _LONGEST:
            raise AddressRefused(f"a name, organisation or role is longer than {_LONGEST} characters")
    return Row(
        line,
        email,
        cause,
        whole,
        texts.get("organisation", ""),
        texts.get("role", ""),
        _language(texts.get("language", "")),
        _ids(texts.get("topics", "")),
        _ids(texts.get("lists", "")),
    )


def _cause(values: dict[str, str]) -> Cause:
    if values.get("bounced", "").strip():
        return Cause.BOUNCE
    if values.get("unsubscribed", "").strip():
        return Cause.UNSUBSCRIBE
    if "status" not in values:
        return Cause.IMPORT
    cause = STATUS.get(bare_word(values["status"]), Cause.ERASE)
    if cause is None:
        raise AddressRefused("the status says that this person has not agreed: ask them to sign up")
    if cause is Cause.ERASE:
        raise AddressRefused("the status is a word that is not known here, so nobody can tell whether they agreed")
    return cause


def _taken_apart(raw: str) -> tuple[str, str]:
    """Name and address of `Ann Other <ann@example.org>`, and without what comes along when an address is copied."""
    text = _INVISIBLE.sub("", raw)
    text = re.sub(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]", " ", text).strip()
    name = ""
    if found := re.fullmatch(r"([^<>]*)<([^<>]+)>", text):
        name, text = _decoded(found[1].strip().strip("\"'").strip()), found[2].strip()
    text = re.sub(r"(?i)\Amailto:", "", text).strip(" \t,;").removesuffix(".")
    if text.count("@") > 1:
        raise AddressRefused("there is more than one address in this cell, or an @ too many")
    return name, text


def _decoded(name: str) -> str:
    if "=?" not in name:
        return name
    try:
        decoded = str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return ""
    if _CONTROLS.search(decoded):
        raise AddressRefused("a value holds a line break or a control character")
    return decoded


def _text(value: str) -> str:
    bare = unguarded(value)
    return (bare if bare.isascii() else _INVISIBLE.sub("", bare)).strip()


def _ids(value: str) -> tuple[str, ...]:
    """`Domestic abuse; Stalking` as the ids domestic-abuse and stalking."""
    if not value:
        return ()
    parts = (re.sub(r"[^a-z0-9]+", "-", part.lower())[:60].strip("-") for part in re.split(r"[,;|]", value))
    return tuple(dict.fromkeys(filter(None, parts)))


def _language(value: str) -> str:
    """A code such as cy; nothing where the file says what nobody can tell."""
    if not value:
        return ""
    value = _LANGUAGES.get(value.lower(), value)
    return value if _LANGUAGE.match(value) and len(value) <= 20 else ""
