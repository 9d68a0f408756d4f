"""`bulletin.toml`: what a publication is, checked as a whole, with every problem at its line.

Secrets are never read from it; they come from the environment (Z-23).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bulletin import colours, door
from bulletin.door import Complaint, Loc, Rejected
from bulletin.errors import FileProblems, Place, Problem
from bulletin.issuefile import Vocabulary
from bulletin.model import EVERYONE, STRICT, Layout

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who publishes the bulletin, as the footer and the archive say it."""

    __pydantic_config__ = STRICT

    name: str
    """Full name of the organisation."""
    postal_address: str
    """Postal address on one line, shown in every mail."""
    website: str | None = None
    """Web address of the organisation."""
    privacy_url: str | None = None
    """Web address of the privacy notice."""
    controller: str | None = None
    """Who is responsible for subscribers' data, if it is somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who the mail is from."""

    __pydantic_config__ = STRICT

    name: str
    """Name readers see: VKPP Bulletin"""
    address: str
    """Mail address it is sent from, at a domain you control."""
    reply_to: str | None = None
    """Mail address of a mailbox that somebody reads."""
    bounces: str | None = None
    """Mail address of a mailbox for undeliverable copies that takes name+anything: bounces@bounce.example.org"""
    unsubscribe_mailbox: str | None = None
    """Mail address at which readers may unsubscribe by writing, beside their link: leave@example.org"""
    list_id: str | None = None
    """Name of the mailing list for mail programs, at a domain you control: bulletin.example.org. Never change it."""
    dkim_selectors: tuple[str, ...] = ()
    """Names of the keys that your mail server or service signs with, for bulletin doctor to look at: [s1, s2]"""
    dkim_domain: str | None = None
    """Domain of these keys, if it is neither the sender's nor the one set up at the mail service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """Where the public pages live."""

    __pydantic_config__ = STRICT

    archive_url: str
    """Web address of the archive: https://bulletin.example.org/"""
    service_url: str | None = None
    """Web address of unsubscribe and preferences pages. Leave out if it is the archive's; "" if there are none."""
    frequency: str = ""
    """How often it comes, as the sign-up page says it: once a month"""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of your own web server, which may say who is asking: [127.0.0.1, 10.0.0.0/8]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSetting:
    """How past issues are published."""

    __pydantic_config__ = STRICT

    publish_to: str | None = None
    """Where "bulletin archive publish" takes it: a folder, host:folder, or git:branch."""
    pdf: bool = False
    """Whether each issue is there as a PDF as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How mail and archive look. Colours are six hexadecimal digits after #; those of text must stand out enough."""

    __pydantic_config__ = STRICT

    masthead: str | None = None
    """Words at the top of every issue. Leave out to use the publication's name."""
    strapline: str = ""
    """A line under the masthead."""
    logo: str | None = None
    """Picture at the top in place of the masthead's words, which it has to show: templates/logo.png"""
    colour: str = "#1d3557"
    """Main colour: masthead, headings and links."""
    accent: str = "#2a7f8e"
    """Second colour: lines and labels."""
    paper: str = "#ffffff"
    """Colour behind the text."""
    surround: str = "#eef1f4"
    """Colour around the column."""
    ink: str = "#1b1f24"
    """Colour of the text."""
    font: str = "'Segoe UI', Helvetica, Arial, sans-serif"
    """Fonts readers already have, the first choice first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSetting:
    """A standing section."""

    __pydantic_config__ = STRICT

    id: str
    """Short name used in issue files."""
    title: str
    """Heading readers see."""
    layout: Layout = "list"
    """How it shows its items: list, cards (picture beside the words), compact (links), events (by date), lead."""
    words: tuple[str, ...] = ()
    """Words in a headline that suggest this section when collecting, whatever the source: [consultation]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSetting:
    """A topic an item can carry."""

    __pydantic_config__ = STRICT

    id: str
    """Short name used in issue files."""
    title: str
    """Label readers see."""
    words: tuple[str, ...] = ()
    """Words that suggest this topic when collecting."""
    section: str | None = None
    """Section that its stories fit, if neither words nor their source say another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceSetting:
    """A named group of readers. A subscriber reads the edition of the first audience they belong to.

    Everything that is named has to fit: with domains and roles, who has one of the roles at one of the domains.
    """

    __pydantic_config__ = STRICT

    id: str
    """Short name used in issue files: forces"""
    title: str
    """Name people see: Police forces"""
    domains: tuple[str, ...] = ()
    """Exact mail domains whose addresses belong to it."""
    forces: bool = False
    """Whether the packaged domains of United Kingdom police forces belong to it as well."""
    lists: tuple[str, ...] = ()
    """Lists whose members belong to it: [partners]"""
    organisations: tuple[str, ...] = ()
    """Organisations whose people belong to it, written in full as readers' entries have them."""
    roles: tuple[str, ...] = ()
    """Roles that belong to it, written in full: [Detective Inspector]"""
    topics: tuple[str, ...] = ()
    """Topics; who chose one of them belongs to it."""
    languages: tuple[str, ...] = ()
    """Languages; who reads one of them belongs to it: [cy]"""
    providers: tuple[str, ...] = ()
    """Providers that may carry its edition: [smtp]. Leave out if any may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSetting:
    """A list that readers are on."""

    __pydantic_config__ = STRICT

    id: str
    """Short name used by commands: newsletter"""
    title: str
    """Name readers see."""
    description: str = ""
    """What comes and how often, in a sentence that readers see."""
    public: bool = False
    """Whether anybody may sign up for it themselves."""
    languages: tuple[str, ...] = ()
    """Languages it is offered in: [en-GB, cy]. Leave out for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSetting:
    """Where news comes from."""

    __pydantic_config__ = STRICT

    id: str
    """Short name."""
    title: str
    """Name shown as the source of its stories."""
    url: str
    """Web address of the feed or page; of a folder, its name in the publication's folder."""
    kind: str = "feed"
    """feed, govuk, listing (a page that lists news), calendar (an .ics file), folder (saved pages and mails)."""
    section: str | None = None
    """Section its stories usually fit."""
    topics: tuple[str, ...] = ()
    """Topics all its stories have."""
    limit: int = 30
    """Newest stories looked at."""
    pages: int = 1
    """Pages looked at, where a listing or feed goes on to another page."""
    selectors: dict[str, str] = field(default_factory=dict)
    """For a listing: CSS selectors of entry, link, title, date, summary, next and, for events, starts, ends, place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How mail leaves."""

    __pydantic_config__ = STRICT

    provider: str = "outbox"
    """outbox writes files and sends nothing; smtp and others really send."""
    batch: int = 500
    """Deliveries claimed at a time."""
    stop_after_refusals: float = 0.2
    """Share of refusals in a batch that pauses the mailing."""
    approval: Literal["nobody", "anybody", "another"] = "nobody"
    """Who has to approve a mailing before it leaves: nobody, anybody, or another person than edited the issue last."""
    price_per_1000: float | None = None
    """What the provider asks for a thousand messages, in `currency`; shown before you send."""
    currency: str = "GBP"
    """Of the price: GBP"""
    workers: bool = False
    """Whether the work is left to bulletin worker processes, on any number of machines. Needs PostgreSQL."""
    per_second: float | None = None
    """Most messages in a second, over all machines together. Leave out for as many as the provider takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """How news is fetched."""

    __pydantic_config__ = STRICT

    days: int = 45
    """How many days before the issue's date a story may be published."""
    contact: str | None = None
    """Web address named to the sites that are asked. Leave out to use the organisation's."""
    local_hosts: tuple[str, ...] = ()
    """Hosts on this machine that may be asked all the same, with port: 127.0.0.1:8000"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What the checks go by."""

    __pydantic_config__ = STRICT

    clients: tuple[str, ...] = (
        "outlook.windows",
        "outlook.outlook-com",
        "outlook.ios",
        "gmail.desktop-webmail",
        "gmail.android",
        "apple-mail.ios",
    )
    """Mail programs that must show the mail well, as caniemail.com names them."""
    abbreviations: tuple[str, ...] = ()
    """Abbreviations that all readers know, and that need no explaining: [NHS, UK]"""
    plain_words: dict[str, str] = field(default_factory=dict)
    """Words to avoid with the plainer ones, beside those that are built in: {utilise = "use"}"""
    staging_hosts: tuple[str, ...] = ()
    """Hosts of your own test sites, which no reader can reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """Where bounces, complaints and opt-outs by mail arrive, read over IMAP. Its password is in the environment."""

    __pydantic_config__ = STRICT

    host: str
    """Name of the IMAP server: outlook.office365.com"""
    user: str
    """Name to sign in with, often the mail address."""
    port: int = 993
    """Port of the server; 143 with security = "starttls"."""
    security: Literal["tls", "starttls"] = "tls"
    """How the connection is protected: tls from the start, or starttls. Certificates are always checked."""
    folder: str = "INBOX"
    """Folder that is read."""
    tenant: str | None = None
    """For Microsoft 365: id of your organisation's directory."""
    client: str | None = None
    """For Microsoft 365: id of the app that may read the mailbox. It signs in with a token; no password is needed."""
    token_url: str | None = None
    """Web address that gives such tokens, if it is not Microsoft's."""
    done_folder: str | None = None
    """Folder that mails are moved to once they are dealt with. Leave out to mark them as read instead."""
    ca_file: str | None = None
    """File with the certificate of an authority of your own, if the server has one from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things about readers are kept; `bulletin subscribers purge` deletes what is older."""

    __pydantic_config__ = STRICT

    unconfirmed_days: int = 7
    """Days for which a sign-up that nobody confirmed is kept."""
    send_logs_months: int = 24
    """Months for which is kept what mail servers answered."""
    events_months: int = 13
    """Months for which is kept what was reported later: delivered, bounced, complained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A publication's settings."""

    __pydantic_config__ = STRICT

    name: str
    """Name of the publication."""
    organisation: Organisation
    """Who publishes it."""
    sender: Sender
    """Who the mail is from."""
    web: Web
    """Where the public pages live."""
    language: str = "en-GB"
    """Language of the issues: en-GB"""
    languages: tuple[str, ...] = ()
    """All languages an issue may appear in: [en-GB, cy]. Leave out if there is only the one above."""
    timezone: str = "Europe/London"
    """Time zone of dates and times."""
    description: str = ""
    """One sentence about the publication."""
    why: str = "You get this because you asked to."
    """Why readers get it; shown in every footer."""
    brand: Brand = field(default_factory=Brand)
    """How it looks."""
    sections: tuple[SectionSetting, ...] = ()
    """Standing sections, in order."""
    topics: tuple[TopicSetting, ...] = ()
    """Topics, in order."""
    audiences: tuple[AudienceSetting, ...] = ()
    """Groups of readers beside everyone, the narrowest first."""
    lists: tuple[ListSetting, ...] = ()
    """Lists that readers are on."""
    sources: tuple[SourceSetting, ...] = ()
    """Where news comes from."""
    collecting: Collecting = field(default_factory=Collecting)
    """How news is fetched."""
    checking: Checking = field(default_factory=Checking)
    """What the checks go by."""
    mark_official: bool = False
    """Whether a mail that holds nothing stricter says OFFICIAL at its top and end."""
    sending: Sending = field(default_factory=Sending)
    """How mail leaves."""
    mailbox: Mailbox | None = None
    """Mailbox that is read for bounces, complaints and opt-outs by mail."""
    archive: ArchiveSetting = field(default_factory=ArchiveSetting)
    """How past issues are published."""
    retention: Retention = field(default_factory=Retention)
    """How long things about readers are kept."""
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of each provider, under its name."""

    @property
    def zone(self) -> ZoneInfo:
        """The publication's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def other_languages(self) -> tuple[str, ...]:
        """The languages an issue may appear in beside the publication's own."""
        return tuple(language for language in self.languages if language.lower() != self.language.lower())

    @property
    def archive_url(self) -> str:
        """Address of the archive, ending in a slash."""
        return self.web.archive_url.rstrip("/") + "/"

    @property
    def service_url(self) -> str:
        """Address of the public endpoints, ending in a slash."""
        return (self.web.service_url or self.web.archive_url).rstrip("/") + "/"

    @property
    def leave_by_mail(self) -> str:
        """The mailbox that readers write to in place of opening pages, where there are none; else empty."""
        return (self.sender.unsubscribe_mailbox or "") if self.web.service_url == "" else ""

    @property
    def vocabulary(self) -> Vocabulary:
        """The ids an issue file may use."""
        return Vocabulary(
            sections=tuple(section.id for section in self.sections),
            topics=tuple(topic.id for topic in self.topics),
            audiences=tuple(audience.id for audience in self.audiences),
        )

    def section_title(self, section: str) -> str:
        """The standing heading of a section."""
        return next(
            (known.title for known in self.sections if known.id == section), section.replace("-", " ").capitalize()
        )

    def section_layout(self, section: str) -> Layout:
        """How a section shows its items unless an issue says otherwise."""
        return next((known.layout for known in self.sections if known.id == section), "list")

    def topic_title(self, topic: str) -> str:
        """The label of a topic."""
        return next((known.title for known in self.topics if known.id == topic), topic.replace("-", " ").capitalize())


