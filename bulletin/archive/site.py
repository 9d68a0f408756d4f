"""Issues to the files of a static site. Pure: the same issues and pictures give the same bytes (F-44).

The archive starts from an empty tree and copies in what everyone may read (S-22): it is made from the edition for
everyone, in which a restricted item has never been, so that no gap or number hints at one (S-25).

The site is a list of parts. Each has a key, the digest of all it is made from, so that a build makes anew only what
differs from the build before and still gives, byte for byte, what a build from nothing gives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from bulletin import __version__
from bulletin.archive import addresses, calendars, catalogue, feeds, issues, listings, pages, search, share, statement
from bulletin.archive.pictures import published, size_of
from bulletin.archive.shelf import Part, Shelf, Tongue, part
from bulletin.archive.writing import update, write
from bulletin.config import Config
from bulletin.editions import LOGO_WIDEST, make_edition
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, Edition, Issue, Picture, Translation
from bulletin.translations import settings_in, speak
from bulletin.words import load

__all__ = ["build", "made", "parts", "settings_key", "tongue_of", "update", "write"]

RESERVED: Final = frozenset(
    {
        *(
            "index.html",
            "404.html",
            "style.css",
            "icon.png",
            "search.js",
            "sitemap.xml",
            "robots.txt",
            "_headers",
            "_redirects",
        ),
        *("feed.xml", "feed.json", "stories.xml", "stories.json", "masthead.png", "masthead.jpg", "masthead.jpeg"),
        *("years", "topics", "sources", "events", "a-to-z", "search", "accessibility"),
    }
)
"""Names of the archive's own pages, which no issue can have."""


def build(
    issues: Sequence[Issue],
    config: Config,
    *,
    pictures: Mapping[str, Mapping[str, Picture | None]],
    picture_bytes: Callable[[str, str], bytes],
    template_dirs: tuple[Path, ...],
    logo: bytes | None = None,
    translations: Mapping[str, Mapping[str, Translation]] | None = None,
    with_search: bool = False,
) -> Mapping[str, bytes]:
    """The site of all issues marked public, as content by relative path; issues that are not are passed over.

    `pictures` holds, for each issue, the facts of its picture files; `picture_bytes(issue, file)` gives a file's
    content and is asked only for what is shown; `logo` is the content of the masthead's; `translations` holds, for each
    issue, its words in other languages. Raises `BulletinError` for a picture that cannot be published, a name that
    cannot be an issue's, and a template that cannot be filled.
    """
    public = {issue.id: issue for issue in issues if issue.public}
    spoken = translations or {}

    def editions(name: str, language: str) -> Edition:
        facts = pictures.get(name, {})
        return edition_of(
            public[name],
            config,
            facts,
            template_dirs=template_dirs,
            language=language,
            translations=spoken.get(name, {}),
        )

    tongues = []
    for language in (config.language, *config.other_languages):
        cards = [
            catalogue.card(issue, editions(issue.id, language), has_page=_has_page(language, config, spoken, issue.id))
            for issue in public.values()
        ]
        tongues.append(tongue_of(config, language, template_dirs, cards))
    shelf = shelf_of(
        config=config,
        tongues=tuple(tongues),
        template_dirs=template_dirs,
        prints={issue.id: catalogue.digest(asdict(issue)) for issue in public.values()},
        editions=editions,
        read=picture_bytes,
        logo=logo,
        with_search=with_search,
    )
    return made(parts(shelf))


def shelf_of(
    *,
    config: Config,
    tongues: tuple[Tongue, ...],
    template_dirs: tuple[Path, ...],
    prints: Mapping[str, str],
    editions: Callable[[str, str], Edition],
    read: Callable[[str, str], bytes],
    logo: bytes | None,
    with_search: bool,
) -> Shelf:
    """What the site is made from, with the masthead's picture made fit to be published."""
    clean = published(logo, config.brand.logo or "") if logo else None
    shelf = Shelf(
        config=config,
        tongues=tongues,
        template_dirs=template_dirs,
        prints=prints,
        standing=settings_key(config, template_dirs, logo),
        editions=editions,
        read=read,
        any_events=any(line.event for line in tongues[0].lines),
        search=with_search and bool(tongues[0].lines),
        logo=clean,
        logo_size=size_of(clean, LOGO_WIDEST) if clean else (0, 0),
    )
    # Every page has the menu, and the menu has what there is.
    menus = [(shelf.ways(tongue), bool(tongue.shown)) for tongue in tongues]
    return replace(shelf, settings=catalogue.digest([shelf.standing, menus]))


