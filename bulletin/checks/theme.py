"""The publication's own templates: words that do nothing, and templates that break on what an issue may hold."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity


@check("THM01", Severity.LOOK)
def words_of_the_templates(material: Material) -> Iterator[Found]:
    """A template of your own holds a tag, attribute, style or value that does nothing, or lacks one that it needs.

    *Why*: neither MJML nor mail programs complain of a misspelt word; the page just looks other than meant, and only
    in some of them. A picture without alternative text says nothing to readers who do not see it.

    *Instead of*: <mj-text colour="#1d3557" padding="12">

    *Write*: <mj-text color="#1d3557" padding="12px">
    """
    for problem in material.theme:
        yield Found((), problem.message, problem.hint, place=problem.place)


@check("THM02", Severity.MUST_FIX)
def templates_under_strain(material: Material) -> Iterator[Found]:
    """A template of your own breaks on something that an issue may hold: odd headlines, missing fields, many items.

    *Why*: this issue may look well and the next one not go out at all, or go out without a headline. So the templates
    are tried with made-up issues: with every field and with none, very long, from right to left, with signs that mean
    something in HTML.

    *Instead of*: {{ item.event.place|upper }} for every item

    *Write*: {% if item.event and item.event.place %}{{ item.event.place|upper }}{% endif %}
    """
    for problem in material.theme_breaks:
        yield Found((), problem.message, problem.hint, place=problem.place)
