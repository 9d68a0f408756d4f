"""What the doctor says, and how the parts that read the DNS are handed its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How a thing stands."""

    PASS = "pass"  # noqa: S105 - not a password
    LOOK = "look"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at, how it stands, and what to do if it does not stand well."""

    state: State
    what: str
    hint: str = ""
    rule: str = ""
    """The rule of bulk senders that this line answers: "B-02 SPF". Nothing for all other lines."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of a kind at a name: texts joined, hosts without a last dot, "10 mail.example.org" for MX."""

    records: tuple[str, ...] = ()
    exists: bool = True
    """Whether the name exists at all, with records of whatever kind."""


class NotAskedError(Exception):
    """No server gave an answer, so nothing is known. The text is the reason, without a full stop."""


Look = Callable[[str, str], Answer]
"""Records of a name and kind (TXT, MX, A, AAAA, PTR). A name that cannot be does not exist. Raises `NotAskedError`."""


def tags(record: str) -> dict[str, str] | None:
    """The tags of `name=value; name=value` with names in small letters; None if it is not such a list.

    DKIM keys, DMARC, MTA-STS and TLS reporting records have this form. A tag that stands twice makes it none
    (RFC 6376 3.2), and white space around names and values says nothing.
    """
    found: dict[str, str] = {}
    for part in record.split(";"):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        name = name.strip().lower()
        if not sign or not name or name in found:
            return None
        found[name] = value.strip()
    return found


def shown(text: str, most: int = 60) -> str:
    """Words of a record as they may stand in a terminal: printable, and not too many."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def within(name: str, domain: str) -> bool:
    """Whether a name is this domain or stands below it."""
    name, domain = name.rstrip(".").lower(), domain.rstrip(".").lower()
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))