def read(path: Path) -> Config:
    """The settings in a `bulletin.toml`, or under `[tool.bulletin]` of a `pyproject.toml`.

    Raises `FileProblems` with every problem at once.
    """
    name = path.name
    try:
        text = path.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise FileProblems(
            name, [Problem(Place(name), f"this file is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.")]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise FileProblems(name, [_syntax(name, str(error))]) from None
    prefix: Loc = ()
    if name == "pyproject.toml":
        prefix = ("tool", "bulletin")
        data = data.get("tool", {}).get("bulletin", {})
    places = _places(text, name)

    def place_of(loc: Loc) -> Place:
        loc = (*prefix, *loc)
        while loc and loc not in places:
            loc = loc[:-1]
        return places.get(loc, Place(name, 1, 1))

    config = door.admit(Config, data, place_of, rules=_beyond_schema)
    if isinstance(config, Rejected):
        raise FileProblems(name, config.problems)
    return config


def provider_settings(config: Config, name: str, kind: type[T]) -> T:
    """The settings under `[providers.NAME]` as that provider's own settings class. Raises `FileProblems`."""
    place = "bulletin.toml"
    value = door.admit(kind, config.providers.get(name, {}), lambda loc: Place(f"{place} [providers.{name}]"))
    if isinstance(value, Rejected):
        raise FileProblems(place, value.problems)
    return value


def _syntax(name: str, message: str) -> Problem:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    place = Place(name, int(found[1]), int(found[2])) if found else Place(name)
    reason = message.split(" (at ", maxsplit=1)[0]
    hint = 'Text needs quotes: name = "My bulletin".' if "value" in reason.lower() else ""
    return Problem(place, f"this line cannot be read: {reason[:1].lower()}{reason[1:]}.", hint)


_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]+\")\s*(?:\.\s*[A-Za-z0-9_.-]+\s*)?=")


