"""What a provider is: a file in this folder with `CAPABILITIES` and an `open` that gives a session for delivering."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from bulletin import registry
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.render.message import MessageTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do, so that nothing has to guess."""

    batch: int
    """Most letters in one call. What is in one call is in doubt together if the process dies."""
    key_window: dt.timedelta | None
    """How long a letter offered again under its key stays one letter; None if the provider knows no keys."""
    really_sends: bool
    """Whether mail leaves this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a provider may need from the publication it sends for."""

    config: Config
    environment: Mapping[str, str] = field(repr=False)
    """Secrets come from here only (Z-23)."""
    outbox_dir: Path
    now: Callable[[], dt.datetime]


class Session(Protocol):
    """An open way to a provider."""

    wait: float
    """Seconds the provider wants to be left alone before the next call; 0 if it does not say."""

    def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
        """One outcome for each letter, in order; what went wrong with one letter is a value.

        Raises `ProviderError` if no further letter can be delivered; it holds the outcomes of those before.
        """


class Provider(Protocol):
    """A module in this folder."""

    CAPABILITIES: Capabilities

    def open(self, surroundings: Surroundings) -> AbstractContextManager[Session]:
        """A session, closed at the end. Raises `BulletinError` if settings or secrets are missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The names that mail goes out under, as far as a provider knows them: what `bulletin doctor` asks the DNS about.

    A provider module may have `way(config) -> Way`; one without it leaves everything to the sender's own domain.
    """

    bounces: str = ""
    """Domain of the envelope, if it is not the sender's."""
    signing: str = ""
    """Domain whose DKIM key signs, if it is not the sender's."""
    spf_include: str = ""
    """What the service wants included in the SPF record of that domain."""
    host: str = ""
    """The mail server that takes the mail, where there is one."""
    service: str = ""
    """Name of the mail service, where its own machines send."""
    requires_tls: bool = False
    """Whether the service hands mail on over protected connections only."""


def check_of(provider: Provider) -> Callable[[Surroundings], str] | None:
    """A provider's own trial of its settings, if its module has a `check`.

    It asks the other side whether it takes us, sends nothing, and gives the version of TLS, or nothing for clear text.
    Raises `BulletinError` saying what is wrong.
    """
    check = getattr(provider, "check", None)
    return cast("Callable[[Surroundings], str]", check) if callable(check) else None


def way_of(provider: Provider, config: Config) -> Way:
    """The way of a provider. Raises `BulletinError` if its settings cannot be read."""
    way = getattr(provider, "way", None)
    found = way(config) if callable(way) else None
    return found if isinstance(found, Way) else Way()


class ProviderError(BulletinError):
    """The provider takes no letter for now. `outcomes` are those of the letters before; the rest never left."""

    def __init__(self, message: str, *, hint: str = "", outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(message, hint=hint)
        self.outcomes = tuple(outcomes)


def refused_unsent(letter: Letter, error: BulletinError) -> Outcome:
    """The outcome of a letter that cannot be made into a message: this reader's loss, not everybody's (promise 6)."""
    return Outcome(key=letter.key, kind=OutcomeKind.REFUSED, reason=f"not sent: {error.message}")


def load(name: str) -> Provider:
    """The provider of this name. Raises `BulletinError` if there is none."""
    return cast("Provider", registry.load("providers", name))
