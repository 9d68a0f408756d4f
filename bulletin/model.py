"""The nouns of a bulletin: frozen values that flow from the issue file to the ledger.

The issue's own classes (`Issue` down to `Allowance`) are also the schema of `issue.yaml`: `issuefile` checks a file
against them, and the text under each field is what an editor sees when hovering over a key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal, overload

from bulletin.errors import Place

EVERYONE: Final = "everyone"
"""The audience that holds every reader, and the only one whose edition may be archived."""

SCHEMA: Final = 1
"""Version of the issue file's format."""

STRICT: Final[dict[str, Any]] = {"extra": "forbid"}
"""Read by the door, where files are checked: no unknown keys."""


Layout = Literal["list", "cards", "compact", "events", "lead"]
"""How a section shows its items: one under the other; with the picture beside the words; as links only; by date; or
the first one large and the others as a list."""

# ---------------------------------------------------------------- the issue, as its editor writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture of an item, kept beside the issue file."""

    __pydantic_config__ = STRICT

    file: str
    """The picture's file, seen from the issue's folder: images/codes.jpg"""
    alt: str | None = None
    """What the picture shows, in one sentence, for readers who do not see it. Write "" if it is only decoration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """When and where something takes place. Times are in the publication's time zone."""

    __pydantic_config__ = STRICT

    starts: dt.datetime
    """Date and time it starts: 2024-06-12T11:00"""
    ends: dt.datetime | None = None
    """Date and time it ends: 2024-06-12T12:30"""
    place: str | None = None
    """Where: a town and building, or Online."""
    booking: str | None = None
    """Web address where a reader books a place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One story."""

    __pydantic_config__ = STRICT

    id: str
    """Short name of the item, unique in the issue: small letters, digits and hyphens. Becomes its web address."""
    title: str
    """The headline, in sentence case, the main words first."""
    url: str | None = None
    """Web address the item leads to."""
    link: str | None = None
    """Words of the link, saying what it leads to. Without it the headline is the link."""
    source: str | None = None
    """Who published it: Ofcom"""
    published: dt.date | None = None
    """Day the source published it: 2024-05-08"""
    topics: tuple[str, ...] = ()
    """Topics of the item, by their ids in bulletin.toml: [online-csa]"""
    summary: str = ""
    """The story in 40 to 80 plain words. Markdown."""
    image: Image | None = None
    """A picture kept beside the issue file."""
    audience: tuple[str, ...] = ()
    """Who may read it, by audience ids in bulletin.toml: [forces]. Leave out for everyone. Else it is never public."""
    expires: dt.date | None = None
    """Last day a reader can act on it: 2024-07-17"""
    event: Event | None = None
    """Date, time and place, if the item announces an event."""
    marking: str | None = None
    """Protective marking of its source: OFFICIAL-SENSITIVE - RECIPIENTS ONLY. Leave out for plain OFFICIAL."""
    tlp: str | None = None
    """Traffic light label of its source, as it stands there: TLP:GREEN"""
    embargo: dt.datetime | None = None
    """Date and time before which nobody may read it: 2024-05-30T09:30. Nothing is sent or published before."""
    formerly: tuple[str, ...] = ()
    """Ids it had before, if it was renamed after the issue went out. Their web addresses still lead to it."""

    @property
    def restricted(self) -> bool:
        """Whether the item is kept from some readers, and so from the public archive."""
        return bool(self.audience) and EVERYONE not in self.audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the issue under one heading."""

    __pydantic_config__ = STRICT

    id: str
    """Which section, by its id in bulletin.toml."""
    title: str | None = None
    """A heading for this issue only. Leave out to use the one in bulletin.toml."""
    layout: Layout | None = None
    """list, cards, compact, events or lead. Leave out to use the one in bulletin.toml."""
    intro: str | None = None
    """A sentence or two under the heading. Markdown."""
    items: tuple[Item, ...] = ()
    """The stories, in reading order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something a source offered, not yet chosen."""

    __pydantic_config__ = STRICT

    title: str
    """The source's own headline."""
    url: str
    """Web address of the story."""
    source: str | None = None
    """Who published it."""
    published: dt.date | None = None
    """Day the source published it."""
    summary: str = ""
    """A short extract of the source's own words. Rewrite it before use."""
    image: str | None = None
    """Web address of the source's picture."""
    image_alt: str | None = None
    """What the source says its picture shows."""
    section: str | None = None
    """The section it would fit."""
    topics: tuple[str, ...] = ()
    """The topics it would fit."""
    event: Event | None = None
    """Date, time and place, if the source gives them."""
    dated: str = ""
    """How its day was found, if the source does not say it plainly: guessed, or why there is none."""
    seen: dt.date | None = None
    """Day it was first seen, if the source gives no date."""
    updated: dt.date | None = None
    """Day its source last changed it, if that is later."""
    also: tuple[str, ...] = ()
    """Web addresses where other sources tell the same story."""
    source_id: str = ""
    """The source's own name for it. Used while collecting; not written to the file."""
    why: str = ""
    """Why it is offered, and how it was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A story an editor turned down, so that it is not offered again."""

    __pydantic_config__ = STRICT

    url: str
    """Web address of the story."""
    title: str | None = None
    """Its headline, for people."""
    why: str = ""
    """Why it was turned down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A finding accepted on purpose."""

    __pydantic_config__ = STRICT

    code: str
    """Code of the finding: LNK02"""
    item: str | None = None
    """Id of the item it is about. Leave out for findings about the whole issue."""
    why: str
    """The reason."""
    by: str
    """Who decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What was changed after the issue went out."""

    __pydantic_config__ = STRICT

    date: dt.date
    """Day of the change: 2024-06-06"""
    note: str
    """What was wrong, and what it says now."""
    item: str | None = None
    """Id of the item it is about. Leave out for the whole issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One number of the bulletin."""

    __pydantic_config__ = STRICT

    schema: int
    """Version of this file's format: 1"""
    id: str
    """Name of the issue, the same as its folder: 2024-05"""
    title: str
    """Title with the month and year: VKPP Bulletin, May 2024"""
    date: dt.date
    """Day the issue goes out: 2024-05-30"""
    subject: str = ""
    """Subject line of the mail. The topic belongs in the first 40 characters."""
    preheader: str = ""
    """The line mail programs show after the subject, 40 to 130 characters."""
    public: bool = False
    """Write true to allow the issue in the public archive."""
    corrections: tuple[Correction, ...] = ()
    """What was changed after the issue went out, shown in the archive with its day."""
    withdrawn: str | None = None
    """Why the issue was taken back. The archive shows this in place of the issue."""
    unlisted: bool = False
    """Write true to ask search engines to leave the issue out."""
    formerly: tuple[str, ...] = ()
    """Names the issue had before, if it was renamed after it went out. Their web addresses still lead to it."""
    document: str | None = None
    """A PDF that holds the whole issue, for issues from before this tool: issue.pdf"""
    marking: str | None = None
    """Protective marking of the whole issue, if it is stricter than those of its items."""
    notice: str | None = None
    """One line shown above everything else."""
    welcome: str = ""
    """Opening words. Markdown."""
    signed: str | None = None
    """Who the opening words are from."""
    sections: tuple[Section, ...] = ()
    """The parts of the issue, in reading order."""
    inbox: tuple[Candidate, ...] = ()
    """What collecting found and nobody has placed yet, newest first."""
    skipped: tuple[Skipped, ...] = ()
    """What an editor turned down, so that it does not come back."""
    allow: tuple[Allowance, ...] = ()
    """Findings accepted on purpose."""

    @property
    def items(self) -> Iterator[Item]:
        """Every item, in reading order."""
        return (item for section in self.sections for item in section.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedItem:
    """The words of an item in another language."""

    __pydantic_config__ = STRICT

    title: str | None = None
    """The headline."""
    link: str | None = None
    """Words of the link, if the item has any."""
    summary: str | None = None
    """The story. Markdown."""
    alt: str | None = None
    """What the picture shows."""
    place: str | None = None
    """Where the event is, such as Ar-lein."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedSection:
    """The words of a section in another language."""

    __pydantic_config__ = STRICT

    title: str | None = None
    """A heading for this issue only. Leave out to use the one in templates/words."""
    intro: str | None = None
    """A sentence or two under the heading. Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The words of an issue in another language. Everything else stands in the issue file alone."""

    __pydantic_config__ = STRICT

    schema: int
    """Version of this file's format: 1"""
    title: str | None = None
    """Title with the month and year: Bwletin VKPP, Mai 2024"""
    subject: str | None = None
    """Subject line of the mail."""
    preheader: str | None = None
    """The line mail programs show after the subject."""
    notice: str | None = None
    """One line shown above everything else."""
    welcome: str | None = None
    """Opening words. Markdown."""
    signed: str | None = None
    """Who the opening words are from."""
    sections: dict[str, TranslatedSection] = field(default_factory=dict)
    """The words of each section, under its id."""
    items: dict[str, TranslatedItem] = field(default_factory=dict)
    """The words of each item, under its id."""


# ---------------------------------------------------------------- what checks notice


class Severity(Enum):
    """How much a finding matters."""

    MUST_FIX = "must fix"
    LOOK = "look at this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """A change to one value of the issue file that a program may make: safe, and wanted by everyone."""

    loc: tuple[str | int, ...]
    """Path of the value in the file."""
    old: str
    """What to replace, wherever it stands in the value as it was typed."""
    new: str
    """What to put there. Of a suggestion: the words of a comment above the value, which stays as it is."""
    suggestion: bool = False
    """Whether a person has to decide; the file then gets a comment and no change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a check noticed, at a place, with what to do."""

    code: str
    severity: Severity
    place: Place
    message: str
    hint: str = ""
    item: str | None = None
    """Id of the item it is about, if it is about one."""
    anchor: str = ""
    """Where it shows in the mail: `item-ID`, `section-ID`, `subject`, `preheader`, `welcome`; empty for the whole."""
    mends: tuple[Mend, ...] = ()
    """What `check --fix` would change."""


class LinkState(Enum):
    """What asking for a page told."""

    WORKS = "works"
    MOVED = "moved"
    """It answers, at another address, and for good."""
    DEAD = "dead"
    UNSURE = "could not check"
    """The site refuses programs, is busy, or was not reached: nothing is known of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFact:
    """What is known of one address from asking for it."""

    url: str
    state: LinkState
    reason: str = ""
    """In words that read after the site's name: "answered 404: there is no such page"."""
    leads_to: str = ""
    """The address that answered in the end, if it is another one."""
    kind: str = ""
    """The media type of the answer in small letters, such as image/png."""
    when: dt.datetime | None = None
    """When it was asked."""


# ---------------------------------------------------------------- the edition, as one audience reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is known of a picture file without trusting its name: pixel size, bytes and real format."""

    width: int
    height: int
    size: int
    format: str
    """The format the bytes have, such as PNG; empty if they are no picture."""
    moving: bool = False
    """Whether it has more than one frame."""
    located: bool = False
    """Whether a note in it says where on earth it was taken."""
    really: str = ""
    """What bytes without a format are, if that can be told: "a web page"."""
    printed: bool = False
    """Whether its colours are mixed for print (CMYK), not for screens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionPicture:
    """A picture as the mail shows it: an absolute https address and its pixel size (H-06)."""

    src: str
    file: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionEvent:
    """An event with its times in the publication's time zone."""

    starts: dt.datetime
    ends: dt.datetime | None
    place: str | None
    booking: str | None
    calendar_url: str | None
    """Address of the calendar file; None where no public page may hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionItem:
    """A story as its readers get it."""

    id: str
    title: str
    url: str | None
    link: str | None
    source: str | None
    published: dt.date | None
    topics: tuple[str, ...]
    """Readable topic labels."""
    summary: str
    """Markdown."""
    picture: EditionPicture | None
    expires: dt.date | None
    event: EditionEvent | None
    restricted: bool
    marking: str = ""
    """Protective marking, empty where none is shown."""
    tlp: str = ""
    untranslated: frozenset[str] = frozenset()
    """Which of its words are in the publication's own language, for want of others: `title`, `summary`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionSection:
    """A heading with at least one story."""

    id: str
    title: str
    intro: str
    items: tuple[EditionItem, ...]
    layout: Layout = "list"
    untranslated: frozenset[str] = frozenset()
    """Which of its words are in the publication's own language, for want of others: `title`, `summary`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """The issue as one audience reads it in one language. Nothing optional is left to decide."""

    issue: str
    audience: str
    audience_title: str
    language: str
    title: str
    date: dt.date
    subject: str
    preheader: str
    notice: str
    welcome: str
    signed: str
    sections: tuple[EditionSection, ...]
    online_url: str | None
    """Address of the archive page; None for an audience that has none (H-27)."""
    marking: str = ""
    """The strictest protective marking of what it holds, shown first and last (S-08, S-09); empty if none is shown."""
    tlp: str = ""
    """The strictest traffic light label of what it holds."""
    logo: EditionPicture | None = None
    """The masthead's picture; its alternative text is the masthead's words."""
    corrections: tuple[Correction, ...] = ()
    """What was changed in what these readers see, the newest first."""
    untranslated: frozenset[str] = frozenset()
    """Which of its words are in the publication's own language, for want of others: `title`, `summary`, ..."""
    source_language: str = ""
    """What the untranslated words are in; empty if there are none."""

    @property
    def items(self) -> Iterator[EditionItem]:
        """Every item, in reading order."""
        return (item for section in self.sections for item in section.items)

    @property
    def name(self) -> str:
        """The edition's file name stem: `everyone.en-GB`."""
        return f"{self.audience}.{self.language}"


PERSONAL_FIELDS: Final = ("unsubscribe_url", "preferences_url", "address")
"""The closed list of what may differ from one recipient's copy to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedEdition:
    """An edition as finished bytes, with a marker wherever a recipient's own value goes."""

    issue: str
    audience: str
    language: str
    subject: str
    html: str
    text: str
    markers: Mapping[str, str]
    """Marker in `html` and `text` for each of `PERSONAL_FIELDS`: letters and digits that content cannot guess."""
    digest: str
    """SHA-256 over subject, HTML and text, in hexadecimal."""

    @property
    def name(self) -> str:
        """The edition's file name stem: `everyone.en-GB`."""
        return f"{self.audience}.{self.language}"


# ---------------------------------------------------------------- sending


class DeliveryState(Enum):
    """Where one recipient's copy stands in the ledger."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class OutcomeKind(Enum):
    """What a provider's answer means for one delivery."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"
    UNKNOWN = "unknown"


# Never changed once they are made, as all nouns here; but frozen, each of a million would take thrice as long to make.


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the provider answered for one delivery."""

    key: str
    kind: OutcomeKind
    reason: str = ""
    provider_id: str = ""


@dataclass(slots=True, kw_only=True)
class Letter:
    """One recipient's copy, before it is bytes: the delivery's key, the address and the personal values."""

    key: str
    """Names mailing and subscriber, never an address; stays the same on every attempt."""
    number: int
    """Position in the mailing, from 1."""
    address: str
    personal: Mapping[str, str]
    """A value for each of `PERSONAL_FIELDS`."""
    message_id: str
    """Message-ID without angle brackets; the same on every attempt (M-06)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters(Sequence[Letter]):
    """Many letters, column by column. Each is made when it is asked for; most calls for a thousand ask for none."""

    keys: Sequence[str]
    numbers: Sequence[int]
    addresses: Sequence[str]
    personal: Mapping[str, Sequence[str]]
    """A column for each of `PERSONAL_FIELDS`."""
    message_id_of: Callable[[str], str]
    """Makes a Message-ID of a key."""

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Letter: ...
    @overload
    def __getitem__(self, index: slice) -> Letters: ...
    def __getitem__(self, index: int | slice) -> Letter | Letters:
        if isinstance(index, slice):
            return Letters(
                keys=self.keys[index],
                numbers=self.numbers[index],
                addresses=self.addresses[index],
                personal={name: column[index] for name, column in self.personal.items()},
                message_id_of=self.message_id_of,
            )
        return Letter(
            key=self.keys[index],
            number=self.numbers[index],
            address=self.addresses[index],
            personal={name: column[index] for name, column in self.personal.items()},
            message_id=self.message_id_of(self.keys[index]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike(Sequence[Outcome]):
    """One outcome that several deliveries have in common, but for the key."""

    keys: Sequence[str]
    kind: OutcomeKind
    reason: str = ""
    provider_id: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Alike: ...
    def __getitem__(self, index: int | slice) -> Outcome | Alike:
        if isinstance(index, slice):
            return replace(self, keys=self.keys[index])
        return Outcome(key=self.keys[index], kind=self.kind, reason=self.reason, provider_id=self.provider_id)


def unlike(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """As many of some outcomes as it takes to know what all of them say: one, where they are known to be alike."""
    return outcomes[:1] if isinstance(outcomes, Alike) else outcomes


class EventKind(Enum):
    """What a provider, or a receiving mail server, reported about a delivery later."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    """Not taken yet; somebody is still trying."""
    BOUNCED = "bounced"
    """Failed for good: the address does not exist (V-07)."""
    SOFT_BOUNCED = "soft bounced"
    """Failed this time: the mailbox is full, say (V-07)."""
    BLOCKED = "blocked"
    """Turned down for what the sender did or is; says nothing about the reader (V-07)."""
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OTHER = "other"
    """Anything else, kept and of no consequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent:
    """One thing reported after a delivery was accepted."""

    provider: str
    id: str
    """The provider's own name for this report, or a digest of it: the same report told twice has the same."""
    kind: EventKind
    at: dt.datetime
    key: str = ""
    """The delivery's key, if it came back with the report."""
    address: str = field(default="", repr=False)
    """Only to find the reader where no key came back; never stored and never logged (Z-20)."""
    name: str = ""
    """What the provider calls it."""
    reason: str = ""
    """What was said, in the provider's words."""
    doubt: str = ""
    """Why a person has to look before anything comes of it (V-03); empty if it is proven whom it is about."""


# ---------------------------------------------------------------- readers


class SubscriberState(Enum):
    """Where a reader stands. Only who is subscribed gets mail; `subscribers.consent` says who may go where, and how."""

    PENDING = "pending"
    """Signed up, and has not confirmed it yet."""
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    """The address does not exist (any more)."""
    COMPLAINED = "complained"
    """Told their mail provider that the bulletin is unwanted."""
    ERASED = "erased"
    """Nothing is held but a keyed hash that keeps the address from being written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person who gets the bulletin, or got it until they left."""

    id: str
    """Random letters and digits; what ledger, links and reports use in place of the address."""
    email: str
    name: str = ""
    language: str = ""
    """Language they asked for, such as cy; empty for the publication's own."""
    state: SubscriberState = SubscriberState.SUBSCRIBED
    organisation: str = ""
    """Organisation or force."""
    role: str = ""
    """What they do there."""
    topics: tuple[str, ...] = ()
    """Topics they chose, by their ids in bulletin.toml; none means all."""
    paused_until: dt.datetime | None = None
    """No mail before this moment, by their own wish."""
