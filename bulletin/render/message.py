"""A rendered edition as mail: built once, then filled for each recipient by joining bytes.

Parts are quoted-printable because a value then has a place of its own: soft line breaks before and after each marker
keep every line within 76 characters whatever is put there (RFC 2045 6.7), and no line is encoded twice.
"""

from __future__ import annotations

import binascii
import datetime as dt
import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header
from email.utils import format_datetime, quote
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from bulletin.addresses import mailto
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, PERSONAL_FIELDS, Letter, Letters, RenderedEdition

LINE = 76
"""Characters in a header line, where white space allows a fold: the limit of lines with encoded words (RFC 2047 2)."""

LONGEST_RUN = 900
"""Characters without white space that may stand in one line as they are; a line holds 998 with all else (M-01)."""

LONGEST_LIST_ID = 255
"""Octets in a List-Id (RFC 2919 3, L-12)."""

NO_AUTOMATIC_REPLIES = "OOF, AutoReply"
"""Asks Exchange for no out-of-office replies, and never to hold back bounces (Q-05)."""

_TAMPERED = re.compile(rb"^(?:\.|From ).*", re.MULTILINE)
"""Lines of quoted-printable text that might not arrive as they left."""

_ONE_CLICK = "List-Unsubscribe=One-Click"
_VISIBLE = re.compile(r"[!-;=?-~]+\Z")
"""Neither space nor control character nor angle bracket."""

_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
"""Line breaks as any reader might understand them, other control characters except the tab, and halves of signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What all copies of a publication's mail have in common, whoever reads them."""

    sender_name: str
    sender_address: str
    reply_to: str | None
    list_name: str
    list_id: str
    """The publication's name among mailing lists, the same in every issue: bulletin.news.example.org (L-12)."""
    archive_url: str
    unsubscribe_mailbox: str | None = None
    """Where readers may unsubscribe by mail, beside their link."""

    @classmethod
    def of(cls, config: Config) -> Envelope:
        """The envelope a publication's settings describe."""
        local, _, domain = config.sender.address.rpartition("@")
        label = re.sub(r"[^a-z0-9]+", "-", local.lower()).strip("-") or "bulletin"
        return cls(
            sender_name=config.sender.name,
            sender_address=config.sender.address,
            reply_to=config.sender.reply_to,
            list_name=config.name,
            list_id=config.sender.list_id or f"{label}.{domain}",
            archive_url=config.archive_url,
            unsubscribe_mailbox=config.sender.unsubscribe_mailbox,
        )


class Message(Protocol):
    """What a provider delivers: a bulletin to many, or a service mail to one.

    A provider that makes the bytes itself takes `fill`. One that has a service make them takes the other words of it,
    and no header from anywhere else.
    """

    @property
    def envelope(self) -> Envelope:
        """From and Reply-To; see `from_header`."""

    @property
    def subject(self) -> str:
        """As people read it, on one line."""

    @property
    def html(self) -> str:
        """With a marker wherever a recipient's own value goes."""

    @property
    def text(self) -> str:
        """The plain text, with markers likewise."""

    @property
    def markers(self) -> Mapping[str, str]:
        """Marker of each of `PERSONAL_FIELDS` in `html` and `text`; empty where all is said to one person."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that are the same in every copy, beside From, To, Reply-To, Subject, Date and Message-ID: ASCII, with
        encoded words where needed (RFC 2047), each on one line."""

    def personal_headers(self, letter: Letter) -> Mapping[str, str]:
        """Headers of this copy alone, in the same form. Raises `BulletinError` if a value cannot stand in one."""

    def personal_headers_of_all(self, letters: Letters) -> Mapping[str, Sequence[str]]:
        """The same for many letters, as columns."""

    def html_of(self, letter: Letter) -> str:
        """The HTML as this recipient gets it."""

    def text_of(self, letter: Letter) -> str:
        """The plain text as this recipient gets it."""

    def fill(self, letter: Letter, *, date: dt.datetime) -> bytes:
        """The whole message as bytes, every line ending in CRLF (M-03). `date` has a zone.

        The same letter and date give the same bytes (M-18), and none of their lines starts with a dot. Raises
        `BulletinError` if one of the letter's values cannot stand in a header.
        """

    def pieces(self, letter: Letter, *, date: dt.datetime) -> tuple[bytes, list[bytes]]:
        """What `fill` joins, with an empty line between them: the lines of the header, and the body.

        No white space meets where two pieces of the body meet. Pieces that are the same in every copy are the same
        objects, so that what is worked out from one may be kept.
        """


