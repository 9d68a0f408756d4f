"""Takes apart a mail that came to one of our mailboxes: what it reports, and by what marks its reader can be told.

Pure, and the only part that touches a stranger's bytes; it runs in a child process. The standard library's parser does
the work. flufl.bounce, made for bounces, would not do: it gives addresses and no status, so that a full mailbox and a
block of our server look like an address that does not exist (V-07), and where a report has no machine-readable part it
picks addresses out of the words (V-08). For complaints there is no kept library.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import quopri
import re
from binascii import Error as BadBase64
from binascii import a2b_base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from enum import Enum
from typing import Final

LARGEST_MAIL: Final = 1_000_000
"""Bytes of a mail that is read at all (V-16)."""

MOST_PARTS: Final = 20
"""Parts of one, at any depth (V-16)."""

MOST_RECIPIENTS: Final = 100
"""Recipients of one report, and addresses that a mail was sent to. A copy of ours has one recipient (M-16)."""

_LONGEST: Final = 2000
"""Characters of a field that are looked at; no field that means anything to us is longer."""

_STATUS: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK: Final = "message/feedback-report"
_WHOLE_COPY: Final = frozenset({"message/rfc822", "message/global"})
_HEADERS_OF_COPY: Final = frozenset({"text/rfc822-headers", "message/global-headers", "message/rfc822-headers"})
_ENVELOPE_RECIPIENT: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To")
_ENVELOPE_SENDER: Final = ("Return-Path", "X-Envelope-From", "Errors-To")


class MailKind(Enum):
    """What a mail is, by its structure."""

    REPORT = "delivery report"
    COMPLAINT = "complaint"
    FAILURE = "failure notice"
    """Says in words only that something was not delivered."""
    AUTOMATIC = "automatic answer"
    OTHER = "mail"
    ASIDE = "set aside"
    """Too large, too deep or too broken to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a delivery report says of one recipient (RFC 3464, 2.3)."""

    action: str
    """In small letters."""
    status: str
    original: str
    """Address it was sent to, as our side wrote it; empty if not given."""
    final: str
    diagnostic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail to one of our mailboxes. Holds addresses: it is neither stored nor logged."""

    kind: MailKind
    id: str
    """The same for the same mail, however often it is read."""
    why: str = ""
    """Why it was set aside, or what a complaint lacks."""
    at: dt.datetime | None = None
    """When our own mail server took it, as it wrote on top."""
    sender: str = ""
    subject: str = ""
    recipients: tuple[str, ...] = ()
    """Whom it was sent to, the envelope's first."""
    groups: tuple[Group, ...] = ()
    feedback: str = ""
    """Type of a complaint, such as abuse."""
    concerns: tuple[str, ...] = ()
    """Addresses that a complaint names as those of the reader."""
    envelope_senders: tuple[str, ...] = ()
    """Of the copy it is about."""
    message_ids: tuple[str, ...] = ()
    """Of that copy, without angle brackets."""
    unsubscribe: str = ""
    """List-Unsubscribe of that copy."""


def read(data: bytes) -> Mail:
    """The mail, whatever the bytes; nothing is raised for what they hold."""
    digest = hashlib.sha256(data).hexdigest()
    if len(data) > LARGEST_MAIL:
        return Mail(kind=MailKind.ASIDE, id=digest, why="it is larger than 1 MB")
    try:
        return _read(message_from_bytes(data), digest)
    except Exception as error:  # the parser was written for mails, and these are any bytes
        return Mail(kind=MailKind.ASIDE, id=digest, why=f"it cannot be taken apart ({type(error).__name__})")


def unreadable(data: bytes, why: str) -> Mail:
    """A mail that no child process could read."""
    return Mail(kind=MailKind.ASIDE, id=hashlib.sha256(data).hexdigest(), why=f"it {why}")


def too_large(name: str) -> Mail:
    """A mail that is not even fetched, by the name of its place."""
    return Mail(kind=MailKind.ASIDE, id=name, why="it is larger than 1 MB")