def edition_of(
    issue: Issue,
    config: Config,
    pictures: Mapping[str, Picture | None],
    *,
    template_dirs: tuple[Path, ...],
    language: str,
    translations: Mapping[str, Translation],
) -> Edition:
    """What everyone reads of an issue in a language; in the publication's own where it has no words in that one."""
    if language == config.language or language not in translations:
        return make_edition(issue, config, pictures, EVERYONE)
    said = speak(issue, config, translations[language], language, load(template_dirs, language))
    return make_edition(said.issue, said.config, pictures, EVERYONE, said.untranslated)


def _has_page(language: str, config: Config, translations: Mapping[str, Mapping[str, Translation]], issue: str) -> bool:
    return language == config.language or language in translations.get(issue, {})


def tongue_of(
    config: Config, language: str, template_dirs: tuple[Path, ...], cards: Iterable[catalogue.Card]
) -> Tongue:
    """The archive in one language. The publication's own is at its root, each other one in a folder of its name."""
    words = load(template_dirs, language)
    own = language == config.language
    spoken = config if own else settings_in(config, language, words)
    newest_first = tuple(sorted(cards, key=lambda card: (card.date, card.issue), reverse=True))
    shown = tuple(card for card in newest_first if not card.withdrawn)
    lines = tuple(line for card in shown for line in card.lines)
    return Tongue(
        language=language,
        prefix="" if own else f"{language.lower()}/",
        config=spoken,
        words=words,
        cards=newest_first,
        shown=shown,
        lines=lines,
        places={card.issue: place for place, card in enumerate(shown)},
        names={card.issue: card.name for card in newest_first},
    )


def settings_key(config: Config, template_dirs: tuple[Path, ...], logo: bytes | None) -> str:
    """A digest of what every page is made from beside the issues: settings, templates, and this program."""
    code = Path(__file__).parent
    read = [(folder, folder / name, "*") for folder in template_dirs for name in ("archive", "words")]
    read += [(code.parent, code.parent / name, "*.py") for name in ("archive", "render")]
    files = [
        [path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
        for folder, inner, pattern in read
        for path in sorted(inner.rglob(pattern))
        if path.is_file()
    ]
    return catalogue.digest([__version__, asdict(config), files, (logo or b"").hex()])


def made(of: Iterable[Part]) -> Mapping[str, bytes]:
    """The files of all these parts, in the order of their names."""
    outputs: dict[str, bytes] = {}
    for one in of:
        outputs.update(one.make())
    return dict(sorted(outputs.items()))


def parts(shelf: Shelf) -> Iterator[Part]:
    """The whole site. Raises `BulletinError` if an issue cannot have the name it has."""
    _refuse_reserved(shelf)
    yield from issues.parts(shelf)
    for tongue in shelf.tongues:
        yield from listings.parts(shelf, tongue)
        yield from feeds.parts(shelf, tongue)
    yield from calendars.parts(shelf)
    yield from search.parts(shelf)
    yield from statement.parts(shelf)
    yield from addresses.parts(shelf)
    yield part(shelf, "style", [], lambda: {"style.css": pages.stylesheet(shelf.template_dirs, shelf.config)})
    brand = shelf.config.brand
    icon_of = brand.masthead or shelf.config.name
    yield part(shelf, "icon", [], lambda: {"icon.png": share.icon(icon_of, brand)})
    if shelf.logo and shelf.config.brand.logo:
        name, logo = shelf.logo_name, shelf.logo
        yield part(shelf, "masthead", [], lambda: {name: logo})


def _refuse_reserved(shelf: Shelf) -> None:
    taken = RESERVED | {tongue.prefix.rstrip("/") for tongue in shelf.tongues if tongue.prefix}
    names: dict[str, str] = {}
    for card in shelf.own.cards:
        if card.issue in taken:
            raise BulletinError(f'the issue "{card.issue}" has the name of a page of the archive.', hint="Rename it.")
        names[card.issue] = card.issue
    for card in shelf.own.cards:
        for name in card.formerly:
            if names.setdefault(name, card.issue) != card.issue or name in taken:
                raise BulletinError(
                    f'the issue "{card.issue}" names "{name}" as an earlier name, which is taken.',
                    hint='Look at "formerly" in its file.',
                )
