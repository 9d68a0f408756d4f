"""What a provider is: a file in this folder with `CAPABILITIES` and an `open` that gives a session for delivering."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, cast, runtime_checkable

from bulletin import registry
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import DeliveryEvent, EventKind, Letter, Outcome, OutcomeKind
from bulletin.render.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider can do, so that nothing has to guess."""

    batch: int
    """Most letters in one call. What is in one call is in doubt together if the process dies."""
    one_by_one: bool = False
    """Whether the letters of a call go one after the other: then fewer of them are given at a time where each takes
    long, so that little is in doubt."""
    key_window: dt.timedelta | None
    """How long a letter offered again under its key stays one letter; None if the provider knows no keys."""
    really_sends: bool
    """Whether mail leaves this machine."""
    batch_bytes: int | None = None
    """Most bytes in one call; None if the provider names no limit."""
    connections: int = 1
    """How many sessions may be open at once."""
    webhooks: Literal["none", "signed", "secret"] = "none"
    """Whether it reports events by itself, and how it proves that it is the provider: by a signature, or only by a
    secret that is part of the address it calls, which is weaker (Z-15)."""
    test_mode: bool = False
    """Whether it can be asked to take mail and send none."""
    text_only: bool = False
    """Whether it carries plain words only, and the design is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a provider may need from the publication it sends for."""

    config: Config
    environment: Mapping[str, str] = field(repr=False)
    """Secrets come from here only (Z-23)."""
    secret: Callable[[], bytes] = field(repr=False)
    """The publication's secret, made when it is first asked for; signs the envelopes of copies (V-01)."""
    outbox_dir: Path
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], None] = time.sleep
    """Waits so many seconds, between two calls that belong to one delivering."""


class Session(Protocol):
    """An open way to a provider."""

    wait: float
    """Seconds the provider wants to be left alone before the next call; 0 if it does not say."""

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        """One outcome for each letter, in order; what went wrong with one letter is a value.

        Raises `ProviderError` if no further letter can be delivered; it holds the outcomes of those before.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much may still leave."""

    left: int | None = None
    """Messages until `until`; None if it does not say."""
    until: dt.datetime | None = None
    per_second: float | None = None
    """Messages in a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events, and where to go on."""

    events: Sequence[DeliveryEvent]
    cursor: str
    """Passed to the next call as it is; what it means is the provider's own affair."""
    more: bool
    """Whether the next page is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """An address that the provider keeps from being written to."""

    address: str = field(repr=False)
    kind: EventKind
    """BOUNCED, COMPLAINED or UNSUBSCRIBED."""
    at: dt.datetime | None = None


# What a session may be able to do besides delivering. Ask with isinstance.


@runtime_checkable
class LooksUp(Protocol):
    """Can be asked what became of letters whose answer was lost."""

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        """One outcome for each letter, in order; None where the provider cannot tell (yet).

        Logs lag behind: what is not found there may come into it yet, and says nothing.
        """


@runtime_checkable
class HasQuota(Protocol):
    """Can say how much may still leave."""

    def quota(self) -> Quota:
        """Asked before a mailing starts."""


@runtime_checkable
class HasEvents(Protocol):
    """Can be asked for events, where no webhook can reach us."""

    def events(self, cursor: str) -> EventPage:
        """The next page. An empty cursor starts with the oldest that the provider keeps. Events may come again."""


@runtime_checkable
class HasSuppressions(Protocol):
    """Keeps a list of addresses of its own that it does not write to."""

    def suppressed(self) -> Iterator[Suppressed]:
        """Everybody on that list."""

    def suppress(self, addresses: Sequence[str]) -> None:
        """Put addresses on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that somebody made to our webhook, as it came."""

    headers: Mapping[str, str]
    """By name in small letters."""
    body: bytes = field(repr=False)
    url: str
    """The configured address of the webhook, which some signatures cover; not what the request claims."""
    secret: str = field(default="", repr=False)
    """What stands after the provider's name in the address that was called; see `Capabilities.webhooks`."""


class CallRefused(BulletinError):  # noqa: N818 - somebody else is at fault
    """The request does not prove that it comes from the provider, or is too old (Z-15)."""