def _places(text: str, name: str) -> Mapping[Loc, Place]:
    """Where each table and key stands. tomllib gives no positions; a scan of lines is enough to point there."""
    places: dict[Loc, Place] = {(): Place(name, 1, 1)}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header and "=" not in line.partition("]")[0]:
            table = tuple(part.strip().strip('"') for part in header[2].split("."))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            places[table] = Place(name, number, line.index("[") + 1)
            continue
        key = _KEY.match(line)
        if key:
            places.setdefault((*table, key[1].strip('"')), Place(name, number, key.start(1) + 1))
    return MappingProxyType(places)


_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_READ_ON = {"ink": ("paper", "surround"), "colour": ("paper",), "accent": ("paper",)}
"""Each colour that text has, with the colours it stands on: words; headings and links; labels."""
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{1,63}\Z")
"""What every mail server can carry (M-08, M-09)."""
_LONGEST_ADDRESS = 254
_LONGEST_LIST_ID = 250
_LONGEST_BOUNCES = 25
_WEB = re.compile(r"https?://[^\s/\x00-\x1f\x7f<>\"][^\s\x00-\x1f\x7f<>\"]*\Z")
_LOGO = re.compile(r"templates/[A-Za-z0-9][A-Za-z0-9._-]*\.(?:png|jpe?g)\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\Z")
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


