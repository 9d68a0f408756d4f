"""Template text and last month's words that were never replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._leftovers import leftover
from bulletin.checks._reading import clipped, links, passages, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity


@check("PLC01", Severity.MUST_FIX)
def placeholder(material: Material) -> Iterator[Found]:
    """A text that readers see still holds a placeholder.

    *Why*: text such as "[describe this picture]", "TBC" or "{{ name }}" waits for somebody to replace it. In the mail
    it stays as it is: the tool fills nothing in but the footer's own links.

    *Instead of*: "Speakers: TBC" or "Dear *|FNAME|*".

    *Write*: the words themselves, or leave the sentence out. Square brackets inside a sentence, as in a quotation, are
    fine.
    """
    for passage in passages(material):
        left = leftover(passage.words)
        if left:
            yield Found(
                passage.loc,
                f'{passage.name} still holds "{clipped(left)}".',
                "Replace it with the words meant for readers, or delete it.",
            )
    for link in links(material):
        match = re.search(r"\{\{.*?\}\}|\*\|.*?\|\*|%recipient\.|\[[^\]]*\]|%%\w+%%|\(\(", link.url)
        if match:
            yield Found(
                link.loc,
                f'the address {clipped(link.url, 80)} still holds "{clipped(match.group())}".',
                "Open the page and copy its address.",
            )


@check("PLC02", Severity.MUST_FIX)
def last_months_words(material: Material) -> Iterator[Found]:
    """The title, subject, preheader or welcome is word for word that of an earlier issue.

    *Why*: an issue made from the last one keeps what nobody changed.

    *Instead of*: last month's subject above this month's stories.

    *Write*: words for this issue. A standing paragraph inside the welcome is fine; only a welcome that is wholly the
    same is found.
    """
    for key, name in (("title", "title"), ("subject", "subject"), ("preheader", "preheader"), ("welcome", "welcome")):
        own = getattr(material.issue, key) or ""
        words = "" if leftover(own) else plain_key(own)  # nobody wrote that yet: PLC01
        same = [earlier for earlier in material.earlier if words and plain_key(getattr(earlier, key)) == words]
        if same:
            yield Found(
                (key,),
                f"the {name} is the same as in the issue {same[-1].id}.",
                "Write one for this issue.",
            )


_CODE = re.compile(
    r"&(?:amp|nbsp|lt|gt|quot|apos|[lr][sd]quo|[mn]dash|hellip|pound|#\d+|#x[0-9a-fA-F]+);"
    r"|</?(?:a|b|br|div|em|h[1-6]|i|img|li|ol|p|script|span|strong|style|table|td|tr|u|ul)(?:\s[^<>]*)?/?>"
)
_MARKDOWN = re.compile(r"\*\*[^*\s][^*]*\*\*|\[[^\]]+\]\((?:https?:|mailto:)[^)]*\)|^#{1,6} ")


@check("PLC03", Severity.MUST_FIX)
def code_in_text(material: Material) -> Iterator[Found]:
    """A text holds web page code, or Markdown signs where only plain words are shown.

    *Why*: text copied from a web page or another tool brings its code along, and readers would see it as it is.
    Markdown works in the welcome, in introductions and in summaries only.

    *Instead of*: the headline `Q&amp;A with **Ofcom**`.

    *Write*: the headline "Questions and answers with Ofcom".
    """
    for passage in passages(material):
        match = _CODE.search(passage.words) or (None if passage.markdown else _MARKDOWN.search(passage.words))
        if match:
            yield Found(
                passage.loc,
                f'{passage.name} would show readers the code "{clipped(match.group())}".',
                "Write plain words." if passage.markdown else "Write plain words; this text knows no Markdown.",
            )
