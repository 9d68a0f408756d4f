"""What templates say in the mail's language, and how they mark what is in another one (X-21, W-04)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bulletin.model import Edition, EditionItem, EditionSection
from bulletin.render import markdown, wording
from bulletin.words import Words, english, primary

if TYPE_CHECKING:
    from jinja2.runtime import Context

Speaking = Edition | EditionItem | EditionSection
"""What has words of its own, of which some may be untranslated."""


def filters() -> dict[str, Callable[..., Any]]:
    """The filters of dates and times, in the language of the mail."""
    plain = (wording.clock, wording.day, wording.month, wording.weekday, wording.when)
    return {function.__name__: _in_the_language(function) for function in plain}


def functions() -> dict[str, Callable[..., Any]]:
    """What templates call by name."""
    from jinja2 import pass_context

    own = (say, lang, lang_class, marked, prose, only_in, occasion, readers_only)
    return {
        "credit": _in_the_language(wording.credit),
        **{function.__name__: pass_context(function) for function in own},
    }


def say(context: Context, phrase: str, **values: object) -> str:
    """A phrase of the theme; in HTML the values are escaped like any other."""
    from markupsafe import Markup, escape

    pattern = _words(context).pattern(phrase)
    if not context.eval_ctx.autoescape:
        return pattern.format(**values)
    said: Markup = escape(pattern)
    return said.format(**values)


def lang(context: Context, thing: Speaking, *names: str) -> str:
    """The attribute `lang` for an element with these words of a thing; nothing if they are in the mail's language."""
    from markupsafe import Markup

    edition = context["edition"]
    return Markup(' lang="{}"').format(edition.source_language) if thing.untranslated.intersection(names) else ""


def lang_class(context: Context, thing: Speaking, *names: str) -> str:
    """The same for MJML's own tags, which know no such attribute: a class that `with_languages` turns into one."""
    return f" {_CLASS}{context['edition'].source_language}" if thing.untranslated.intersection(names) else ""


def marked(context: Context, thing: Speaking, name: str, value: str) -> str:
    """Words within a line, in an element of their own if they are in another language."""
    from markupsafe import Markup

    attribute = lang(context, thing, name)
    return Markup("<span{}>{}</span>").format(attribute, value) if attribute else value


def prose(context: Context, thing: Speaking, name: str, value: str) -> str:
    """Markdown as HTML, in an element of its own if it is in another language."""
    from markupsafe import Markup

    attribute, html = lang(context, thing, name), markdown.to_html(value)
    return Markup("<div{}>{}</div>").format(attribute, html) if attribute and html else html


def only_in(context: Context, thing: Speaking, *names: str) -> str:
    """A line of plain text, with its end, that says what language follows; nothing if it is the mail's own."""
    edition = context["edition"]
    phrase = f"only_in_{primary(edition.source_language)}"
    if not thing.untranslated.intersection(names) or phrase not in _words(context).phrases:
        return ""
    return f"[{_words(context).say(phrase)}]\n"


def occasion(context: Context, item: EditionItem, edition: Edition) -> str:
    """An event in a link's words; a headline that stands for it keeps its language."""
    from markupsafe import Markup

    name = wording.occasion(item, edition, _words(context))
    attribute = lang(context, item, "title") if item.title in name else ""
    return Markup("<span{}>{}</span>").format(attribute, name) if attribute and context.eval_ctx.autoescape else name


def readers_only(context: Context, audience_title: str) -> str:
    """The label of an item kept for an audience, as a whole in the language that the audience's name is in."""
    from markupsafe import Markup

    edition = context["edition"]
    attribute = lang(context, edition, "audience_title")
    if not attribute:
        return wording.readers_only(audience_title, _words(context))
    label = wording.readers_only(audience_title, english())
    return Markup("<span{}>{}</span>").format(attribute, label) if context.eval_ctx.autoescape else label


_CLASS = "in-language-"
_MARKED = re.compile(rf'(<[a-z]+)((?:\s[a-z-]+="[^"]*")*?\sclass="[^"]*?) ?\b{_CLASS}([A-Za-z0-9-]+)')


def with_languages(html: str) -> str:
    """The page with the classes of `lang_class` made attributes of the same elements."""
    return _MARKED.sub(r'\1 lang="\3"\2', html) if _CLASS in html else html


def _words(context: Context) -> Words:
    found = context.get("words")
    return found if isinstance(found, Words) else english()


def _in_the_language(function: Callable[..., str]) -> Callable[..., str]:
    from jinja2 import pass_context

    @pass_context
    def speaking(context: Context, *values: object) -> str:
        return function(*values, words=_words(context))

    return speaking