def _beyond_schema(config: Config) -> Iterator[Complaint]:
    if not _is_zone(config.timezone):
        yield (
            ("timezone",),
            f'there is no time zone "{config.timezone}".',
            "For the United Kingdom write Europe/London.",
        )
    for name in ("name", "description", "why"):
        yield from _one_line((name,), getattr(config, name))
    for name in ("name", "postal_address", "controller"):
        yield from _one_line(("organisation", name), getattr(config.organisation, name))
    yield from _one_line(("sender", "name"), config.sender.name)
    yield from _one_line(("web", "frequency"), config.web.frequency)
    yield from _proxies(config.web)
    for name in ("address", "reply_to", "bounces", "unsubscribe_mailbox"):
        value = getattr(config.sender, name)
        if value is not None and not (_ADDRESS.match(value) and len(value) <= _LONGEST_ADDRESS):
            hint = "Write it as name@example.org" + ("." if value.isascii() else ", a domain in its xn-- form.")
            yield ("sender", name), f'"{value}" is not a mail address.', hint
    if len((config.sender.bounces or "").partition("@")[0]) > _LONGEST_BOUNCES:
        hint = f"Use a mailbox with at most {_LONGEST_BOUNCES}: the rest is needed to tell the copies apart."
        yield ("sender", "bounces"), "there are too many characters before the @.", hint
    listed = config.sender.list_id
    if listed is not None and not (
        re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", listed) and len(listed) <= _LONGEST_LIST_ID
    ):
        yield (
            ("sender", "list_id"),
            f'"{config.sender.list_id}" is not a name with dots.',
            "Write bulletin.example.org.",
        )
    yield from _signing(config.sender)
    yield from _addresses(config)
    yield from _languages(config)
    if config.mailbox:
        yield from _mailbox(config.mailbox)
    yield from _brand_colours(config.brand)
    logo = config.brand.logo
    if logo is not None and not _LOGO.match(logo):
        yield (
            ("brand", "logo"),
            f'"{logo}" is not a PNG or JPEG file in the folder templates.',
            "Copy the picture there, and write templates/logo.png.",
        )
    if re.search(r"[;{}<>\"\\]", config.brand.font):
        yield (
            ("brand", "font"),
            "this font list holds a sign that cannot stand in a style.",
            "Use single quotes and commas only.",
        )
    yield from _ids(config)
    yield from _audiences(config)
    yield from _sources(config)
    for name in ("unconfirmed_days", "send_logs_months", "events_months"):
        if not 1 <= getattr(config.retention, name) <= 1200:
            yield ("retention", name), "this is not a time that can be kept.", "Write a number from 1 to 1200."


