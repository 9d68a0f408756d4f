"""Issue to editions: the issue as one audience reads it. Pure; what an audience may not read is never copied (S-22)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote
from zoneinfo import ZoneInfo

from bulletin import markings
from bulletin.config import Config
from bulletin.errors import LeakError
from bulletin.model import (
    EVERYONE,
    Correction,
    Edition,
    EditionEvent,
    EditionItem,
    EditionPicture,
    EditionSection,
    Event,
    Issue,
    Item,
    Picture,
)
from bulletin.translations import Untranslated

LOGO_WIDEST = 536
"""Pixels of the mail's column without its margins."""
LOGO_FORMATS = frozenset({"PNG", "JPEG"})


def make_edition(
    issue: Issue,
    config: Config,
    pictures: Mapping[str, Picture | None],
    audience: str = EVERYONE,
    untranslated: Untranslated | None = None,
) -> Edition:
    """The issue as `audience` reads it: everyone's items and its own, in order, without empty sections.

    `pictures` holds the facts of the issue's picture files and of the masthead's. A picture is shown only where it may
    be published: mail fetches pictures from the archive, so restricted items and issues outside the archive have none.

    In another language, issue and settings are what `translations.speak` made of them, and `untranslated` what it left.

    Raises `LeakError` if everyone would read what is marked for fewer (S-21).
    """
    if audience == EVERYONE:
        _refuse_marked(issue)
    read = [item for item in issue.items if may_read(audience, item)]
    marking, tlp = _marking(issue, read, config), _tlp(read)
    untranslated = untranslated or Untranslated()
    sections = []
    for section in issue.sections:
        items = tuple(
            replace(_item(item, issue, config, pictures), untranslated=untranslated.items.get(item.id, frozenset()))
            for item in section.items
            if may_read(audience, item)
        )
        if items:
            title = section.title or config.section_title(section.id)
            layout = section.layout or config.section_layout(section.id)
            sections.append(
                EditionSection(
                    id=section.id,
                    title=title,
                    intro=section.intro or "",
                    items=items,
                    layout=layout,
                    untranslated=untranslated.sections.get(section.id, frozenset()),
                )
            )
    titles = {known.id: known.title for known in config.audiences}
    return Edition(
        issue=issue.id,
        audience=audience,
        audience_title=titles.get(audience, "Everyone"),
        language=config.language,
        title=issue.title,
        date=issue.date,
        subject=" | ".join(filter(None, (*_said_first(issue, read, tlp), issue.subject or issue.title))),
        preheader=issue.preheader,
        notice=issue.notice or "",
        welcome=issue.welcome,
        signed=issue.signed or "",
        sections=tuple(sections),
        online_url=issue_url(config, issue.id) if issue.public and audience == EVERYONE else None,
        marking=marking,
        tlp=tlp,
        logo=_logo(issue, config, pictures) if issue.public else None,
        corrections=_corrections(issue, {item.id for item in read}),
        untranslated=untranslated.general | ({"audience_title"} if audience in untranslated.audiences else set()),
        source_language=untranslated.source_language,
    )


def _corrections(issue: Issue, read: Collection[str]) -> tuple[Correction, ...]:
    """Those of the issue and of the items that are read: a correction tells of an item as much as its headline does."""
    said = [one for one in issue.corrections if one.item is None or one.item in read]
    return tuple(sorted(said, key=lambda one: one.date, reverse=True))


def may_read(audience: str, item: Item) -> bool:
    """Whether readers of this audience get the item."""
    return not item.restricted or audience in item.audience


def audiences_of(issue: Issue, config: Config) -> tuple[str, ...]:
    """The audiences that need an edition of their own, the narrowest first, everyone last.

    An audience for which the issue holds nothing of its own reads the edition for everyone.
    """
    named = {audience for item in issue.items if item.restricted for audience in item.audience}
    return (*(audience.id for audience in config.audiences if audience.id in named), EVERYONE)


def _refuse_marked(issue: Issue) -> None:
    """S-21: stopped here, so that nothing is made of it, and again by the gate."""
    for item, marked in markings.open_but_marked(issue):
        raise LeakError(
            f'the item "{item.id}" in {issue.id} is marked {marked} and open to everyone.'
            if item
            else f"the issue {issue.id} is marked {marked}, and its words go to everyone.",
            hint='Name who may read it under "audience", or take it out.'
            if item
            else "Mark the items it is about, and keep each for an audience that may read it.",
        )