def make_message_id(key: str, sender_address: str) -> str:
    """The Message-ID of a delivery, without angle brackets: the same on every attempt, unlike any other's (M-06)."""
    return f"{message_number(key)}@{sender_address.rpartition('@')[2]}"


def message_number(key: str) -> str:
    """What stands before the @ of a delivery's Message-ID."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def from_header(envelope: Envelope) -> str:
    """Name and address of the sender, ready for the wire (M-17)."""
    return f"{_phrase('From', envelope.sender_name)} <{_ascii('From', envelope.sender_address)}>"


class MessageTemplate:
    """One rendered edition as bytes with holes.

    Raises `BulletinError` naming the header if a value holds a line break or NUL (M-10), or if a part has no place for
    the reader's unsubscribe link (L-16).
    """

    def __init__(self, rendered: RenderedEdition, envelope: Envelope) -> None:
        self.rendered = rendered
        self.envelope = envelope
        self.subject, self.html, self.text = rendered.subject, rendered.html, rendered.text
        self.markers = rendered.markers
        for kind, content in (("HTML", rendered.html), ("plain text", rendered.text)):
            if rendered.markers["unsubscribe_url"] not in content:
                raise BulletinError(f"the {kind} of {rendered.name} gives readers no link to unsubscribe.")
        self.headers = {name: _one_line(value) for name, value in _bulletin_headers(envelope, rendered).items()}
        self._head, self._body = _head_and_body(self, boundary=f"=_{rendered.digest[:40]}")

    def personal_headers(self, letter: Letter) -> dict[str, str]:
        """The ways to unsubscribe: with one click where the reader's link is a web page, or by mail (L-01, L-02)."""
        link = _ascii("List-Unsubscribe", letter.personal["unsubscribe_url"])
        mailbox = self.envelope.unsubscribe_mailbox
        if link.startswith("mailto:"):
            return {"List-Unsubscribe": f"<{link}>"}
        by_mail = f", <{mailto(mailbox, 'unsubscribe ' + link.rpartition('/')[2])}>" if mailbox else ""
        return {"List-Unsubscribe": f"<{link}>{by_mail}", "List-Unsubscribe-Post": _ONE_CLICK}

    def personal_headers_of_all(self, letters: Letters) -> dict[str, Sequence[str]]:
        """The same for many letters, as columns. Links are made alike: all are web pages, or none."""
        links = letters.personal["unsubscribe_url"]
        _ascii("List-Unsubscribe", "".join(links))
        if links[0].startswith("mailto:"):
            return {"List-Unsubscribe": [f"<{link}>" for link in links]}
        if mailbox := self.envelope.unsubscribe_mailbox:
            by_mail = [f", <{mailto(mailbox, 'unsubscribe ' + link.rpartition('/')[2])}>" for link in links]
            column = [f"<{link}>{more}" for link, more in zip(links, by_mail, strict=True)]
        else:
            column = [f"<{link}>" for link in links]
        return {"List-Unsubscribe": column, "List-Unsubscribe-Post": [_ONE_CLICK] * len(links)}

    def html_of(self, letter: Letter) -> str:
        """See `Message`."""
        escaped = {name: html.escape(letter.personal[name]) for name in PERSONAL_FIELDS}
        return _with_values(self.html, self.markers, escaped)

    def text_of(self, letter: Letter) -> str:
        """See `Message`."""
        return _with_values(self.text, self.markers, letter.personal)

    def fill(self, letter: Letter, *, date: dt.datetime) -> bytes:
        """See `Message`."""
        head, body = self.pieces(letter, date=date)
        return b"".join((head, b"\r\n", *body))

    def pieces(self, letter: Letter, *, date: dt.datetime) -> tuple[bytes, list[bytes]]:
        """See `Message`."""
        values = _values(self, letter, date)
        return b"".join(_filled(self._head, values)), _filled(self._body, values)


