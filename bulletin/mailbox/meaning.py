"""What a mail to one of our mailboxes means: events, proven by our own signed marks or else left to a person. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from bulletin.mailbox.reading import Group, Mail, MailKind
from bulletin.model import DeliveryEvent, EventKind
from bulletin.subscribers.tokens import UNSUBSCRIBE, read_bounce, read_token

PROVIDER = "mailbox"
"""What stands in the place of a provider's name."""

_HARD = frozenset({"1.1", "1.2", "1.3", "1.10"})
"""Subject and detail of failures that say that there is no such mailbox (V-07)."""
_SENDERS_FAULT = re.compile(r"7\.\d+|6\.\d+|3\.4|1\.[78]")
"""Those that are about the sender or the message: policy, content, size, the sender's own address (V-07)."""
_ASKS_TO_LEAVE = re.compile(
    r"(?i)\s*(?:(?:re|fwd?|ynglŷn â|at)\s*:\s*)*(?:please\s+)?"
    r"(?:unsubscribe|opt[- ]?out|remove me|take me off|stop\b|dad-?danysgrifio)"
)
_TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{1,40}_[a-z2-7]{52}(?![A-Za-z0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What is known here, by which a mail is understood."""

    secret: bytes = field(repr=False)
    unsubscribe_mailbox: str
    """Where opt-outs by mail arrive; empty if nowhere."""
    mailings: Sequence[str]
    """The mailings that a copy may belong to."""
    message_id: Callable[[str], str]
    """The Message-ID of a delivery, by its key."""
    reader_of: Callable[[str], str | None]
    """The id of the reader with an address."""
    key_of: Callable[[Sequence[str]], str]
    """The key of the delivery with one of some Message-IDs, found by trying readers; empty if that takes too long."""


def events_of(mail: Mail, office: Office, *, at: dt.datetime) -> list[DeliveryEvent]:
    """What a mail reports; nothing for one that is no affair of ours. `at` is when it came."""
    match mail.kind:
        case MailKind.REPORT:
            return _bounces(mail, office, at)
        case MailKind.COMPLAINT:
            return [_complaint(mail, office, at)]
        case MailKind.FAILURE:
            doubt = "it says so in words only"
            return [_event(mail, EventKind.BOUNCED, at, key=_key(mail, office), name="failure notice", doubt=doubt)]
        case MailKind.ASIDE:
            return [_event(mail, EventKind.OTHER, at, name="mail set aside", doubt=f"not read: {mail.why}")]
    return _opt_out(mail, office, at)


def kind_of(group: Group) -> EventKind:
    """What a recipient's group of a delivery report comes to (V-05, V-07).

    A status that tells nothing, such as 5.0.0, gives way to the one in the mail server's own words. Policy and content
    are the sender's affair, in whatever class; of the rest only a missing mailbox is final.
    """
    if group.action == "delayed":
        return EventKind.DEFERRED
    if group.action == "delivered":
        return EventKind.DELIVERED
    if group.action != "failed":
        return EventKind.OTHER
    status = group.status
    if not status or status.endswith(".0.0"):
        found = re.search(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])", group.diagnostic)
        status = found[1] if found else status
    area, _, detail = status.partition(".")
    if _SENDERS_FAULT.fullmatch(detail):
        return EventKind.BLOCKED
    return EventKind.BOUNCED if area == "5" and detail in _HARD else EventKind.SOFT_BOUNCED


def _bounces(mail: Mail, office: Office, at: dt.datetime) -> list[DeliveryEvent]:
    """A report names one reader by our mark; without it each recipient is a matter of its own (V-08, V-09)."""
    key = _key(mail, office)
    if not mail.groups:
        doubt = "the report does not say what became of the mail"
        return [_event(mail, EventKind.BOUNCED, at, key=key, name="delivery report", doubt=doubt)]
    if key:
        return [_of_one_copy(mail, key, at)]
    return [_unmarked(mail, group, number, office, at) for number, group in enumerate(mail.groups)]


def _of_one_copy(mail: Mail, key: str, at: dt.datetime) -> DeliveryEvent:
    """Several recipients of one copy are those that the reader's address leads to: it arrived if it did at any."""
    kinds = {kind_of(group): group for group in reversed(mail.groups)}
    mild_first = (
        *(EventKind.OTHER, EventKind.DELIVERED, EventKind.DEFERRED),
        *(EventKind.BLOCKED, EventKind.SOFT_BOUNCED, EventKind.BOUNCED),
    )
    kind = next(kind for kind in mild_first if kind in kinds)
    return _event(mail, kind, at, key=key, name=_name(kinds[kind]), reason=_reason(kinds[kind]))


def _unmarked(mail: Mail, group: Group, number: int, office: Office, at: dt.datetime) -> DeliveryEvent:
    kind = kind_of(group)
    address = group.original or group.final
    key = _key_by_message_id(mail, office, [address])
    matters = kind in {EventKind.BOUNCED, EventKind.SOFT_BOUNCED} and not key
    doubt = "it does not prove whose copy it is about" if matters else ""
    found = _event(mail, kind, at, key=key, name=_name(group), reason=_reason(group), doubt=doubt, number=number)
    return _with_address(found, address) if matters else found


def _complaint(mail: Mail, office: Office, at: dt.datetime) -> DeliveryEvent:
    """Only abuse is held against us; other types are kept and of no consequence (V-13, V-14)."""
    abuse = mail.feedback == "abuse" or bool(mail.why)
    kind = EventKind.COMPLAINED if abuse else EventKind.OTHER
    name = f"feedback: {mail.feedback or 'no type'}"
    key = _key(mail, office) or _key_by_message_id(mail, office, mail.concerns)
    if abuse and not key:  # all else was blackened (V-15)
        key = office.key_of(mail.message_ids)
    doubt = f"not a whole complaint: {mail.why}" if mail.why else ""
    if not key and kind is EventKind.COMPLAINED:
        doubt = doubt or "it does not prove whose copy it is about"
    found = _event(mail, kind, at, key=key, name=name, doubt=doubt)
    return _with_address(found, mail.concerns[0]) if doubt and not key and mail.concerns else found


def _opt_out(mail: Mail, office: Office, at: dt.datetime) -> list[DeliveryEvent]:
    """The mail that List-Unsubscribe asks for, with the reader's token in its subject; or a plain wish to leave."""
    subscriber = _reader_in(mail.subject, office)
    if subscriber:
        return [_event(mail, EventKind.UNSUBSCRIBED, at, key=f":{subscriber}", name="opt-out by mail")]
    if mail.kind is MailKind.AUTOMATIC:
        return []
    to_us = office.unsubscribe_mailbox.lower() in (address.lower() for address in mail.recipients)
    if (to_us and office.unsubscribe_mailbox) or _ASKS_TO_LEAVE.match(mail.subject):
        doubt = "it asks to leave, and anybody could have written it"
        found = _event(mail, EventKind.UNSUBSCRIBED, at, name="opt-out by mail", doubt=doubt)
        return [_with_address(found, mail.sender)]
    return []


# ---------------------------------------------------------------- whose copy it is about


def _key(mail: Mail, office: Office) -> str:
    """The delivery by our signed marks: the envelope first, then the copy's own unsubscribe address (V-08, V-15)."""
    for address in (*mail.recipients, *mail.envelope_senders):
        bounce = read_bounce(office.secret, address.rpartition("@")[0])
        if bounce:
            mailing, subscriber = bounce
            return f"{mailing or _mailing_of(mail, subscriber, office)}:{subscriber}"
    reader = _reader_in(unquote(mail.unsubscribe), office)
    return f"{_mailing_of(mail, reader, office)}:{reader}" if reader else ""


def _key_by_message_id(mail: Mail, office: Office, addresses: Sequence[str]) -> str:
    """The delivery of a reader who is named, if the copy's Message-ID is theirs: nobody else knows it."""
    for reader in (office.reader_of(address) for address in addresses if address):
        mailing = _mailing_of(mail, reader, office) if reader else ""
        if mailing:
            return f"{mailing}:{reader}"
    return ""


def _reader_in(text: str, office: Office) -> str | None:
    readers = (read_token(office.secret, UNSUBSCRIBE, token) for token in _TOKEN.findall(text))
    return next(filter(None, readers), None)


def _mailing_of(mail: Mail, subscriber: str, office: Office) -> str:
    """The mailing whose Message-ID for this reader the copy has; empty if none has it."""
    theirs = (
        mailing for mailing in office.mailings if office.message_id(f"{mailing}:{subscriber}") in mail.message_ids
    )
    return next(theirs, "")


# ---------------------------------------------------------------- the event


def _event(
    mail: Mail,
    kind: EventKind,
    at: dt.datetime,
    *,
    key: str = "",
    name: str = "",
    reason: str = "",
    doubt: str = "",
    number: int = 0,
) -> DeliveryEvent:
    return DeliveryEvent(
        provider=PROVIDER,
        id=f"{mail.id} {number}",
        kind=kind,
        at=at,
        key=key,
        name=name,
        reason=reason,
        doubt=doubt,
    )


def _with_address(event: DeliveryEvent, address: str) -> DeliveryEvent:
    return replace(event, address=address)


def _name(group: Group) -> str:
    return f"{group.action} {group.status}".strip()


def _reason(group: Group) -> str:
    return re.sub(r"(?i)^\s*smtp\s*;\s*", "", group.diagnostic)