def _mailbox(mailbox: Mailbox) -> Iterator[Complaint]:
    if mailbox.client and not (mailbox.tenant or mailbox.token_url):
        yield ("mailbox", "client"), "an app needs to know where to get its tokens.", "Add tenant under [mailbox]."
    if not 1 <= mailbox.port <= 65535:
        yield ("mailbox", "port"), f"there is no port {mailbox.port}.", "Leave it out for 993, the usual one."


def _proxies(web: Web) -> Iterator[Complaint]:
    """Z-16: a name that is not an address would be trusted for nothing, and `*` for everything."""
    from ipaddress import ip_network

    for number, proxy in enumerate(web.trusted_proxies):
        try:
            ip_network(proxy)
        except ValueError:
            hint = "Write the address your web server has, 127.0.0.1, or a network, 10.0.0.0/8."
            yield ("web", "trusted_proxies", number), f'"{proxy}" is not an address or a network.', hint


def _languages(config: Config) -> Iterator[Complaint]:
    if not _LANGUAGE.match(config.language):
        yield ("language",), f'"{config.language}" is not a language tag.', "For British English write en-GB."
    first_parts = [config.language.partition("-")[0].lower()]
    for number, language in enumerate(config.languages):
        at: Loc = ("languages", number)
        first = language.partition("-")[0].lower()
        if not _LANGUAGE.match(language):
            yield at, f'"{language}" is not a language tag.', "For Welsh write cy, for British English en-GB."
        elif first in first_parts and language.lower() != config.language.lower():
            yield at, f'"{language}" is there already.', "Name each language once."
        first_parts.append(first)


