"""Stories that readers have had before."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._reading import clipped, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity
from bulletin.selection import same_story_key


@check("DUP01", Severity.LOOK)
def twice_here(material: Material) -> Iterator[Found]:
    """Two items of this issue lead to the same page.

    *Why*: it is often one story that came in from two sources.

    *Instead of*: two items on one report.

    *Write*: one item, with the better source.
    """
    first: dict[str, str] = {}
    for at, item in material.items():
        if not item.url:
            continue
        key = same_story_key(item.url)
        if key in first:
            yield Found(
                (*at, "url"),
                f'"{clipped(first[key])}" leads to this page too.',
                "Keep one of the two items, or correct the address.",
            )
        first.setdefault(key, item.title)


@check("DUP02", Severity.LOOK)
def ran_before(material: Material) -> Iterator[Found]:
    """An item leads to a page that an earlier issue had already.

    *Why*: readers have seen it. Sometimes that is meant, as with a page that was updated or a date that comes near.

    *Instead of*: last month's report once more.

    *Write*: a new story; or say in the summary what is new, and accept this finding for the item under `allow`.
    """
    before = {
        same_story_key(item.url): (issue.id, item.title)
        for issue in material.earlier
        for item in issue.items
        if item.url
    }
    for at, item in material.items():
        if item.url and same_story_key(item.url) in before:
            issue, title = before[same_story_key(item.url)]
            yield Found(
                (*at, "url"),
                f'this page was in the issue {issue} already, as "{clipped(title)}".',
                "Take it out, or say in the summary what is new.",
            )


@check("DUP03", Severity.LOOK)
def same_headline(material: Material) -> Iterator[Found]:
    """Two items of this issue have the same headline.

    *Why*: readers and screen readers cannot tell them apart in the list "In this issue".

    *Instead of*: "New guidance published", twice.

    *Write*: headlines that name what each is about.
    """
    seen: set[str] = set()
    for at, item in material.items():
        key = plain_key(item.title)
        if key in seen:
            yield Found(
                (*at, "title"),
                f'another item has the headline "{clipped(item.title)}" too.',
                "Say what sets them apart.",
            )
        seen.add(key)
