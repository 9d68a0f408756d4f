"""Who gets which rendered edition, decided before anything leaves. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, RenderedEdition, Subscriber
from bulletin.subscribers.belonging import audience_of
from bulletin.subscribers.consent import why_no_mail
from bulletin.words import primary


@dataclass(frozen=True, slots=True)
class Recipient:
    """A subscriber, by id, and the name of the edition they get."""

    subscriber: str
    edition: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """A subscriber who gets nothing, and why."""

    subscriber: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One sending, frozen: the same readers, editions, sender and provider give the same digest (promise 3)."""

    issue: str
    provider: str
    editions: Mapping[str, str]
    """Digest of each rendered edition, by its name."""
    recipients: tuple[Recipient, ...]
    """In the order they are sent to: by edition, then by subscriber."""
    withheld: tuple[Withheld, ...]
    digest: str
    """SHA-256 in hexadecimal over rendered bytes, recipients, sender and provider."""

    @property
    def counts(self) -> dict[str, int]:
        """Recipients of each edition, by its name; also the editions nobody gets."""
        found = Counter(recipient.edition for recipient in self.recipients)
        return {name: found[name] for name in self.editions}


def make_plan(
    issue: str,
    rendered: Mapping[str, RenderedEdition],
    subscribers: Iterable[Subscriber],
    config: Config,
    provider: str,
    *,
    now: dt.datetime | None = None,
    translated: Iterable[RenderedEdition] = (),
    lists: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Plan:
    """Each subscriber with the edition of their audience, or everyone's where the issue has none of its own.

    `rendered` holds the editions in the publication's language by audience, `translated` those in others: a reader
    gets the one in the language they asked for, if there is one (W-03). `lists` holds those that readers are on. A
    restricted edition goes to exact members only (S-26). Who paused gets nothing until `now` is past their pause;
    without `now` a pause holds. Raises `BulletinError` if the edition for everyone is missing.
    """
    if EVERYONE not in rendered:
        raise BulletinError("there is no edition for everyone, so nothing can be planned.")
    recipients, withheld = [], []
    spoken = {(edition.audience, primary(edition.language)): edition for edition in (*translated, *rendered.values())}
    for subscriber in subscribers:
        if reason := why_no_mail(subscriber.state, subscriber.paused_until, now):
            withheld.append(Withheld(subscriber.id, reason))
            continue
        own = rendered.get(audience_of(subscriber, lists.get(subscriber.id, ()), config), rendered[EVERYONE])
        edition = spoken.get((own.audience, primary(subscriber.language)), own)
        recipients.append(Recipient(subscriber.id, edition.name))
    recipients.sort(key=lambda recipient: (recipient.edition, recipient.subscriber))
    editions = {edition.name: edition.digest for edition in spoken.values()}
    return Plan(
        issue=issue,
        provider=provider,
        editions=editions,
        recipients=tuple(recipients),
        withheld=tuple(withheld),
        digest=_digest(issue, provider, editions, recipients, config),
    )


def _digest(
    issue: str, provider: str, editions: Mapping[str, str], recipients: Iterable[Recipient], config: Config
) -> str:
    sender = [config.sender.name, config.sender.address, config.sender.reply_to]
    digest = hashlib.sha256(json.dumps([issue, provider, sender, sorted(editions.items())]).encode())
    for recipient in recipients:
        digest.update(f"\n{recipient.edition} {recipient.subscriber}".encode())
    return digest.hexdigest()
