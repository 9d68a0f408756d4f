"""Stories that readers have had before."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.addresses import same_story_key
from bulletin.checks._alike import LOOKED_BACK, alike
from bulletin.checks._reading import clipped, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Item, Severity


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


_TITLE_WORDS = 4
_SUMMARY_WORDS = 15
_WELCOME_WORDS = 12


@check("DUP04", Severity.LOOK)
def same_words(material: Material) -> Iterator[Found]:
    """An item has nearly the headline or summary of another, in this issue or an earlier one.

    *Why*: the same story comes again under another address, or a copied item kept the old one's summary.

    *Instead of*: a new headline above last month's summary.

    *Write*: what is new; or take the item out. A session that is held every month may keep its headline: an event is
    compared by its summary only.
    """
    before = [
        (f"in the issue {issue.id}", item)
        for issue in reversed(material.earlier[-LOOKED_BACK:])
        for item in issue.items
    ]
    here: list[tuple[str, Item]] = []
    for at, item in material.items():
        for where, other in (*here, *before):
            key = _shared(item, other, earlier=where != _HERE)
            if key:
                yield Found(
                    (*at, key),
                    f'"{clipped(item.title)}" has nearly the {_CALLED[key]} of "{clipped(other.title)}" {where}.',
                    "Say what is new, or take one of them out.",
                )
                break
        here.append((_HERE, item))


_HERE = "in this issue"
_CALLED = {"title": "headline", "summary": "summary"}


def _shared(item: Item, other: Item, *, earlier: bool) -> str:
    """What two items share: "summary", "title" or nothing. Two that lead to one page are another check's matter."""
    compared = earlier and not (item.event or other.event)
    if alike(item.summary, other.summary, fewest=_SUMMARY_WORDS):
        shared = "summary"
    elif compared and alike(item.title, other.title, fewest=_TITLE_WORDS):
        shared = "title"
    else:
        return ""
    # Asked last: of hundreds of items, few are alike, and to compare addresses takes longer.
    same_page = item.url and other.url and same_story_key(item.url) == same_story_key(other.url)
    return "" if same_page else shared


@check("DUP05", Severity.LOOK)
def same_picture(material: Material) -> Iterator[Found]:
    """A picture stands twice in this issue, or has the description that one had in an earlier issue.

    *Why*: a picture that readers know makes a new story look old; two items with one picture are hard to tell apart.

    *Instead of*: the same hands on a keyboard for every report.

    *Write*: another picture, or none: an item does not need one.
    """
    files: dict[str, str] = {}
    described = {
        plain_key(item.image.alt): issue.id
        for issue in material.earlier[-LOOKED_BACK:]
        for item in issue.items
        if item.image and item.image.alt
    }
    for at, item in material.items():
        if not item.image:
            continue
        if item.image.file in files:
            yield Found(
                (*at, "image", "file"),
                f'"{clipped(files[item.image.file])}" has this picture too.',
                "Take another one, or leave it out.",
            )
        elif item.image.alt and plain_key(item.image.alt) in described:
            yield Found(
                (*at, "image", "alt"),
                f"a picture in the issue {described[plain_key(item.image.alt)]} has this description too.",
                "If it is the same picture, take another one; if not, say what this one shows.",
            )
        files.setdefault(item.image.file, item.title)


@check("DUP06", Severity.LOOK)
def same_welcome(material: Material) -> Iterator[Found]:
    """The welcome is nearly that of an earlier issue.

    *Why*: an issue is often made from the last one. The month and numbers do not count here, so "Welcome to the May
    issue" above last month's words is found.

    *Instead of*: the old welcome with a new month.

    *Write*: two or three sentences on what matters in this issue, or no welcome at all.
    """
    welcome = material.issue.welcome or ""
    for issue in reversed(material.earlier[-LOOKED_BACK:]):
        if alike(welcome, issue.welcome or "", fewest=_WELCOME_WORDS):
            yield Found(
                ("welcome",),
                f'the welcome is nearly that of the issue {issue.id}: "{clipped(welcome)}".',
                "Say what matters in this issue, or leave it out.",
            )
            break
