"""An issue on disk as the preview shows it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from bulletin import flow
from bulletin.checks import all_checks
from bulletin.editions import issue_url, logo_name, may_read
from bulletin.issuefile import TranslationFile
from bulletin.model import EVERYONE, Issue, Item, RenderedEdition
from bulletin.preview.state import PreviewMail, PreviewState, words_of
from bulletin.publication import Publication, open_publication
from bulletin.render import fill, sample_personal


def load(home: Publication, issue: str) -> PreviewState:
    """Mails as a sample reader gets them, and the findings. Settings are read again, for they are edited too.

    Raises `BulletinError` if the issue cannot be read or rendered, which the preview shows until the next save.
    """
    home = open_publication(home.root, home.environment)
    checked = flow.check(home, issue)
    if checked.refused:
        raise checked.refused
    folder = home.issue_dir(issue)
    pictures = {item.image.file: folder / item.image.file for item in checked.file.issue.items if item.image}
    if home.config.brand.logo:
        pictures[logo_name(home.config.brand.logo)] = home.root / home.config.brand.logo
    translations = home.translations(checked.file)
    return PreviewState(
        title=checked.file.issue.title,
        path=checked.file.path,
        mails=tuple(
            _mail(home, edition, checked.file.issue, translations.get(edition.language)) for edition in checked.rendered
        ),
        findings=checked.findings,
        summaries=MappingProxyType({known.code: known.summary for known in all_checks()}),
        picture_base=issue_url(home.config, issue),
        pictures=MappingProxyType(pictures),
    )


def watched(home: Publication, issue: str) -> tuple[Path, ...]:
    """The files and folders whose every save changes what the preview shows."""
    own = home.root / "templates"
    return (home.root / home.settings_file, home.issue_dir(issue), *((own,) if own.is_dir() else ()))


def _mail(home: Publication, edition: RenderedEdition, issue: Issue, translated: TranslationFile | None) -> PreviewMail:
    html, text = fill(edition, sample_personal(home.config))
    hidden = [item for item in issue.items if not may_read(edition.audience, item)]
    titles = {EVERYONE: "Everyone"} | {audience.id: audience.title for audience in home.config.audiences}
    title = titles.get(edition.audience, edition.audience)
    return PreviewMail(
        name=edition.name,
        audience_title=f"{title} ({edition.language})" if home.config.other_languages else title,
        sender=home.config.sender.name,
        subject=edition.subject,
        preheader=(translated and translated.translation.preheader) or issue.preheader,
        html=html,
        text=text,
        restricted=edition.audience != EVERYONE,
        withheld=frozenset(piece for item in hidden for piece in (item.id, item.title, item.url) if piece),
        secret_words=words_of(" ".join(map(_all_words, hidden))) - words_of(f"{html} {text} {edition.subject}"),
    )


def _all_words(item: Item) -> str:
    """Whatever an item says, with its id, its origin and what its picture shows."""
    picture = (item.image.alt, item.image.file) if item.image else ()
    event = (item.event.place, item.event.booking) if item.event else ()
    said = (item.id, item.title, item.summary, item.source, item.url, item.link, *event, *picture)
    return " ".join(filter(None, said))