def _read(message: Message, digest: str) -> Mail:
    if sum(1 for _ in _parts(message)) > MOST_PARTS:
        return Mail(kind=MailKind.ASIDE, id=digest, why=f"it has more than {MOST_PARTS} parts")
    kind, report = _kind(message)
    status = [part for part in report if part.get_content_type() in _STATUS]
    feedback = [part for part in report if part.get_content_type() == _FEEDBACK]
    said = _fields("".join(_text(part) for part in feedback))
    groups = tuple(_groups(_fields("\n\n".join(_text(part) for part in status))))
    if len(groups) > MOST_RECIPIENTS:
        return Mail(kind=MailKind.ASIDE, id=digest, why=f"it reports on more than {MOST_RECIPIENTS} recipients")
    copies = [copy for part in report if (copy := _copy(part)) is not None]
    named = _header(message, "Message-ID")
    return Mail(
        kind=kind,
        id=named or digest,
        why=_lacks(report, said) if kind is MailKind.COMPLAINT else "",
        at=_received(message),
        sender=next(iter(_addresses(message, ["From"])), ""),
        subject=_words(message, "Subject"),
        recipients=tuple(_addresses(message, [*_ENVELOPE_RECIPIENT, "To", "Cc"]))[:MOST_RECIPIENTS],
        groups=groups,
        feedback=next((value.lower() for name, value in said if name == "feedback-type"), ""),
        concerns=tuple(
            address
            for wanted in ("original-rcpt-to", "removal-recipient")
            for name, value in said
            if name == wanted and (address := _address(value))
        ),
        envelope_senders=tuple(
            address
            for address in [
                *(_address(value) for name, value in said if name == "original-mail-from"),
                *(address for copy in copies for address in _addresses(copy, _ENVELOPE_SENDER)),
            ]
            if address
        ),
        message_ids=tuple(filter(None, (_header(copy, "Message-ID").strip("<>") for copy in copies))),
        unsubscribe=" ".join(_header(copy, "List-Unsubscribe") for copy in copies).strip(),
    )


# ---------------------------------------------------------------- what kind of mail


def _kind(message: Message) -> tuple[MailKind, list[Message]]:
    """What a mail is, and the parts of its report. A report may stand within what a gateway put around it."""
    for part in _parts(message, into_messages=False):
        if part.get_content_type() == "multipart/report":
            parts = _children(part)
            kinds = {child.get_content_type() for child in parts}
            if kinds & _STATUS:
                return MailKind.REPORT, parts
            if _FEEDBACK in kinds:
                return MailKind.COMPLAINT, parts
    if message["X-Failed-Recipients"]:
        return MailKind.FAILURE, _children(message)
    if _is_automatic(message):
        return MailKind.AUTOMATIC, []
    return MailKind.OTHER, []


_AWAY = re.compile(r"(?i)\s*(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|auto:|out of (?:the )?office)")


def _is_automatic(message: Message) -> bool:
    """Whether a program wrote it: somebody is away, say (V-11, RFC 3834)."""
    submitted = _header(message, "Auto-Submitted").partition(";")[0].strip().lower()
    precedence = _header(message, "Precedence").strip().lower()
    marked = any(message[name] for name in ("X-Autoreply", "X-Autorespond", "X-Autogenerated"))
    return (
        submitted not in {"", "no"}
        or marked
        or precedence in {"auto_reply", "auto-reply", "junk", "list"}
        or bool(_AWAY.match(_words(message, "Subject")))
    )


def _lacks(report: Sequence[Message], said: Sequence[tuple[str, str]]) -> str:
    """What a complaint has to have and has not (V-12, RFC 5965); empty if it is whole."""
    often = Counter(name for name, _ in said)
    for field in ("feedback-type", "user-agent", "version"):
        if often[field] != 1:
            return f"its field {field} is {'missing' if not often[field] else 'there more than once'}"
    return "" if len(report) >= 3 else "the mail it is about is missing from it"


# ---------------------------------------------------------------- what a report says


_RECIPIENT: Final = frozenset({"original-recipient", "final-recipient"})
_OF_A_GROUP: Final = _RECIPIENT | {"action", "status", "diagnostic-code"}


