"""What services report later: whether a report comes from them (Z-15), and what its words mean.

A report is proved on the bytes as they came. Where a service signs the time as well, one that is more than five minutes
old is refused; the same report told again has the same id, and is of no consequence.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from typing import Any

from bulletin.errors import BulletinError
from bulletin.model import DeliveryEvent, EventKind
from bulletin.providers._provider import Call, CallRefused, Surroundings

WINDOW_S = 300.0
"""Seconds a signed report may be old, or ahead (Z-15)."""

_LONGEST_REASON = 500


def secret_of(surroundings: Surroundings, title: str, variable: str) -> str:
    """What a service's reports are proved with. Raises `BulletinError` naming the variable."""
    secret = surroundings.environment.get(variable, "").strip()
    if not secret:
        raise BulletinError(
            f"reports from {title} cannot be proved: there is no secret for them.", hint=f"Put it into {variable}."
        )
    return secret


def refuse_unless_secret(call: Call, surroundings: Surroundings, title: str, variable: str) -> None:
    """Raises `CallRefused` unless the call knows our secret: at the end of the address it came to, as a password, or as
    a bearer token. Weaker than a signature: it proves nothing about the words of the call."""
    secret = secret_of(surroundings, title, variable).encode()
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    told = [call.secret]
    if scheme.lower() == "bearer":
        told.append(given.strip())
    if scheme.lower() == "basic":
        told.append(_password(given))
    # All are compared, so that the time taken tells nothing.
    if not sum(hmac.compare_digest(one.encode("utf-8", "replace"), secret) for one in told):
        raise CallRefused(f"a report that names {title} does not know the secret.")


def _password(credentials: str) -> str:
    return from_base64(credentials).decode("utf-8", "replace").partition(":")[2]


def from_base64(value: object) -> bytes:
    """The bytes behind a text; none if it is no base64."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""


def need_cryptography(title: str) -> None:
    """Raises `BulletinError` if the library for signatures with public keys is not there."""
    try:
        import cryptography  # noqa: F401 - whether it is there
    except ImportError:
        hint = "Install it with: pip install 'bulletin[webhooks]'"
        raise BulletinError(f"reports from {title} cannot be proved: a library is missing.", hint=hint) from None


def refuse_unless_signed(title: str, given: str | bytes, expected: str | bytes) -> None:
    """Raises `CallRefused` unless the signature is the expected one; takes as long either way."""
    sides = [one.encode("utf-8", "replace") if isinstance(one, str) else one for one in (given, expected)]
    if not hmac.compare_digest(*sides):
        raise CallRefused(f"a report that names {title} is not signed by it.")


def refuse_old(title: str, at: float | str, now: dt.datetime) -> None:
    """Raises `CallRefused` unless a moment in seconds since 1970 is within five minutes of now."""
    try:
        apart = abs(float(at) - now.timestamp())
    except ValueError:
        apart = WINDOW_S + 1
    if not apart <= WINDOW_S:
        raise CallRefused(f"a report that names {title} is more than five minutes old.")


def reports_in(call: Call, title: str) -> list[dict[str, Any]]:
    """The JSON objects of a call: one, or a list. Raises `CallRefused` if the body is nothing of the kind."""
    try:
        value = json.loads(call.body)
    except (ValueError, RecursionError):
        raise CallRefused(f"a report that names {title} cannot be read.") from None
    reports = value if isinstance(value, list) else [value]
    if not all(isinstance(report, dict) for report in reports):
        raise CallRefused(f"a report that names {title} cannot be read.")
    return reports


def report_in(call: Call, title: str) -> dict[str, Any]:
    """The one JSON object of a call. Raises `CallRefused` if there is another number of them."""
    reports = reports_in(call, title)
    if len(reports) != 1:
        raise CallRefused(f"a report that names {title} cannot be read.")
    return reports[0]


# ---------------------------------------------------------------- what reports say


def event(
    provider: str,
    kind: EventKind,
    at: dt.datetime,
    *,
    id: object = "",
    key: object = "",
    address: object = "",
    name: object = "",
    reason: object = "",
) -> DeliveryEvent:
    """An event of what a report says; what is no text counts as not said.

    Where a service gives its reports no id, it is a digest of what is said: the same report told twice has the same.
    """
    words = [text(value) for value in (key, address, name, reason)]
    digest = hashlib.sha256("\0".join([provider, kind.value, at.isoformat(), *words]).encode()).hexdigest()[:40]
    return DeliveryEvent(
        provider=provider,
        id=text(id) or digest,
        kind=kind,
        at=at,
        key=words[0],
        address=words[1],
        name=words[2],
        reason=words[3][:_LONGEST_REASON],
    )


def failure(words: str, *, otherwise: EventKind) -> EventKind:
    """What a failed delivery says about the reader, by the status in a mail server's words (RFC 3463, V-07).

    `otherwise` holds where they name none, or one that tells neither.
    """
    found = re.search(r"\b([45])\.(\d{1,3})\.(\d{1,3})\b", words)
    if not found:
        return otherwise
    level, subject, detail = found.groups()
    if subject == "7":
        return EventKind.BLOCKED
    if level == "4" or (subject, detail) == ("2", "2"):
        return EventKind.SOFT_BOUNCED
    return EventKind.BOUNCED if subject == "1" and detail in ("1", "2", "3", "10") else otherwise


def text(value: object) -> str:
    """A text as it is, without what no store takes; a number in digits; nothing for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def words(*values: object) -> str:
    """What several say, on one line."""
    return " ".join(filter(None, map(text, values)))


def inner(value: object, *names: str) -> Any:
    """What stands in an object within objects under these names; None if it is not there."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def first_text(values: Iterable[object]) -> str:
    """The first of several that says anything."""
    return next(filter(None, map(text, values)), "")


def moment(value: object, otherwise: dt.datetime) -> dt.datetime:
    """A moment as services write it: seconds or milliseconds since 1970, or a date; UTC if it says no zone."""
    from email.utils import parsedate_to_datetime

    if isinstance(value, int | float) or (isinstance(value, str) and value.replace(".", "", 1).isdigit()):
        seconds = float(value)
        try:
            return dt.datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, dt.UTC)
        except (ValueError, OverflowError, OSError):
            return otherwise
    for read in (_iso, parsedate_to_datetime):
        try:
            found = read(str(value))
            return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return otherwise


def _iso(value: str) -> dt.datetime:
    """ISO 8601 with any number of digits of a second, and a zone given by hours only."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d(?::?\d\d)?|UTC)?", value.strip())
    if not found:
        raise ValueError(value)
    zone = "" if found[3] is None else "+00:00" if found[3] in ("Z", "UTC") else found[3]
    return dt.datetime.fromisoformat(found[1] + (found[2] or "")[:7] + (f"{zone}:00" if len(zone) == 3 else zone))