def _signing(sender: Sender) -> Iterator[Complaint]:
    """Names that the doctor asks the DNS for."""
    for number, selector in enumerate(sender.dkim_selectors):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*", selector):
            hint = "Write what stands after s= in the DKIM-Signature of a message."
            yield ("sender", "dkim_selectors", number), f'"{selector}" cannot be the name of a key.', hint
    domain = sender.dkim_domain
    if domain is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9-]{1,63})+", domain):
        yield ("sender", "dkim_domain"), f'"{domain}" is not a domain.', "Write mail.example.org."


def _brand_colours(brand: Brand) -> Iterator[Complaint]:
    """Colours that are none, else text colours that are hard to read on what they stand on (WCAG 2.2, 1.4.3)."""
    broken = [
        name for name in ("colour", "accent", "paper", "surround", "ink") if not _COLOUR.match(getattr(brand, name))
    ]
    for name in broken:
        hint = "Write # and six digits, such as #1d3557."
        yield ("brand", name), f'"{getattr(brand, name)}" is not a colour.', hint
    if broken:
        return
    for name, grounds in _READ_ON.items():
        text, surfaces = getattr(brand, name), [getattr(brand, ground) for ground in grounds]
        for ground, surface in zip(grounds, surfaces, strict=True):
            ratio = colours.contrast(text, surface)
            if ratio < colours.TEXT_CONTRAST:
                # Cut, not rounded: 4.46 must not read as 4.5.
                said = f'"{name}" {text} on "{ground}" {surface} has a contrast of {int(ratio * 10) / 10}'
                yield ("brand", name), f"{said}; text needs {colours.TEXT_CONTRAST}.", _nearest(text, *surfaces)
                break


def _nearest(text: str, *surfaces: str) -> str:
    """What to write instead of a colour that is hard to read on one of the surfaces."""
    shade = colours.legible(text, *surfaces)
    if all(colours.contrast(shade, surface) >= colours.TEXT_CONTRAST for surface in surfaces):
        return f"The nearest shade that would do is {shade}."
    return "No shade of it would do: make the colours behind it all light, or all dark."


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _one_line(loc: Loc, value: str | None) -> Iterator[Complaint]:
    """M-10: what may end up in a header holds no line break and no NUL."""
    if value and re.search("[\r\n\0]", value):
        yield loc, f'"{loc[-1]}" must be a single line.', "Write it on one line."


def _addresses(config: Config) -> Iterator[Complaint]:
    """Every web address of ours: readers follow some, and others stand in headers."""
    web, organisation = config.web, config.organisation
    for loc, value in (
        (("web", "archive_url"), web.archive_url),
        (("web", "service_url"), web.service_url or None),
        (("organisation", "website"), organisation.website),
        (("organisation", "privacy_url"), organisation.privacy_url),
        (("collecting", "contact"), config.collecting.contact),
    ):
        if value is not None and not _WEB.match(value):
            yield loc, f'"{value}" is not a web address.', "It should start with https:// and hold no spaces."
    if web.service_url == "" and not config.sender.unsubscribe_mailbox:
        hint = "Write the address of the pages, or unsubscribe_mailbox under [sender] for readers who leave by mail."
        yield ("web", "service_url"), "readers would have no way to leave.", hint


_SHARED_ENDINGS = frozenset(
    {"police.uk", "pnn.police.uk", "pcc.police.uk", "gov.uk", "nhs.uk", "co.uk", "org.uk", "ac.uk"}
)


