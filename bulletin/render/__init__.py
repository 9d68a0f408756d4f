"""Editions to rendered editions: templates, MJML and style rules become one HTML page and one plain text.

Pure: the same edition, settings, templates and secret give the same bytes (M-18); nothing is fetched.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from pathlib import Path

from bulletin import words
from bulletin.config import Config
from bulletin.errors import BulletinError, Place
from bulletin.model import Edition, RenderedEdition
from bulletin.render import inline, mjml, spoken, theme, wording
from bulletin.render.personal import fill, longest_personal, markers, sample_personal

__all__ = ["fill", "longest_personal", "render", "sample_personal"]

HTML_TEMPLATE = "mail/issue.mjml"
TEXT_TEMPLATE = "mail/issue.txt"

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML and HTML allow in no page: control characters other than tab and line breaks, lone surrogates."""


def render(edition: Edition, config: Config, *, template_dirs: tuple[Path, ...], secret: bytes) -> RenderedEdition:
    """The edition as finished HTML and plain text, with a marker wherever a reader's own value goes.

    The text comes from its own template and the same edition, not from the HTML (H-24). Raises `BulletinError` with
    template, line and remedy for a template that cannot be used, or that leaves no way to unsubscribe, and with the
    item for characters that no HTML page can hold.
    """
    _refuse_unprintable(edition)
    personal = markers(edition, secret)
    own_words = words.load(template_dirs, edition.language)
    values = theme.context(wording.set_apart(edition), config, personal, own_words)
    html = _html(values, template_dirs)
    text = theme.run(template_dirs, TEXT_TEMPLATE, values, escape=False).strip("\n") + "\n"
    for template, part in ((HTML_TEMPLATE, html), (TEXT_TEMPLATE, text)):
        if personal["unsubscribe_url"] not in part:
            raise BulletinError(
                "this template gives readers no link to unsubscribe.",
                hint="Put {{ personal.unsubscribe_url }} where its link goes.",
                place=Place(theme.shown(template_dirs, template)),
            )
    return RenderedEdition(
        issue=edition.issue,
        audience=edition.audience,
        language=edition.language,
        subject=edition.subject,
        html=html,
        text=text,
        markers=personal,
        digest=_digest(edition.subject, html, text),
    )


def _refuse_unprintable(edition: Edition) -> None:
    """Such characters come in by copy and paste, show as nothing, and make a whole page unreadable to MJML."""
    whole = asdict(edition)
    for section in whole["sections"]:
        for item in section.pop("items"):
            _refuse_in(f'item "{item["id"]}"', item)
    _refuse_in("this issue", whole)


def _refuse_in(owner: str, value: object) -> None:
    if isinstance(value, str) and (found := _UNPRINTABLE.search(value)):
        words = value[: found.start()][-30:]
        raise BulletinError(
            f"{owner} holds a character that no page can show: U+{ord(found[0]):04X}, after “{words}”.",
            hint="Editors do not show it either. Delete the words around it and type them again.",
        )
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            _refuse_in(owner, part)


def _html(values: theme.Context, template_dirs: tuple[Path, ...]) -> str:
    written = [theme.run(template_dirs, HTML_TEMPLATE, values, escape=True)]

    def include(path: str) -> str:
        if not any((folder / path).is_file() for folder in template_dirs):
            raise mjml.MjmlError(f'there is no template "{path}".', theme.PATHS_HINT, written[0].find(path))
        written.append(theme.run(template_dirs, path, values, escape=True))
        return written[-1]

    try:
        mail = mjml.to_mail(written[0], include)
    except mjml.MjmlError as error:
        place = theme.place_in_template(template_dirs, error.template or HTML_TEMPLATE, values, error.offset)
        raise BulletinError(error.message, hint=error.hint, place=place) from None
    html = inline.inline(spoken.with_languages(mail.html), mail.css)
    for field, marker in values["personal"].items():
        if html.count(marker) != sum(part.count(marker) for part in written):
            raise BulletinError(
                f"{field} does not arrive in the HTML as often as the templates write it.",
                hint="Write {{ personal." + field + " }} in text between tags, or alone in an href.",
                place=Place(theme.shown(template_dirs, HTML_TEMPLATE)),
            )
    return html


def _digest(*parts: str) -> str:
    """SHA-256 over the parts, each with its length before it, so that none can run into the next."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