class ProviderError(BulletinError):
    """The provider takes no letter for now. `outcomes` are those of the letters before; the rest never left."""

    def __init__(self, message: str, *, hint: str = "", outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(message, hint=hint)
        self.outcomes = tuple(outcomes)


class UnsupportedFeature(ProviderError):  # noqa: N818 - nothing went wrong yet
    """This provider cannot carry something the bulletin needs."""


class Provider(Protocol):
    """A module in this folder.

    One whose `CAPABILITIES.webhooks` is not "none" also has `receive(call, surroundings)`, which gives a list of
    events, checks the proof on the raw body and raises `CallRefused`. See `receiver_of`.
    """

    CAPABILITIES: Capabilities

    def open(self, surroundings: Surroundings) -> AbstractContextManager[Session]:
        """A session, closed at the end. Raises `BulletinError` if settings or secrets are missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The names that mail goes out under, as far as a provider knows them: what `bulletin doctor` asks the DNS about.

    A provider module may have `way(config) -> Way`; one without it leaves everything to the sender's own domain.
    """

    author: str = ""
    """Domain of the address that readers see, if it is not the sender's."""
    bounces: str = ""
    """Domain of the envelope, if it is not the sender's."""
    theirs: bool = False
    """Whether the envelope is of a domain of the service's own, which sees to SPF: only DKIM then vouches for us."""
    signing: str = ""
    """Domain whose DKIM key signs, if it is not the sender's."""
    selectors: tuple[str, ...] = ()
    """Names of the keys that sign, where mail is signed here."""
    spf_include: str = ""
    """What the service wants included in the SPF record of that domain."""
    host: str = ""
    """The mail server that takes the mail, where there is one."""
    service: str = ""
    """Name of the mail service, where its own machines send."""
    requires_tls: bool | None = False
    """Whether the service hands mail on over protected connections only; None if it cannot be told to."""


def check_of(provider: Provider) -> Callable[[Surroundings], str] | None:
    """A provider's own trial of its settings, if its module has a `check`.

    It asks the other side whether it takes us, and sends nothing. Of a mail server it gives the version of TLS, or
    nothing for clear text; of a service, what the service says about the account, in a sentence for people. Raises
    `BulletinError` saying what is wrong.
    """
    check = getattr(provider, "check", None)
    return cast("Callable[[Surroundings], str]", check) if callable(check) else None


def only_tries(provider: Provider, name: str, surroundings: Surroundings) -> bool:
    """Whether the settings ask the provider to take mail and deliver none. That is no sending: nobody gets anything.

    A module whose service is asked in another way than by `test_mode` has an `only_tries(surroundings)` of its own.
    """
    own = getattr(provider, "only_tries", None)
    if callable(own):
        return bool(own(surroundings))
    return surroundings.config.providers.get(name, {}).get("test_mode") is True


def receiver_of(provider: Provider) -> Callable[[Call, Surroundings], list[DeliveryEvent]] | None:
    """What makes events of a call to our webhook, if the provider makes such calls. It raises `CallRefused`."""
    receive = getattr(provider, "receive", None)
    return cast("Callable[[Call, Surroundings], list[DeliveryEvent]]", receive) if callable(receive) else None


def way_of(provider: Provider, config: Config) -> Way:
    """The way of a provider. Raises `BulletinError` if its settings cannot be read."""
    way = getattr(provider, "way", None)
    found = way(config) if callable(way) else None
    return found if isinstance(found, Way) else Way()


def connections_of(provider: Provider, config: Config) -> int:
    """How many sessions may be open at once: as the settings say, where the module has `connections(config)`."""
    wanted = getattr(provider, "connections", None)
    return int(wanted(config)) if callable(wanted) else provider.CAPABILITIES.connections


def refused_unsent(letter: Letter, error: BulletinError) -> Outcome:
    """The outcome of a letter that cannot be made into a message: this reader's loss, not everybody's (promise 6)."""
    return Outcome(key=letter.key, kind=OutcomeKind.REFUSED, reason=f"not sent: {error.message}")


def load(name: str) -> Provider:
    """The provider of this name. Raises `BulletinError` if there is none."""
    return cast("Provider", registry.load("providers", name))
