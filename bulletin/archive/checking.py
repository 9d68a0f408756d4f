"""Does every link in a built archive lead somewhere, and does every address that was ever published? Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

_LINKS: Final = "a[href], link[href], img[src], script[src]"
_LASTING_FEEDS: Final = re.compile(r"(?:.*/)?(?:feed|stories)\.(?:xml|json)|events/events\.ics")


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """An address that leads nowhere."""

    address: str
    """Seen from the archive's first page."""
    where: tuple[str, ...]
    """The pages that link to it; none for one that was published once."""

    def __str__(self) -> str:
        if not self.where:
            return f"{self.address} was published, and is not there any more"
        more = f", and {len(self.where) - 1} more pages," if len(self.where) > 1 else ""
        link = "link" if more else "links"
        return f"{self.where[0]}{more} {link} to {self.address}, which is not there"


@dataclass(frozen=True, slots=True)
class Page:
    """A page's anchors, and where its links lead, seen from the archive's first page."""

    anchors: frozenset[str]
    links: tuple[str, ...]


def read_pages(files: Iterable[tuple[str, bytes]], root: str, outside: Collection[str] = ()) -> Mapping[str, Page]:
    """All files by name, HTML taken apart. `root` is the archive's web address.

    `outside` are addresses that lie under it and are somebody else's, such as that of the sign-up page.
    """
    return {name: _read(name, data, root, outside) for name, data in files}


def broken(site: Mapping[str, Page], published: Collection[str] = ()) -> tuple[Broken, ...]:
    """The links that lead nowhere, and the published addresses that are gone.

    Of an issue that was withdrawn only its page stays, which says so.
    """
    found: dict[str, list[str]] = {}
    for page, read in site.items():
        for link in read.links:
            if not _is_there(link, site):
                found.setdefault(link, []).append(page)
    gone = (address for address in published if not _is_there(address, site) and not _withdrawn(address, site))
    linked = (Broken(address, tuple(sorted(pages))) for address, pages in found.items())
    return tuple(sorted([*linked, *(Broken(address, ()) for address in gone)]))


def lasting(site: Mapping[str, Page], issues: Collection[str], prefixes: Collection[str]) -> frozenset[str]:
    """The addresses that have to work for ever: each issue, each story in it, what lies beside it, and the feeds."""
    folders = {prefix + issue for prefix in prefixes for issue in issues}
    return frozenset(_lasting(site, folders))


def _lasting(site: Mapping[str, Page], folders: Collection[str]) -> Iterator[str]:
    for name, read in site.items():
        folder = next((one for one in (name.partition("/")[0], "/".join(name.split("/")[:2])) if one in folders), "")
        if folder and name == f"{folder}/index.html":
            yield f"{folder}/"
            yield from (f"{folder}/#{anchor}" for anchor in read.anchors if anchor[:1].islower())
        elif folder or _LASTING_FEEDS.fullmatch(name):
            yield name


def _read(name: str, data: bytes, root: str, outside: Collection[str]) -> Page:
    if name.endswith(".html"):
        from selectolax.lexbor import LexborHTMLParser

        page = LexborHTMLParser(data)
        links = [node.attributes.get("href") or node.attributes.get("src") or "" for node in page.css(_LINKS)]
        anchors = frozenset(node.attributes["id"] or "" for node in page.css("[id]"))
        return Page(anchors, tuple(dict.fromkeys(_led(name, links, root, outside))))
    if name.endswith((".xml", ".json", ".ics")) and "search/" not in name:
        text = data.decode("utf-8").replace("\r\n ", "")
        found = re.findall(re.escape(root) + r"[^\s\"'<>\\]*", text)
        return Page(frozenset(), tuple(dict.fromkeys(_led(name, found, root, outside))))
    return Page(frozenset(), ())


def _led(page: str, links: Iterable[str], root: str, outside: Collection[str]) -> Iterator[str]:
    """Where links inside the archive lead; those that lead out of it are nobody's business here."""
    host, path = urlsplit(root).netloc, urlsplit(root).path
    for link in links:
        parts = urlsplit(link)
        if link in outside or (parts.scheme and not link.startswith(root)):
            continue
        to = parts.path
        if link.startswith(root) or (parts.netloc == host) or to.startswith("/"):
            if not to.startswith(path):
                continue
            to = to[len(path) :]
        elif to:
            to = posixpath.normpath(posixpath.join(posixpath.dirname(page), to)) + ("/" if to.endswith("/") else "")
        else:
            to = page
        to = "" if to in {"./", "."} else unquote(to)
        yield to + (f"#{parts.fragment}" if parts.fragment else "")


def _is_there(address: str, site: Mapping[str, Page]) -> bool:
    path, _, anchor = address.partition("#")
    read = site.get(path + "index.html" if not path or path.endswith("/") else path)
    return read is not None and (not anchor or anchor in read.anchors)


def _withdrawn(address: str, site: Mapping[str, Page]) -> bool:
    """Whether the issue of an address is a page without stories: the notice that it was withdrawn, or that it moved."""
    folder = address.partition("#")[0].rpartition("/")[0]
    while folder:
        page = site.get(f"{folder}/index.html")
        if page is not None:
            return not any(anchor[:1].islower() for anchor in page.anchors)
        folder = folder.rpartition("/")[0]
    return False