def _strictest(issue: Issue, items: Iterable[Item]) -> markings.Marking | None:
    """What covers all that these readers get: the editor can raise it for the whole issue, not lower it (S-08)."""
    found = [markings.marking_of(issue), *(markings.marking_of(item) for item in items)]
    return markings.strictest(marking for marking in found if marking)


def _marking(issue: Issue, items: Iterable[Item], config: Config) -> str:
    """The marking an edition shows. Plain OFFICIAL shows only where the settings ask for it (S-10)."""
    marking = _strictest(issue, items) or markings.PLAIN
    return str(marking) if marking != markings.PLAIN or config.mark_official else ""


def _tlp(items: Collection[Item]) -> str:
    """The strictest label of the items; TLP:CLEAR only if all have it, as it would speak for the others too."""
    label = markings.strictest_tlp(item.tlp or "" for item in items)
    return label if label != markings.TLP[0] or all(item.tlp for item in items) else ""


def _said_first(issue: Issue, items: Iterable[Item], tlp: str) -> Iterator[str]:
    """What the subject starts with: a marking above plain OFFICIAL (S-09) and the label (S-12)."""
    marking = _strictest(issue, items)
    typed = (issue.subject or issue.title).upper()
    if marking and not marking.for_everyone and not typed.startswith(str(marking)):
        yield str(marking)
    if tlp and tlp not in typed:
        yield tlp


def issue_url(config: Config, issue: str) -> str:
    """Address of an issue's page in the archive."""
    return f"{config.archive_url}{issue}/"


def logo_name(logo: str) -> str:
    """File name of the masthead's picture beside each issue's page, so that a new one leaves old mails alone."""
    return f"masthead.{logo.rpartition('.')[2]}"


def calendar_name(item: str) -> str:
    """File name of an event's calendar file, beside the issue's page."""
    return f"{item}.ics"


def _item(item: Item, issue: Issue, config: Config, pictures: Mapping[str, Picture | None]) -> EditionItem:
    published = issue.public and not item.restricted
    return EditionItem(
        id=item.id,
        title=item.title,
        url=item.url,
        link=item.link,
        source=item.source,
        published=item.published,
        topics=tuple(config.topic_title(topic) for topic in item.topics),
        summary=item.summary,
        picture=_picture(item, issue, config, pictures) if published else None,
        expires=item.expires,
        event=_event(item.event, item, issue, config, published) if item.event else None,
        restricted=item.restricted,
        marking=_shown(item),
        tlp=item.tlp or "",
    )


def _shown(item: Item) -> str:
    """The marking shown with an item: one that keeps it from somebody."""
    marking = markings.marking_of(item)
    return str(marking) if marking and not marking.for_everyone else ""


def _logo(issue: Issue, config: Config, pictures: Mapping[str, Picture | None]) -> EditionPicture | None:
    facts = pictures.get(config.brand.logo or "")
    if not config.brand.logo or facts is None or facts.format not in LOGO_FORMATS:
        return None
    width = min(facts.width, LOGO_WIDEST)
    return EditionPicture(
        src=issue_url(config, issue.id) + logo_name(config.brand.logo),
        file=logo_name(config.brand.logo),
        alt=config.brand.masthead or config.name,
        width=width,
        height=round(facts.height * width / facts.width),
    )


def _picture(item: Item, issue: Issue, config: Config, pictures: Mapping[str, Picture | None]) -> EditionPicture | None:
    if item.image is None:
        return None
    facts = pictures.get(item.image.file)
    if facts is None or not facts.format:
        return None
    return EditionPicture(
        src=issue_url(config, issue.id) + quote(item.image.file),
        file=item.image.file,
        alt=item.image.alt or "",
        width=facts.width,
        height=facts.height,
    )


def _event(event: Event, item: Item, issue: Issue, config: Config, published: bool) -> EditionEvent:
    calendar = issue_url(config, issue.id) + calendar_name(item.id) if published else None
    return EditionEvent(
        starts=_in_zone(event.starts, config.zone),
        ends=_in_zone(event.ends, config.zone) if event.ends else None,
        place=event.place,
        booking=event.booking,
        calendar_url=calendar,
    )


def _in_zone(time: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """A time without a zone is the publication's own; one with a zone is moved there."""
    return time.astimezone(zone) if time.tzinfo else time.replace(tzinfo=zone)
