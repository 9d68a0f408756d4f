"""Template text and last month's words that were never replaced."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._leftovers import leftover
from bulletin.checks._mail import Mail, mails, told_once
from bulletin.checks._reading import clipped, links, passages, plain_key
from bulletin.checks._rule import Found, Material, check
from bulletin.errors import Place
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


_TEMPLATE = re.compile(
    r"\{\{.{0,60}|\{%.{0,60}|\{#.{0,60}|\*\|[A-Z0-9_:.]+\|\*|%recipient\.[\w.]*%?|%%\w+%%|\$\{\w+\}|#\{\w+\}|<%.{0,60}"
    r"|\[\[\w+\]\]|\(\(\w+\)\)"
)
_NO_VALUE = re.compile(r"\s*(?:None|undefined|null|nan|NaN|\[object Object\])\s*\Z")


@check("PLC04", Severity.MUST_FIX)
@told_once
def template_in_mail(material: Material) -> Iterator[Found]:
    """The finished mail holds a piece of a template that nothing was put in place of.

    *Why*: a template copied from another mailing tool asks for values in that tool's way. This one does not know it,
    and every reader gets the question in place of the answer.

    *Instead of*: `Dear *|FNAME|*` in a template.

    *Write*: the words themselves, or a value that templates know, such as `{{ edition.title }}`. The head of
    mail/issue.mjml names them.
    """
    for mail in mails(material):
        for part, text in _pieces(mail):
            found = _TEMPLATE.search(text) or _NO_VALUE.match(text)
            # What an editor typed is told by PLC01, at its place.
            if found and found.group().strip() not in material.file.text:
                left = clipped(found.group())
                yield Found(
                    (),
                    f'{part} still holds "{left}".',
                    "Mend the template that writes it.",
                    place=Place("templates/mail"),
                )


def _pieces(mail: Mail) -> Iterator[tuple[str, str]]:
    """Every text of a mail as readers see it, hear it or follow it, with the part it stands in."""
    for node in mail.page.tree.root.traverse(include_text=True) if mail.page.tree.root else ():
        if node.tag == "-text" and node.parent and node.parent.tag not in {"style", "script"}:
            yield "the HTML", node.text_content or ""
        for name, value in node.attributes.items() if node.tag not in {"-text", "-comment"} else ():
            if name in {"href", "src", "alt", "title", "aria-label"} and value:
                yield "the HTML", value
    for line in mail.text.splitlines():
        yield "the plain text", line


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
