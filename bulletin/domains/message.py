"""One message as a receiver sees it: its form, its one-click header, and what the signature covers (B-02, L-04)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from bulletin.domains._line import Line, Look, NotAskedError, State, shown

_LONGEST_LINE: Final = 998
_ONCE: Final = ("From", "Date", "Message-ID", "To", "Subject", "MIME-Version")
_COVERED: Final = ("from", "list-unsubscribe", "list-unsubscribe-post")
_MOST_SIGNATURES: Final = 5


def form(raw: bytes) -> Line:
    """Whether a message has the form that RFC 5322 asks for. Never raises."""
    rule, hint = "B-02 RFC 5322 format", "This is a fault in bulletin or in the mail service: please report it."
    trouble = _trouble(raw)
    if trouble:
        return Line(State.FAIL, f"Form of the mail: {trouble}.", hint, rule)
    return Line(State.PASS, "Form of the mail: as RFC 5322 asks.", rule=rule)


def _read(raw: bytes) -> Message:
    # The old policy only splits headers; the newer one takes them apart, and stumbles over some.
    return message_from_bytes(raw, policy=policy.compat32)


def _trouble(raw: bytes) -> str:
    message = _read(raw)
    for name in _ONCE:
        count = len(message.get_all(name, []))
        if count != 1:
            return f"it has {count} headers {name}, where one must be"
    if any(len(line) > _LONGEST_LINE for line in raw.splitlines()):
        return f"a line has more than {_LONGEST_LINE} characters"
    if any(byte > 127 for byte in re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]):
        return "a header holds letters that are not plain"
    authors = [address for _, address in getaddresses([str(message["From"])]) if address]
    if len(authors) != 1 or authors[0].count("@") != 1:
        return "its From names not exactly one address"
    try:
        parsedate_to_datetime(str(message["Date"]))
    except (ValueError, TypeError, IndexError, OverflowError):
        return "its Date cannot be read"
    return "" if re.match(r"\s*<[^<>@\s]+@[^<>@\s]+>\s*\Z", str(message["Message-ID"])) else "its Message-ID is none"


def one_click(raw: bytes) -> Line:
    """Whether a reader can leave with one click (B-02, L-01, L-02). Never raises."""
    message = _read(raw)
    rule, name = "B-02 one-click unsubscribe", "One-click unsubscribe"
    links = [str(value) for value in message.get_all("List-Unsubscribe", [])]
    presses = [str(value).strip() for value in message.get_all("List-Unsubscribe-Post", [])]
    hint = 'Use an address that starts with https:// in [web], "service_url".'
    if len(links) == 1 and links[0].startswith("<mailto:") and not presses:
        hint = "Gmail asks it of whoever sends to many. Have the pages put on the web: bulletin help subscribers"
        return Line(State.FAIL, f"{name}: readers can leave by mail only.", hint, rule)
    if len(links) != 1 or presses != ["List-Unsubscribe=One-Click"]:
        said = "the mail does not have both headers that it takes, once each"
        return Line(State.FAIL, f"{name}: {said}.", "Something on the way took them out: ask your mail service.", rule)
    uris = re.findall(r"<([^<>\s]*)>", links[0])
    if [uri[:6].lower() for uri in uris].count("https:") != 1:
        return Line(State.FAIL, f"{name}: the link is not one address with https.", hint, rule)
    return Line(State.PASS, f"{name}: each copy has its own link, which works at once.", rule=rule)


def signatures(raw: bytes, look: Look) -> Iterator[Line]:
    """Whether a received message is signed, and the signature covers the headers for leaving (L-04)."""
    import dkim

    message = _read(raw)
    headers = message.get_all("DKIM-Signature", [])
    if not headers:
        hint = (
            "Ask your mail server or service to sign with DKIM. Save the message as it arrived, with all its headers."
        )
        yield Line(State.FAIL, "Signature: the message has none.", hint)
        return
    unanswered: list[NotAskedError] = []

    def key(name: bytes, timeout: int = 5) -> bytes | None:
        try:
            records = look(name.decode("ascii", "replace").rstrip("."), "TXT").records
        except NotAskedError as error:
            unanswered.append(error)
            return None
        return records[0].encode("utf-8") if records else None

    said = []
    for number, header in enumerate(headers[:_MOST_SIGNATURES]):
        fields = _fields(str(header))
        domain = shown(fields.get("d", "nobody"))
        try:
            good = bool(dkim.DKIM(raw).verify(idx=number, dnsfunc=key))
        except Exception:
            # Made-up headers and keys make the library raise all sorts; what it cannot check is not valid.
            good = False
        covered = {name.strip().lower() for name in fields.get("h", "").split(":")}
        missing = [name for name in _COVERED if name not in covered]
        if good and not missing:
            what = f"Signature: that of {domain} is valid and covers the headers for leaving."
            yield Line(State.PASS, what)
            return
        said.append(f"that of {domain} " + (f"does not cover {' and '.join(missing)}" if good else "is not valid"))
    if unanswered:
        hint = "Try again later, or ask another server with --resolver."
        yield Line(State.LOOK, f"Signature: the DNS could not be asked ({unanswered[0]}).", hint)
        return
    hint = "Ask your mail server or service to sign From, List-Unsubscribe and List-Unsubscribe-Post."
    yield Line(State.FAIL, f"Signature: {'; '.join(said)}.", hint)


def _fields(header: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in "".join(header.split()).split(";"))
    return {name.lower(): value for name, _, value in pairs}