def _groups(fields: Sequence[tuple[str, str]]) -> Iterator[Group]:
    """The recipients of a delivery report (V-09). Blank lines are missing or too many in some, so the fields alone
    decide: a group starts with the recipient, or with whatever else the first one starts with."""
    mine = [(name, value) for name, value in fields if name in _OF_A_GROUP]
    leader = mine[0][0] if mine else ""
    current: dict[str, str] = {}
    for name, value in mine:
        starts = name in _RECIPIENT and "action" in current if leader in _RECIPIENT else name == leader
        if starts or name in current:
            if "action" in current:
                yield _group(current)
            current = {}
        current[name] = value
    if "action" in current:
        yield _group(current)


def _group(fields: dict[str, str]) -> Group:
    status = re.match(r"\s*([245]\.\d{1,3}\.\d{1,3})", fields.get("status", ""))
    return Group(
        action=fields["action"].partition(" ")[0].strip("();,").lower(),
        status=status[1] if status else "",
        original=_address(fields.get("original-recipient", "").rpartition(";")[2]),
        final=_address(fields.get("final-recipient", "").rpartition(";")[2]),
        diagnostic=fields.get("diagnostic-code", ""),
    )


def _copy(part: Message) -> Message | None:
    """The copy that a report is about, or what it gives of it; None for another part."""
    kind = part.get_content_type()
    if kind in _WHOLE_COPY:
        children = _children(part)
        return children[0] if children else message_from_bytes(_decoded(part))
    if kind in _HEADERS_OF_COPY:
        return message_from_bytes(_text(part).encode("utf-8", "surrogateescape"))
    return None


# ---------------------------------------------------------------- the parser's odd corners


def _parts(message: Message, *, into_messages: bool = True) -> Iterator[Message]:
    """A mail and all its parts. The groups of a delivery report, which the parser takes for parts, are none."""
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        yield part
        kind = part.get_content_type()
        if kind not in _STATUS and (into_messages or not kind.startswith("message/")):
            waiting += _children(part)


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _text(part: Message) -> str:
    """The body of a part as text. One that the parser took for messages is put together again first."""
    children = _children(part)
    if not children:
        return _decoded(part).decode("utf-8", "replace")
    whole = "\n\n".join(_as_written(child) for child in children).encode("utf-8", "surrogateescape")
    return _undo(whole, part).decode("utf-8", "replace")


def _as_written(message: Message) -> str:
    head = "".join(f"{name}: {value}\n" for name, value in message.raw_items())
    children = _children(message)
    rest = "\n\n".join(map(_as_written, children)) or _decoded(message).decode("ascii", "surrogateescape")
    return f"{head}\n{rest}"


def _decoded(part: Message) -> bytes:
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _undo(body: bytes, part: Message) -> bytes:
    """Without the encoding that a part says it has, which the parser leaves where it sees messages."""
    match _header(part, "Content-Transfer-Encoding").strip().lower():
        case "base64":
            try:
                return a2b_base64(body)
            except BadBase64:
                return body
        case "quoted-printable":
            return quopri.decodestring(body)
    return body


def _fields(text: str) -> list[tuple[str, str]]:
    """Every "Name: value" of a text, with its lines put together; names in small letters."""
    unfolded = re.sub(r"\r?\n[ \t]+(?=\S)", " ", text)
    found = (re.match(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:(.*)", line) for line in unfolded.splitlines())
    return [(field[1].lower(), field[2].strip()[:_LONGEST]) for field in found if field]


def _header(message: Message, name: str) -> str:
    """A header as it stands, on one line."""
    return " ".join(str(message.get(name, "")).split())[:_LONGEST]


def _words(message: Message, name: str) -> str:
    """A header that may be encoded, as people read it."""
    raw = " ".join(str(message.get(name, "")).split())
    try:
        return " ".join(str(make_header(decode_header(raw))).split())[:_LONGEST]
    except (ValueError, LookupError, UnicodeError):
        return raw[:_LONGEST]


def _addresses(message: Message, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        raw = [str(value) for value in message.get_all(name, [])]
        yield from (address for _, address in getaddresses(raw) if "@" in address and len(address) < _LONGEST)


def _address(text: str) -> str:
    """The one address in a field, with or without angle brackets; empty for none."""
    found = re.search(r"[^\s<>();,\"]+@[^\s<>();,\"]+", text)
    return found[0] if found else ""


def _received(message: Message) -> dt.datetime | None:
    line = _header(message, "Received").rpartition(";")[2].strip()
    try:
        at = parsedate_to_datetime(line)
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