class ServiceMessage:
    """A mail to one person that nobody approved, such as a confirmation: marked so, and no list's (Q-01, L-14).

    `html` and `text` hold this person's values already. Raises `BulletinError` naming the header if a value holds a
    line break or NUL (M-10).
    """

    markers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, envelope: Envelope, *, subject: str, html: str, text: str, language: str) -> None:
        self.envelope = envelope
        self.subject, self.html, self.text = subject, html, text
        self.headers = {
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": NO_AUTOMATIC_REPLIES,
            "Content-Language": _ascii("Content-Language", language),
        }
        digest = hashlib.sha256(f"{subject}\0{text}\0{html}".encode("utf-8", "surrogatepass")).hexdigest()
        self._head, self._body = _head_and_body(self, boundary=f"=_{digest[:40]}")

    def personal_headers(self, letter: Letter) -> dict[str, str]:
        """None: who gets this is on no list yet, or asked for something else."""
        return {}

    def personal_headers_of_all(self, letters: Letters) -> dict[str, Sequence[str]]:
        """None, likewise."""
        return {}

    def html_of(self, letter: Letter) -> str:
        """See `Message`."""
        return self.html

    def text_of(self, letter: Letter) -> str:
        """See `Message`."""
        return self.text

    def fill(self, letter: Letter, *, date: dt.datetime) -> bytes:
        """See `Message`."""
        head, body = self.pieces(letter, date=date)
        return b"".join((head, b"\r\n", *body))

    def pieces(self, letter: Letter, *, date: dt.datetime) -> tuple[bytes, list[bytes]]:
        """See `Message`."""
        values = _values(self, letter, date)
        return b"".join(_filled(self._head, values)), _filled(self._body, values)


# ---------------------------------------------------------------- headers of a kind of message


def _bulletin_headers(envelope: Envelope, rendered: RenderedEdition) -> dict[str, str]:
    """No Auto-Submitted: a person approved this mail (Q-02). Out-of-office replies are asked to stay away (Q-05). Only
    the edition for everyone names the public archive (L-13)."""
    headers = {"List-Id": _list_id(envelope), "List-Post": "NO"}
    if envelope.reply_to:
        person = _ascii("Reply-To", envelope.reply_to)
        headers |= {"List-Owner": f"<{mailto(person)}>", "List-Help": f"<{mailto(person, 'help')}>"}
    if rendered.audience == EVERYONE:
        headers["List-Archive"] = f"<{_ascii('List-Archive', envelope.archive_url)}>"
    return {
        **headers,
        "X-Auto-Response-Suppress": NO_AUTOMATIC_REPLIES,
        "Precedence": "bulk",
        "Feedback-ID": _feedback_id(envelope, rendered),
        "Content-Language": _ascii("Content-Language", rendered.language),
    }


def _feedback_id(envelope: Envelope, rendered: RenderedEdition) -> str:
    """Issue, audience, language, and a name that stays the same: under these, Gmail counts complaints (Q-06)."""
    sender = hashlib.sha256(envelope.list_id.lower().encode()).hexdigest()[:12]
    fields = (rendered.issue, rendered.audience, rendered.language)
    return ":".join([*(re.sub(r"[^A-Za-z0-9._-]", "-", field) for field in fields), f"b{sender}"])


def _list_id(envelope: Envelope) -> str:
    """The list's name before its id, where both fit; programs know a list by its id alone."""
    name, identity = _phrase("List-Id", envelope.list_name), f"<{_ascii('List-Id', envelope.list_id)}>"
    if len(identity) > LONGEST_LIST_ID:
        raise BulletinError(
            f"the header List-Id would be longer than {LONGEST_LIST_ID} characters; nothing was sent.",
            hint="Use a shorter list_id under [sender].",
        )
    both = f"{name} {identity}"
    return both if len(both) <= LONGEST_LIST_ID else identity


