"""An issue in another language: what is translated put in its place, and what is not remembered. Pure.

Whoever reads Welsh gets Welsh as far as there is any. What nobody has translated stands there in the publication's own
language, so that no reader misses a story, and is marked as what it is (W-04, X-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bulletin.config import Config
from bulletin.model import Issue, Item, Section, TranslatedItem, TranslatedSection, Translation
from bulletin.words import Words, primary

GENERAL = ("title", "subject", "preheader", "notice", "welcome", "signed")
"""The words of an issue that belong to no section and no item."""
OF_ITEM = ("title", "summary", "link", "alt", "place")
"""The words of an item."""
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Untranslated:
    """The words of an issue that have no translation, by what they belong to."""

    source_language: str = ""
    general: frozenset[str] = _NOTHING
    sections: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    items: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    audiences: frozenset[str] = _NOTHING
    """Audiences whose name has no translation."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An issue and the settings in another language, as far as they are translated."""

    issue: Issue
    config: Config
    untranslated: Untranslated


def language_for(config: Config, wanted: str) -> str:
    """The publication's language that comes nearest to the one somebody wants; its own if it has none such."""
    offered = (config.language, *config.other_languages)
    return next((known for known in offered if primary(known) == primary(wanted)), config.language)


def settings_in(config: Config, language: str, words: Words) -> Config:
    """The settings in another language, as far as the theme's words have them."""
    names, own = words.names, words.names["publication"]
    brand = replace(
        config.brand,
        masthead=own.get("masthead") or config.brand.masthead,
        strapline=own.get("strapline") or config.brand.strapline,
    )
    organisation = replace(
        config.organisation,
        name=own.get("organisation") or config.organisation.name,
        postal_address=own.get("postal_address") or config.organisation.postal_address,
        controller=own.get("controller") or config.organisation.controller,
    )
    return replace(
        config,
        language=language,
        name=own.get("name") or config.name,
        description=own.get("description") or config.description,
        why=own.get("why") or config.why,
        web=replace(config.web, frequency=own.get("frequency") or config.web.frequency),
        brand=brand,
        organisation=organisation,
        sections=tuple(replace(one, title=names["sections"].get(one.id, one.title)) for one in config.sections),
        topics=tuple(replace(one, title=names["topics"].get(one.id, one.title)) for one in config.topics),
        audiences=tuple(replace(one, title=names["audiences"].get(one.id, one.title)) for one in config.audiences),
        lists=tuple(replace(one, title=names["lists"].get(one.id, one.title)) for one in config.lists),
    )


def speak(issue: Issue, config: Config, translation: Translation, language: str, words: Words) -> Spoken:
    """The issue and the settings with every word replaced that the translation or the words of the theme have."""
    own = words.names["publication"]
    general = {name: getattr(translation, name) for name in GENERAL if getattr(translation, name)}
    spoken = settings_in(config, language, words)
    sections = tuple(_section(section, translation) for section in issue.sections)
    foreign = {name for name in GENERAL if getattr(issue, name) and name not in general}
    foreign |= {"why"} if not own.get("why") else set()
    foreign |= {"strapline"} if config.brand.strapline and not own.get("strapline") else set()
    untranslated = Untranslated(
        config.language,
        frozenset(foreign),
        {one.id: frozenset(_missing_of_section(one, translation, words)) for one in issue.sections},
        {one.id: frozenset(_missing_of_item(one, translation, words)) for one in issue.items},
        frozenset(one.id for one in config.audiences if one.id not in words.names["audiences"]),
    )
    return Spoken(replace(issue, **general, sections=sections), spoken, untranslated)


def missing(item: Item, translation: Translation) -> tuple[str, ...]:
    """The words of an item that the translation lacks, in the order of `OF_ITEM`."""
    there = {
        "title": item.title,
        "summary": item.summary,
        "link": item.link,
        "alt": item.image and item.image.alt,
        "place": item.event and item.event.place,
    }
    said = translation.items.get(item.id, TranslatedItem())
    return tuple(name for name in OF_ITEM if (there[name] or "").strip() and not _given(getattr(said, name)))


def headings_missing(issue: Issue, translation: Translation, words: Words) -> Iterator[tuple[str, str]]:
    """The sections whose `title` or `intro` neither the translation nor the theme's words have."""
    for section in issue.sections:
        if section.items:
            yield from ((section.id, name) for name in _missing_of_section(section, translation, words))


def names_missing(issue: Issue, config: Config, words: Words) -> dict[str, tuple[str, ...]]:
    """What the settings say, the issue shows, and the theme's words do not have, by the table it belongs in."""
    own = words.names["publication"]
    shown = {"why": config.why, "strapline": config.brand.strapline}
    topics = {topic for item in issue.items for topic in item.topics}
    audiences = {audience for item in issue.items if item.restricted for audience in item.audience}
    found = {
        "publication": tuple(name for name, said in shown.items() if said and not own.get(name)),
        "topics": tuple(sorted(topics - words.names["topics"].keys())),
        "audiences": tuple(sorted(audiences - words.names["audiences"].keys())),
    }
    return {table: names for table, names in found.items() if names}


def _given(words: str | None) -> bool:
    return bool(words and words.strip())


def _missing_of_item(item: Item, translation: Translation, words: Words) -> Iterator[str]:
    yield from missing(item, translation)
    if any(topic not in words.names["topics"] for topic in item.topics):
        yield "topics"


def _missing_of_section(section: Section, translation: Translation, words: Words) -> Iterator[str]:
    said = translation.sections.get(section.id, TranslatedSection())
    if not said.title and (section.title or section.id not in words.names["sections"]):
        yield "title"
    if section.intro and not _given(said.intro):
        yield "intro"


def _section(section: Section, translation: Translation) -> Section:
    said = translation.sections.get(section.id, TranslatedSection())
    return replace(
        section,
        title=said.title or section.title,
        intro=said.intro if _given(said.intro) else section.intro,
        items=tuple(_item(item, translation) for item in section.items),
    )


def _item(item: Item, translation: Translation) -> Item:
    said = translation.items.get(item.id)
    if said is None:
        return item
    place = said.place or (item.event.place if item.event else None)
    return replace(
        item,
        title=said.title if said.title and _given(said.title) else item.title,
        summary=said.summary if said.summary and _given(said.summary) else item.summary,
        link=said.link if item.link and _given(said.link) else item.link,
        image=replace(item.image, alt=said.alt if _given(said.alt) else item.image.alt) if item.image else None,
        event=replace(item.event, place=place) if item.event else None,
    )
