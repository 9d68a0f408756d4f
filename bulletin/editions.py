"""Issue to editions: the issue as one audience reads it. Pure; what an audience may not read is never copied (S-22)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from urllib.parse import quote
from zoneinfo import ZoneInfo

from bulletin.config import Config
from bulletin.model import (
    EVERYONE,
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


def make_edition(
    issue: Issue, config: Config, pictures: Mapping[str, Picture | None], audience: str = EVERYONE
) -> Edition:
    """The issue as `audience` reads it: everyone's items and its own, in order, without empty sections.

    `pictures` holds the facts of the issue's picture files. A picture is shown only where it may be published: mail
    fetches pictures from the archive, so restricted items and issues outside the archive have none.
    """
    sections = []
    for section in issue.sections:
        items = tuple(_item(item, issue, config, pictures) for item in section.items if may_read(audience, item))
        if items:
            title = section.title or config.section_title(section.id)
            layout = section.layout or config.section_layout(section.id)
            sections.append(
                EditionSection(id=section.id, title=title, intro=section.intro or "", items=items, layout=layout)
            )
    titles = {known.id: known.title for known in config.audiences}
    return Edition(
        issue=issue.id,
        audience=audience,
        audience_title=titles.get(audience, "Everyone"),
        language=config.language,
        title=issue.title,
        date=issue.date,
        subject=issue.subject or issue.title,
        preheader=issue.preheader,
        notice=issue.notice or "",
        welcome=issue.welcome,
        signed=issue.signed or "",
        sections=tuple(sections),
        online_url=issue_url(config, issue.id) if issue.public and audience == EVERYONE else None,
    )


def may_read(audience: str, item: Item) -> bool:
    """Whether readers of this audience get the item."""
    return not item.restricted or audience in item.audience


def audiences_of(issue: Issue, config: Config) -> tuple[str, ...]:
    """The audiences that need an edition of their own, the narrowest first, everyone last.

    An audience for which the issue holds nothing of its own reads the edition for everyone.
    """
    named = {audience for item in issue.items if item.restricted for audience in item.audience}
    return (*(audience.id for audience in config.audiences if audience.id in named), EVERYONE)


def issue_url(config: Config, issue: str) -> str:
    """Address of an issue's page in the archive."""
    return f"{config.archive_url}{issue}/"


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