# ---------------------------------------------------------------- pieces and holes


Hole = str
"""Names the value that goes in its place: header lines, or a personal field of a part, such as `html:address`."""

_PERSONAL: Hole = "personal headers"


Pieces = tuple[bytes | Hole, ...]


def _head_and_body(message: Message, boundary: str) -> tuple[Pieces, Pieces]:
    """The whole message, cut at its holes. A boundary that starts with "=_" cannot occur in its parts (M-14)."""
    body = _joined(
        (
            *_part_pieces("plain", message.text, message.markers, boundary),
            b"\r\n",
            *_part_pieces("html", message.html, message.markers, boundary),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    return _joined(_header_pieces(message, boundary)), body


def _header_pieces(message: Message, boundary: str) -> Iterator[bytes | Hole]:
    envelope = message.envelope
    yield "Date"
    yield _line("From", from_header(envelope))
    yield "To"
    if envelope.reply_to:
        yield _line("Reply-To", f"<{_ascii('Reply-To', envelope.reply_to)}>")
    yield _line("Subject", encoded_text("Subject", message.subject))
    yield "Message-ID"
    yield _line("MIME-Version", "1.0")
    yield _PERSONAL
    yield from (_line(name, value) for name, value in message.headers.items())
    yield _line("Content-Type", f'multipart/alternative; boundary="{boundary}"')


def _part_pieces(kind: str, content: str, markers: Mapping[str, str], boundary: str) -> Iterator[bytes | Hole]:
    yield f"--{boundary}\r\n".encode()
    yield f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".encode()
    fields = {marker: field for field, marker in markers.items()}
    at_line_start = True
    parts = re.split("(" + "|".join(map(re.escape, fields)) + ")", content) if fields else [content]
    for number, part in enumerate(parts):
        if number % 2:
            yield b"" if at_line_start else b"=\r\n"
            yield f"{kind}:{fields[part]}"
            yield b"=\r\n"
            at_line_start = True
        elif part:
            open_ended = number < len(parts) - 1 and not part.endswith("\n")
            encoded = _open_ended(part) if open_ended else _quoted_printable(part)
            yield encoded
            at_line_start = encoded.endswith(b"\n")


def _values(message: Message, letter: Letter, date: dt.datetime) -> dict[Hole, bytes]:
    """What goes into this letter's holes, encoded for its place."""
    personal = message.personal_headers(letter)
    values = {
        "Date": _date_line(date.replace(microsecond=0)),
        "To": _line("To", f"<{_address('To', letter.address)}>"),
        "Message-ID": _line("Message-ID", f"<{_ascii('Message-ID', letter.message_id)}>"),
        _PERSONAL: b"".join([_line(name, value) for name, value in personal.items()]),
    }
    for field in message.markers:
        value = letter.personal[field]
        escaped = html.escape(value)
        plain = values[f"plain:{field}"] = _open_ended(value)
        values[f"html:{field}"] = plain if escaped == value else _open_ended(escaped)
    return values


@lru_cache(maxsize=8)
def _date_line(date: dt.datetime) -> bytes:
    """Kept, because many letters leave in the same second."""
    return _line("Date", format_datetime(date))


def _filled(pieces: Pieces, values: Mapping[Hole, bytes]) -> list[bytes]:
    return [piece if type(piece) is bytes else values[piece] for piece in pieces]  # type: ignore[index]


def _with_values(content: str, markers: Mapping[str, str], values: Mapping[str, str]) -> str:
    """All markers at once, so that a value is never taken for a marker."""
    fields = {marker: name for name, marker in markers.items()}
    return re.sub("|".join(map(re.escape, fields)), lambda found: values[fields[found[0]]], content)


def _open_ended(text: str) -> bytes:
    """Quoted-printable text whose last line has room for the "=" of a soft break: encoded with one letter more."""
    return _quoted_printable(text + "x")[:-1]


def _joined(pieces: Iterable[bytes | Hole]) -> Pieces:
    """The same pieces with neighbouring bytes made one: filling then touches few objects."""
    joined: list[bytes | Hole] = []
    for piece in pieces:
        if isinstance(piece, bytes) and joined and isinstance(joined[-1], bytes):
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def _quoted_printable(text: str) -> bytes:
    """Lines of at most 76 characters; line ends become CRLF, the canonical form of text (RFC 2045 6.8).

    No line starts with a dot, which mail servers take for the end or double, or with "From ", which some change.
    """
    data = text.replace("\r\n", "\n").encode()
    encoded = binascii.b2a_qp(data, istext=True)
    return _TAMPERED.sub(_spelt_out, encoded).replace(b"\n", b"\r\n")


def _spelt_out(found: re.Match[bytes]) -> bytes:
    first, rest = b"=%02X" % found[0][0], found[0][1:]
    if len(rest) + len(first) <= LINE:
        return first + rest
    return first + b"=\n" + _TAMPERED.sub(_spelt_out, rest)


# ---------------------------------------------------------------- header lines


def checked(name: str, value: str) -> str:
    """A header value as it is. Raises `BulletinError` if it holds a line break or NUL, openly or encoded (M-10)."""
    if _BREAKS.search(value) or _BREAKS.search(_decoded(value)):
        raise BulletinError(
            f"the header {name} would hold a line break or a control character; nothing was sent.",
            hint="Write the value on one line.",
        )
    return value


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return value


def _address(name: str, value: str) -> str:
    """A recipient's address: as `_ascii`, but it may hold letters of any language (RFC 6532), as few servers carry."""
    if value.isascii():
        return _ascii(name, value)
    _ascii(name, "".join(filter(str.isascii, value)))
    if not all(sign.isascii() or sign.isalnum() or unicodedata.combining(sign) for sign in checked(name, value)):
        raise BulletinError(
            f"the header {name} holds a sign that no address has; nothing was sent.", hint="Correct the address."
        )
    return value


def _ascii(name: str, value: str) -> str:
    """An address or identifier: plain visible characters, nothing to fold, nothing that could end the brackets."""
    if not _VISIBLE.match(value if "=?" not in value else checked(name, value)):
        checked(name, value)
        raise BulletinError(
            f"the header {name} holds a space, a bracket or a letter outside a to z; nothing was sent.",
            hint="Addresses must be plain. Write a domain in its xn-- form.",
        )
    return value


def encoded_text(name: str, value: str) -> str:
    """Text for a header: as it is, or as encoded words where it is not ASCII (RFC 2047, M-07). Folded.

    Text that only looks like an encoded word is encoded too, so that readers see what was written, and so is text that
    has no place to fold for longer than a line can be (M-01).
    """
    if _stands_as_it_is(checked(name, value)):
        return _folded(name, value)
    return _encoded(name, value)


def _encoded(name: str, value: str) -> str:
    return Header(value, charset="utf-8", header_name=name, maxlinelen=75).encode(linesep="\r\n")


def _stands_as_it_is(text: str) -> bool:
    run = max(map(len, re.findall(r"\s*\S+", text)), default=0)
    return text.isascii() and "=?" not in text and text == text.strip() and run <= LONGEST_RUN


def _phrase(name: str, value: str) -> str:
    quoted = f'"{quote(value)}"'
    if not _stands_as_it_is(checked(name, value)) or not _stands_as_it_is(quoted):
        return _encoded(name, value)
    return value if re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", value) else quoted


def _line(name: str, value: str) -> bytes:
    return f"{name}: {_folded(name, value)}\r\n".encode()


def _one_line(value: str) -> str:
    """A folded value without its folds."""
    return value.replace("\r\n", "")


def _folded(name: str, value: str) -> str:
    """CRLF before existing white space wherever a line would be too long, and nothing else changed (M-02)."""
    if " " not in value and "\t" not in value:
        return value
    lines, room = [""], LINE - len(name) - 2
    for word in re.findall(r"\s*\S+|\s+\Z", value.replace("\r\n", "")):
        if lines[-1].strip() and len(lines[-1]) + len(word) > room and word.strip():
            lines.append("")
            room = LINE
        lines[-1] += word
    return "\r\n".join(lines)
