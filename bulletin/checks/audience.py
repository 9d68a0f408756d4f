"""Words that must not reach readers they are not meant for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from bulletin.addresses import same_story_key
from bulletin.checks._reading import Passage, clipped, links, passages, plain_key, sentences
from bulletin.checks._rule import Found, Material, check
from bulletin.config import AudienceSetting
from bulletin.door import Loc
from bulletin.model import Item, Severity

_TELLING_WORDS = 6
"""Words in a row that two texts hardly share by chance."""


@check("AUD01", Severity.MUST_FIX)
def restricted_elsewhere(material: Material) -> Iterator[Found]:
    """Words or the link of an item kept for an audience also stand where others read them.

    *Why*: the item itself is kept back, but its headline in the welcome, a sentence copied into another item, or the
    same link tells everyone.

    *Instead of*: a line in the welcome that announces the item for forces.

    *Write*: nothing about it outside the item. If the link is public knowledge, accept this under `allow`.
    """
    kept = [item for item in material.issue.items if item.restricted]
    for passage in passages(material):
        for item in kept:
            if _reaches_others(passage.item, item) and (shared := _shared(item, passage)):
                yield Found(
                    passage.loc,
                    f'{passage.name} holds "{clipped(shared)}" of the item "{item.id}", which is kept for '
                    f"{' and '.join(item.audience)}.",
                    "Take it out here, or open the item to the same readers.",
                )
    by_place: dict[Loc, Item] = dict(material.items())
    for link in links(material):
        owner = next((found for at, found in by_place.items() if link.loc[: len(at)] == at), None)
        for item in kept:
            if item.url and _reaches_others(owner, item) and same_story_key(item.url) == same_story_key(link.url):
                yield Found(
                    link.loc,
                    f'this is the link of the item "{item.id}", which is kept for {" and ".join(item.audience)}.',
                    "Take it out here, or open the item to the same readers.",
                )


@check("AUD02", Severity.LOOK)
def open_door(material: Material) -> Iterator[Found]:
    """An item is kept for an audience that any reader can join by themselves.

    *Why*: readers choose topics, languages and public lists on their own page, and nobody looks who does. It serves to
    spare the others what is of no use to them, and keeps nothing from anybody.

    *Instead of*: an item for officers, kept for everyone who chose the topic stalking.

    *Write*: an audience of exact domains, or of a list that only you fill. If nothing in the item needs keeping, accept
    this under `allow`.
    """
    public = {known.id for known in material.config.lists if known.public}
    doors = {known.id: known.title for known in material.config.audiences if _opens_itself(known, public)}
    for at, item in material.items():
        for place, audience in enumerate(item.audience):
            if item.restricted and audience in doors:
                yield Found(
                    (*at, "audience", place),
                    f'this item is kept for "{doors[audience]}", which any reader can join by themselves.',
                    "Keep it for an audience of exact domains, or of a list that only you fill.",
                )


def _opens_itself(audience: AudienceSetting, public: Collection[str]) -> bool:
    """Whether nothing that the audience names is in the publisher's hand."""
    if audience.domains or audience.forces or audience.organisations or audience.roles:
        return False
    return any(name in public for name in audience.lists) or bool(
        not audience.lists and (audience.topics or audience.languages)
    )


def _reaches_others(owner: Item | None, kept: Item) -> bool:
    """Whether a text of `owner`, or of the issue as a whole, is read by people who may not read `kept`."""
    if owner is kept:
        return False
    return owner is None or not owner.restricted or not set(owner.audience) <= set(kept.audience)


def _shared(kept: Item, passage: Passage) -> str:
    here = f" {plain_key(passage.words)} "
    for words in (kept.title, *sentences(_unmarked(kept.summary))):
        key = plain_key(words)
        least = 3 if words is kept.title else _TELLING_WORDS
        if key and (f" {key} " in here if len(key.split()) >= least else key == here.strip()):
            return words
    return ""


def _unmarked(markdown: str) -> str:
    return " ".join(re.sub(r"\]\([^)]*\)|[*_\[\]`>#]", " ", markdown).split())