def _ids(config: Config) -> Iterator[Complaint]:
    for kind in ("sections", "topics", "audiences", "lists", "sources"):
        seen: set[str] = set()
        for number, entry in enumerate(getattr(config, kind)):
            if not _ID.match(entry.id):
                yield (kind, number, "id"), f'"{entry.id}" cannot be an id.', "Use small letters, digits and hyphens."
            if entry.id in seen or (kind == "audiences" and entry.id == EVERYONE):
                yield (kind, number, "id"), f'there are two {kind} with the id "{entry.id}".', "Change one of them."
            seen.add(entry.id)


_LONGEST_LIST = 60


def _audiences(config: Config) -> Iterator[Complaint]:
    for number, audience in enumerate(config.audiences):
        at: Loc = ("audiences", number)
        for domain in audience.domains:
            yield from _exact_domain((*at, "domains"), domain)
        for name in ("organisations", "roles"):
            for value in getattr(audience, name):
                if "*" in value or value != " ".join(value.split()) or not value:
                    hint = "Write each in full, on one line: a part or * is not accepted, as it lets others in."
                    yield (*at, name), f'"{value}" does not name one of the {name}.', hint
        for name in ("lists", "topics"):
            known = [entry.id for entry in getattr(config, name)]
            for value in getattr(audience, name):
                if value not in known:
                    hint = door.closest(value, known) or f"Describe it under [[{name}]] first."
                    yield (*at, name), f'there is no {name[:-1]} "{value}".', hint
        yield from _language_tags((*at, "languages"), audience.languages)
    for number, entry in enumerate(config.lists):
        for name in ("title", "description"):
            yield from _one_line(("lists", number, name), getattr(entry, name))
        if len(entry.id) > _LONGEST_LIST:
            yield ("lists", number, "id"), f'"{entry.id}" is too long.', f"Use at most {_LONGEST_LIST} characters."
        yield from _language_tags(("lists", number, "languages"), entry.languages)


def _exact_domain(at: Loc, domain: str) -> Iterator[Complaint]:
    """S-26."""
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        hint = (
            "Write each domain in full, in small letters. An ending or * is not accepted, as it lets others in:"
            " commissioners, for one, are at names that end in police.uk too."
        )
        yield at, f'"{domain}" is not an exact mail domain.', hint
    elif domain in _SHARED_ENDINGS:
        yield (
            at,
            f'"{domain}" is what many organisations\' domains end in, not one of them.',
            "Write each organisation's own domain in full. For all police forces write: forces = true",
        )


def _language_tags(at: Loc, languages: tuple[str, ...]) -> Iterator[Complaint]:
    for language in languages:
        if not _LANGUAGE.match(language):
            yield at, f'"{language}" is not a language tag.', "For Welsh write cy, for British English en-GB."


def _sources(config: Config) -> Iterator[Complaint]:
    for number, topic in enumerate(config.topics):
        if topic.section and topic.section not in config.vocabulary.sections:
            hint = door.closest(topic.section, config.vocabulary.sections)
            yield ("topics", number, "section"), f'there is no section "{topic.section}".', hint
    for number, source in enumerate(config.sources):
        if source.kind == "folder":
            if source.url.startswith(("/", "\\")) or ":" in source.url or ".." in source.url.split("/"):
                hint = 'Make one beside bulletin.toml, and write its name: url = "saved"'
                yield ("sources", number, "url"), f'"{source.url}" is not a folder of the publication.', hint
        elif not re.match(
            r"(https?|webcals?)://[^\s/]+" if source.kind == "calendar" else r"https?://[^\s/]+", source.url
        ):
            yield ("sources", number, "url"), f'"{source.url}" is not a web address.', "It should start with https://."
        for key, most in (("limit", 1000), ("pages", 20)):
            if not 1 <= getattr(source, key) <= most:
                yield ("sources", number, key), f'"{key}" is too small or too large.', f"Write 1 to {most}."
        if source.section and source.section not in config.vocabulary.sections:
            hint = door.closest(source.section, config.vocabulary.sections)
            yield ("sources", number, "section"), f'there is no section "{source.section}".', hint
        for name in source.topics:
            if name not in config.vocabulary.topics:
                yield (
                    ("sources", number, "topics"),
                    f'there is no topic "{name}".',
                    door.closest(name, config.vocabulary.topics),
                )
