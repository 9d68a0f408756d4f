"""The build of an issue: sections, their order, and the length of items."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._leftovers import leftover
from bulletin.checks._reading import clipped, count_words, item_passages
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity

_SHORTEST, _LONGEST = 40, 80


@check("STR01", Severity.LOOK)
def empty_section(material: Material) -> Iterator[Found]:
    """A section has no items.

    *Why*: it is left out of the mail, its introduction too. Perhaps something is still to come.

    *Instead of*: a heading that waits.

    *Write*: an item, or delete the section's lines.
    """
    if not list(material.issue.items):
        return
    for s, section in enumerate(material.issue.sections):
        if not section.items:
            title = section.title or material.config.section_title(section.id)
            yield Found(
                ("sections", s), f'the section "{title}" is empty and will be left out.', "Add an item, or delete it."
            )


@check("STR02", Severity.MUST_FIX)
def no_items(material: Material) -> Iterator[Found]:
    """The issue has no items at all.

    *Why*: there is nothing to send.

    *Instead of*: sections without stories.

    *Write*: at least one item. `bulletin collect` finds stories, `bulletin pick` puts them into sections.
    """
    if not list(material.issue.items):
        yield Found(("sections",), "this issue has no items.", f"Find some: bulletin collect {material.issue.id}")


@check("STR03", Severity.LOOK)
def summary_length(material: Material) -> Iterator[Found]:
    """An item's summary has fewer than 40 or more than 80 words.

    *Why*: a shorter one says too little to decide whether to read on; a longer one is not read.

    *Instead of*: the first three paragraphs of the press release.

    *Write*: what happened, whom it concerns, and what to do, in 40 to 80 plain words.
    """
    for at, item in material.items():
        words = next((passage.words for passage in item_passages(at, item) if passage.loc[-1] == "summary"), "")
        count = count_words(words)
        if not count:
            yield Found(at, f'"{clipped(item.title)}" has no summary.', f"Write {_SHORTEST} to {_LONGEST} words.")
        elif not _SHORTEST <= count <= _LONGEST and not leftover(words):
            yield Found(
                (*at, "summary"),
                f"the summary has {count} word{'s' if count != 1 else ''}; aim for {_SHORTEST} to {_LONGEST}.",
                "Add what readers need to know." if count < _SHORTEST else "Leave the details to the page it links to.",
            )


@check("STR04", Severity.LOOK)
def section_order(material: Material) -> Iterator[Found]:
    """The sections stand in another order than in the settings.

    *Why*: regular readers know where to look.

    *Instead of*: events first in one issue and last in the next.

    *Write*: the sections in the order of bulletin.toml, or change the order there.
    """
    standing = material.config.vocabulary.sections
    highest = -1
    for s, section in enumerate(material.issue.sections):
        if section.id not in standing:
            continue
        position = standing.index(section.id)
        if position < highest:
            title, other = (material.config.section_title(name) for name in (section.id, standing[highest]))
            yield Found(
                ("sections", s),
                f'"{title}" stands after "{other}", other than usual.',
                "Move it up, or leave it if that is meant.",
            )
        highest = max(highest, position)
