"""Issues to the files of a static site. Pure: the same issues and pictures give the same bytes (F-44).

The archive starts from an empty tree and copies in what everyone may read (S-22): it is made from the edition for
everyone, in which a restricted item has never been, so that no gap or number hints at one (S-25).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from bulletin.archive import calendars, feeds, pages
from bulletin.archive.pictures import published
from bulletin.archive.writing import write
from bulletin.config import Config
from bulletin.editions import calendar_name, issue_url, make_edition
from bulletin.errors import BulletinError
from bulletin.model import EVERYONE, Edition, Issue, Picture

__all__ = ["build", "write"]

_RESERVED: Final = {"index.html", "404.html", "style.css", "sitemap.xml", feeds.FEED}


def build(
    issues: Sequence[Issue],
    config: Config,
    *,
    pictures: Mapping[str, Mapping[str, Picture | None]],
    picture_bytes: Callable[[str, str], bytes],
    template_dirs: tuple[Path, ...],
    logo: bytes | None = None,
) -> Mapping[str, bytes]:
    """The site of all issues marked public, as content by relative path; issues that are not are passed over.

    `pictures` holds, for each issue, the facts of its picture files; `picture_bytes(issue, file)` gives a file's
    content and is asked only for pictures that are shown; `logo` is the content of the masthead's. Raises
    `BulletinError` for a picture that cannot be published and for a template that cannot be filled.
    """
    logo = published(logo, config.brand.logo or "") if logo else None
    editions = [
        make_edition(issue, config, pictures.get(issue.id, {}), EVERYONE)
        for issue in sorted(issues, key=lambda issue: (issue.date, issue.id), reverse=True)
        if issue.public
    ]
    site = _Site(config, template_dirs, tuple(editions))
    outputs: dict[str, bytes] = {}
    for edition in editions:
        if edition.issue in _RESERVED:
            raise BulletinError(
                f'the issue "{edition.issue}" has the name of a page of the archive.', hint="Rename it."
            )
        outputs.update(_pictures(edition, picture_bytes))
        outputs.update(_calendars(edition, config))
        if edition.logo and logo:
            outputs[f"{edition.issue}/{edition.logo.file}"] = logo
        outputs[f"{edition.issue}/index.html"] = site.issue_page(edition)
    outputs["index.html"] = site.index_page()
    outputs["404.html"] = site.missing_page()
    outputs["style.css"] = pages.stylesheet(template_dirs, config)
    outputs["sitemap.xml"] = site.page("archive/sitemap.xml", root="")
    if editions:  # a feed needs a date, and only an issue has one
        outputs[feeds.FEED] = feeds.atom([site.entry(edition) for edition in editions], config)
    return dict(sorted(outputs.items()))


def _pictures(edition: Edition, picture_bytes: Callable[[str, str], bytes]) -> Iterator[tuple[str, bytes]]:
    for item in edition.items:
        if item.picture:
            name = f"{edition.issue}/{item.picture.file}"
            yield name, published(picture_bytes(edition.issue, item.picture.file), f"issues/{name}")


def _calendars(edition: Edition, config: Config) -> Iterator[tuple[str, bytes]]:
    for item in edition.items:
        if item.event and item.event.calendar_url:
            yield f"{edition.issue}/{calendar_name(item.id)}", calendars.calendar(item, item.event, edition, config)


@dataclass(frozen=True, slots=True)
class _Site:
    """What every page is made from."""

    config: Config
    template_dirs: tuple[Path, ...]
    editions: tuple[Edition, ...]
    """The newest first."""

    def issue_page(self, edition: Edition) -> bytes:
        """The page of an issue."""
        here = self.editions.index(edition)
        return self.page(
            "archive/issue.html",
            root="../",
            edition=edition,
            newer=self.editions[here - 1] if here else None,
            older=self.editions[here + 1] if here + 1 < len(self.editions) else None,
        )

    def index_page(self) -> bytes:
        """All issues by year."""
        years = [(year, tuple(group)) for year, group in groupby(self.editions, key=lambda edition: edition.date.year)]
        return self.page("archive/index.html", root="", years=years)

    def missing_page(self) -> bytes:
        """What a server shows for an address that is not there, at any depth, so its links start at the host."""
        return self.page("archive/404.html", root=urlsplit(self.config.archive_url).path)

    def entry(self, edition: Edition) -> feeds.Entry:
        """An issue as feed readers show it."""
        content = self.page("archive/entry.html", root=self.config.archive_url, edition=edition)
        return feeds.Entry(edition, content.decode("utf-8"))

    def page(self, template: str, *, root: str, **values: object) -> bytes:
        """A page; `root` leads from it to the archive's first page, so that pages also open from a disk."""
        return pages.page(
            self.template_dirs,
            template,
            self.config,
            editions=self.editions,
            root=root,
            url_of=lambda edition: issue_url(self.config, edition.issue),
            calendar_name=calendar_name,
            quote=quote,
            **values,
        )
