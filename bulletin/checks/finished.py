"""The build of the finished mail: what programs and screen readers rely on, whatever the templates say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._mail import NEVER_IN_MAIL, loc_of, mails, told_once
from bulletin.checks._reading import clipped
from bulletin.checks._rule import Found, Material, check
from bulletin.model import Severity
from bulletin.render import longest_personal

_WIDEST = 600
_TEMPLATE = "Correct the template that makes it."
_ADDRESSES = ("href", "src", "background", "action", "poster")
_WHOLE = re.compile(r"(?i)https?://[^/\s]|mailto:[^\s]|tel:[+\d]|sms:[+\d]|#[^\s]")


@check("HTM01", Severity.LOOK)
@told_once
def headings(material: Material) -> Iterator[Found]:
    """The headings of the mail are not in order: one first heading, no level left out, none empty (H-19).

    *Why*: people who hear the mail jump from heading to heading. A level left out sounds like a part gone missing.

    *Instead of*: two headings `h1`, or an `h3` straight after the `h1`.

    *Write*: one `h1` for the bulletin, `h2` for sections and `h3` for items.
    """
    for mail in mails(material):
        levels = [node for node in mail.page.elements if re.fullmatch(r"h[1-6]", node.tag or "")]
        first = sum(node.tag == "h1" for node in levels)
        if first != 1:
            yield Found((), f"the mail has {first} first headings (h1), not one.", _TEMPLATE)
        before = 0
        for node in levels:
            level, words = int((node.tag or "h1")[1]), clipped(node.text())
            at = loc_of(material, mail.page.owner(node))
            if not words and not node.css_first("img[alt]:not([alt=''])"):
                yield Found(at, f"a heading of level {level} is empty.", _TEMPLATE)
            elif level > before + 1 and before:
                yield Found(at, f'the heading "{words}" has level {level} straight after level {before}.', _TEMPLATE)
            before = level


@check("HTM02", Severity.LOOK)
@told_once
def language_told(material: Material) -> Iterator[Found]:
    """The mail does not say which language it is in, on the page and on a part inside (H-18).

    *Why*: a screen reader reads English with a Welsh voice unless it is told. Web mail drops the page's own note, so
    a part inside must carry it too.

    *Instead of*: `lang` on `<html>` alone.

    *Write*: `lang="en-GB"` on `<html>` and on the part around all of the body.
    """
    for mail in mails(material):
        root = mail.page.tree.css_first("html")
        told = (root.attributes.get("lang") or "") if root else ""
        inside = [node.attributes.get("lang") for node in mail.page.elements[1:3]]
        if told != mail.edition.language:
            yield Found((), f'the mail\'s <html> says lang="{told}", not "{mail.edition.language}".', _TEMPLATE)
        elif told not in inside:
            yield Found((), f'no part inside the body says lang="{told}".', _TEMPLATE)


@check("HTM03", Severity.LOOK)
@told_once
def table_roles(material: Material) -> Iterator[Found]:
    """A table that only lays the mail out does not say so (H-03).

    *Why*: a screen reader then announces "table with one column and nine rows" before every story.

    *Instead of*: `<table width="600">`.

    *Write*: `<table role="presentation" width="600">`. A table of figures has headings, `<th>`, instead.
    """
    most = 0
    for mail in mails(material):
        bare = sum(
            node.tag == "table" and not node.css_first("th") and not _presents(node.attributes.get("role"))
            for node in mail.page.elements
        )
        hidden = [tag for tag in re.findall(r"(?i)<table\b[^>]*>", "".join(_comments(mail.html))) if "role=" not in tag]
        most = max(most, bare + len(hidden))
    if most:
        yield Found((), f'tables without role="presentation" in the mail: {most}.', _TEMPLATE)


@check("HTM04", Severity.MUST_FIX)
@told_once
def link_without_words(material: Material) -> Iterator[Found]:
    """A link of the mail has no words, and no picture with words (C-03, X-10).

    *Why*: nobody can see it, and a screen reader reads its address out letter by letter.

    *Instead of*: `[](https://www.example.org/)`.

    *Write*: words that say where the link leads.
    """
    for mail in mails(material):
        for node in mail.page.elements:
            if node.tag != "a" or not node.attributes.get("href") or node.text().strip():
                continue
            if not any((picture.attributes.get("alt") or "").strip() for picture in node.css("img")):
                address = clipped(node.attributes["href"] or "")
                at = loc_of(material, mail.page.owner(node))
                yield Found(at, f"the link to {address} has no words.", "Give it words, or take it out.")


@check("HTM05", Severity.MUST_FIX)
@told_once
def broken_picture(material: Material) -> Iterator[Found]:
    """A picture of the finished mail has no alternative text, or no whole https address (H-06, X-10).

    *Why*: a picture is fetched when the mail is read, so its address must be whole; and most readers see its words
    first. A picture without `alt` is announced by its file name.

    *Instead of*: `<img src="images/lamp.png">`.

    *Write*: `<img src="https://…/lamp.png" alt="A lamp" width="600">`, or `alt=""` for decoration.
    """
    for mail in mails(material):
        for node in mail.page.elements:
            if node.tag != "img":
                continue
            at, source = loc_of(material, mail.page.owner(node)), node.attributes.get("src") or ""
            if "alt" not in node.attributes:
                yield Found(at, f"the picture {clipped(source)} has no alt in the finished mail.", _TEMPLATE)
            if not source.casefold().startswith("https://"):
                yield Found(at, f'the picture\'s address "{clipped(source)}" is not a whole https address.', _TEMPLATE)


@check("HTM06", Severity.LOOK)
@told_once
def picture_width(material: Material) -> Iterator[Found]:
    """A picture's width in the mail is missing, not a whole number, over 600, or more than the file has (H-06).

    *Why*: classic Outlook draws a picture without a width as large as its file, and the mail breaks apart. A small file
    drawn wide is blurred.

    *Instead of*: `width="100%"`, or a logo of 80 pixels shown 300 wide.

    *Write*: `width="536"`, and a file at least as wide; twice as wide for sharp screens.
    """
    for mail in mails(material):
        for node in mail.page.elements:
            if node.tag != "img":
                continue
            width, source = (node.attributes.get("width") or "").strip(), node.attributes.get("src") or ""
            at, name = loc_of(material, mail.page.owner(node)), clipped(source.rsplit("/", 1)[-1])
            facts = next((f for file, f in material.pictures.items() if f and source.endswith(f"/{file}")), None)
            if not re.fullmatch(r"[0-9]{1,5}", width):
                yield Found(at, f'the picture {name} has the width "{width}", not a whole number.', _TEMPLATE)
            elif int(width) > _WIDEST:
                yield Found(at, f"the picture {name} is shown {width} pixels wide; the mail has 600.", _TEMPLATE)
            elif facts and facts.format and int(width) > facts.width:
                yield Found(
                    at,
                    f"the picture {name} is shown {width} pixels wide, but has only {facts.width}.",
                    "Use a larger copy.",
                )


@check("HTM07", Severity.MUST_FIX)
@told_once
def forbidden(material: Material) -> Iterator[Found]:
    """The mail holds a script, a form, a frame or the like, or an address that runs a program (H-13, Z-39).

    *Why*: mail programs take these out, and filters take them for an attack and stop the mail.

    *Instead of*: a sign-up form inside the mail.

    *Write*: a link to the page with the form.
    """
    for mail in mails(material):
        for node in (*mail.page.tree.css("head *"), *mail.page.elements):
            at = loc_of(material, mail.page.owner(node))
            if node.tag in NEVER_IN_MAIL:
                yield Found(at, f"the mail holds <{node.tag}>, which mail programs and filters refuse.", _TEMPLATE)
            if node.tag == "meta" and (node.attributes.get("http-equiv") or "").casefold() == "refresh":
                yield Found(at, "the mail sends its reader on to another page (meta refresh).", _TEMPLATE)
            for name, value in node.attributes.items():
                if name.startswith("on") or _runs(value):
                    yield Found(at, f'<{node.tag}> has {name}="{clipped(value or "", 40)}", a program.', _TEMPLATE)


@check("HTM08", Severity.MUST_FIX)
@told_once
def part_of_an_address(material: Material) -> Iterator[Found]:
    """An address in the mail is not whole (H-13).

    *Why*: a mail has no site of its own that "/guides" could belong to. The link leads nowhere.

    *Instead of*: `/guides` or `www.example.org`.

    *Write*: `https://www.example.org/guides`.
    """
    for mail in mails(material):
        for node in mail.page.elements:
            for name in _ADDRESSES:
                value = (node.attributes.get(name) or "").strip() if name in node.attributes else None
                # Pictures are another check's matter, and so is what runs a program.
                if value is None or node.tag == "img" or _WHOLE.match(value) or _runs(value):
                    continue
                at = loc_of(material, mail.page.owner(node))
                yield Found(at, f'the address "{clipped(value)}" is not whole.', "Write it from https:// on.")


@check("HTM09", Severity.MUST_FIX)
@told_once
def outlook_comments(material: Material) -> Iterator[Found]:
    """The comments for classic Outlook do not pair up, or stand inside one another (H-09).

    *Why*: classic Outlook reads what stands in them. An open one swallows the rest of the mail.

    *Instead of*: `<!--[if mso]>` without its end.

    *Write*: `<!--[if mso]>` … `<![endif]-->`, one after the other.
    """
    for mail in mails(material):
        depth, worst = 0, 0
        for mark in re.findall(r"(?i)<!--\[if\b|<!\[if\b|<!\[endif\]", mail.html):
            depth += -1 if "endif" in mark.casefold() else 1
            worst = max(worst, depth, 2 if depth < 0 else 0)
        if depth or worst > 1:
            what = "do not pair up" if depth else "stand inside one another"
            yield Found((), f"the comments for Outlook in the mail {what}.", _TEMPLATE)


@check("HTM10", Severity.LOOK)
@told_once
def dead_jump(material: Material) -> Iterator[Found]:
    """A link within the mail leads to no place in it that all programs find (H-22).

    *Why*: Outlook and Gmail jump to `<a name>` only, other programs to `id`. A list of contents that does not jump is
    worse than none.

    *Instead of*: `<h3 id="report">`.

    *Write*: `<a name="report" id="report"></a>` before the heading.
    """
    for mail in mails(material):
        names = {node.attributes.get("name") for node in mail.page.elements if node.tag == "a"}
        ids = {node.attributes.get("id") for node in mail.page.elements}
        for node in mail.page.elements:
            target = (node.attributes.get("href") or "") if node.tag == "a" else ""
            if target.startswith("#") and target[1:] not in names & ids:
                at = loc_of(material, target[1:]) or loc_of(material, mail.page.owner(node))
                yield Found(at, f'the link to "{clipped(target)}" finds no anchor with name and id.', _TEMPLATE)


@check("HTM11", Severity.MUST_FIX)
@told_once
def legal_footer(material: Material) -> Iterator[Found]:
    """The finished mail lacks its unsubscribe link or the postal address of its sender.

    *Why*: the law asks for both in every copy, and mail services refuse what lacks them.

    *Instead of*: a footer of your own without them.

    *Write*: the footer of the theme, or a template that shows `unsubscribe_url` and the organisation's address.
    """
    way_out = longest_personal(material.config)["unsubscribe_url"]
    postal = " ".join(material.config.organisation.postal_address.split())
    for mail in mails(material):
        links = {node.attributes.get("href") for node in mail.page.elements if node.tag == "a"}
        words = " ".join((mail.page.tree.body.text() if mail.page.tree.body else "").split())
        missing = [
            *(["its unsubscribe link"] * (way_out not in links)),
            *(["the postal address"] * (postal not in words)),
        ]
        if missing:
            yield Found((), f"the mail for {mail.edition.audience} lacks {' and '.join(missing)}.", _TEMPLATE)


def _presents(role: str | None) -> bool:
    return (role or "").casefold() in {"presentation", "none"}


def _runs(value: str | None) -> bool:
    """Whether an address runs a program or carries a page of its own."""
    bare = re.sub(r"[\s\x00-\x1f]", "", (value or "")[:60]).casefold()
    return bare.startswith(("javascript:", "vbscript:", "data:text", "data:image/svg"))


def _comments(html: str) -> list[str]:
    """What stands in comments that only Outlook reads."""
    return re.findall(r"(?is)<!--\[if[^\]]*\]>(.*?)<!\[endif\]-->", html)
