"""Who gets which rendered edition, decided before anything leaves. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bulletin.config import Config
from bulletin.delivery import schedule
from bulletin.delivery.approval import EDITION
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, RenderedEdition


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One sending, frozen: the same readers, editions, sender, provider and time give the same digest (promise 3)."""

    issue: str
    provider: str
    editions: Mapping[str, str]
    """Digest of each rendered edition, by its name."""
    counts: Mapping[str, int]
    """Recipients of each edition, by its name; also the editions nobody gets."""
    withheld: Mapping[str, int]
    """Readers who get nothing, counted by the reason."""
    parts: Mapping[str, str]
    """Everything but the recipients, each part under a name for people; see `delivery.approval`."""
    head: str
    """SHA-256 in hexadecimal over issue and parts."""
    digest: str
    """SHA-256 in hexadecimal over head and recipients."""
    due_at: dt.datetime | None = None
    """When it leaves; None for at once."""
    spread: dt.timedelta | None = None
    """How long it takes, the readers of each mail domain spread evenly over that time; None for as fast as may be."""

    @property
    def recipients(self) -> int:
        """How many readers get a copy."""
        return sum(self.counts.values())


def make_plan(
    issue: str,
    rendered: Iterable[RenderedEdition],
    recipients: Iterable[str],
    config: Config,
    provider: str,
    *,
    withheld: Mapping[str, int] | None = None,
    due_at: dt.datetime | None = None,
    spread: dt.timedelta | None = None,
) -> Plan:
    """A plan for recipients, given as texts of any number of lines (see `line`), in the order they are sent to.

    They are counted and digested as they come by, so that a million of them takes no room. Raises `BulletinError` if
    the edition for everyone is missing, or one that a reader should get.
    """
    made = {edition.name: edition for edition in rendered}
    if not any(edition.audience == EVERYONE for edition in made.values()):
        raise BulletinError("there is no edition for everyone, so nothing can be planned.")
    editions = {name: edition.digest for name, edition in made.items()}
    parts = _parts(provider, editions, config, due_at, spread)
    head = hashlib.sha256(json.dumps([issue, sorted(parts.items())]).encode()).hexdigest()
    counts: Counter[str] = Counter()
    digest = digest_of(head, _counted(recipients, editions, counts))
    if missing := sorted(counts.keys() - editions.keys()):
        raise BulletinError(
            f"there are readers for the edition {missing[0]}, and no such edition.",
            hint="Look at audiences and languages in the settings, and at the issue's translations.",
        )
    return Plan(
        issue=issue,
        provider=provider,
        editions=editions,
        counts={name: counts[name] for name in editions},
        withheld=dict(withheld or {}),
        parts=parts,
        head=head,
        digest=digest,
        due_at=due_at,
        spread=spread,
    )


def line(subscriber: str, edition: str) -> str:
    """A recipient, as plans and digests read them. Neither name holds a space."""
    return f"\n{edition} {subscriber}"


def digest_of(head: str, recipients: Iterable[str]) -> str:
    """The digest of a plan with this head, and these recipients in this order: texts of any number of lines."""
    digest = hashlib.sha256(head.encode())
    for lines in recipients:
        digest.update(lines.encode())
    return digest.hexdigest()


def _parts(
    provider: str,
    editions: Mapping[str, str],
    config: Config,
    due_at: dt.datetime | None,
    spread: dt.timedelta | None,
) -> dict[str, str]:
    sender = config.sender
    return {
        **{f"{EDITION}{name}": digest for name, digest in editions.items()},
        "sender": f"{sender.name} <{sender.address}>",
        "address for replies": sender.reply_to or "",
        "provider": provider,
        "time of sending": schedule.shown(due_at, config.zone) if due_at else "at once",
        "pace": f"spread over {schedule.lasting(spread)}" if spread else "as fast as it goes",
    }


def _counted(recipients: Iterable[str], editions: Iterable[str], counts: Counter[str]) -> Iterable[str]:
    for lines in recipients:
        known = {name: lines.count(f"\n{name} ") for name in editions}
        counts.update(known)
        if sum(known.values()) != lines.count("\n"):
            counts.update(one.partition(" ")[0] for one in lines.splitlines() if one)
        yield lines
