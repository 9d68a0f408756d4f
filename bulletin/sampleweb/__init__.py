"""Made-up news sites on this machine, for the demonstration and the tests.

They have the shapes of real ones, and their traps: an updated page that comes back as a new entry, headlines with a
document type before them and a space behind, marks escaped twice, a story without a date, one story told by two
sources, a list page without a feed, a calendar, a page that only a browser may open, and a source that is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BROKEN = "inspectorate.xml"
"""The feed that is not there."""
SAVED = "saved"
"""The folder of saved pages and mails, in the publication's own."""


_SOURCES: tuple[dict[str, Any], ...] = (
    {
        "id": "programme",
        "title": "Sample Protection Programme",
        "url": "programme.json",
        "section": "vkpp",
    },
    {
        "id": "crime-agency",
        "title": "Sample Crime Agency",
        "url": "crime-agency.xml",
        "section": "national",
    },
    {
        "id": "police-chiefs",
        "title": "Sample Police Chiefs",
        "kind": "listing",
        "url": "police-chiefs.html",
        "section": "national",
        "selectors": {
            "entry": "li.card",
            "link": "a.card__link",
            "title": "h2",
            "date": ".card__date",
            "summary": ".card__summary",
        },
    },
    {
        "id": "home-department",
        "title": "Sample Home Department",
        "kind": "govuk",
        "url": "home-department.atom",
        "section": "government",
    },
    {
        "id": "inspectorate",
        "title": "Sample Inspectorate",
        "url": BROKEN,
        "section": "government",
    },
    {
        "id": "research-unit",
        "title": "Sample Research Unit",
        "url": "research-unit.rdf",
        "section": "research",
        "topics": ["data"],
    },
    {
        "id": "childrens-charity",
        "title": "Sample Children's Charity",
        "url": "childrens-charity.xml",
        "section": "partners",
        "topics": ["child-abuse"],
    },
    {
        "id": "practice-hub",
        "title": "Sample Practice Hub",
        "url": "practice-hub.atom",
        "section": "practice",
    },
    {
        "id": "training-network",
        "title": "Sample Training Network",
        "kind": "listing",
        "url": "training-network.html",
        "section": "events",
        "topics": ["workforce"],
        "selectors": {
            "entry": "article",
            "date": ".announced",
            "summary": ".about",
            "starts": ".starts",
            "ends": ".ends",
            "place": ".place",
        },
    },
    {
        "id": "diary",
        "title": "Sample Learning Diary",
        "kind": "calendar",
        "url": "diary.ics",
        "section": "events",
    },
    {
        "id": "saved",
        "title": "Saved pages",
        "kind": "folder",
        "url": SAVED,
        "section": "national",
    },
    {
        "id": "regulator",
        "title": "Sample Online Regulator",
        "url": "regulator.atom",
        "section": "consultations",
        "topics": ["online-csa"],
    },
)


@contextmanager
def serve() -> Iterator[str]:
    """Serves the sites on a free port of 127.0.0.1 while the context lasts; gives their address, ending in a slash."""
    from bulletin.sampleweb._server import serving

    with serving() as base:
        yield base


def settings(base: str) -> list[dict[str, Any]]:
    """The sources at `base` as they would stand in `bulletin.toml`, one table each."""
    return [
        source if source.get("kind") == "folder" else {**source, "url": base + source["url"]} for source in _SOURCES
    ]


def saved_files(base: str) -> dict[str, bytes]:
    """What a person would have put into the folder `SAVED`, by file name: a page from a browser, and a mail."""
    from bulletin.sampleweb._server import saved

    return saved(base)


def extra_page(base: str) -> str:
    """The address of a page that no source lists, for adding by its address."""
    return f"{base}news/sample-students-trust/safe-at-college"


def event_page(base: str) -> str:
    """The address of a page that announces an event, with its times for programs to read."""
    return f"{base}news/sample-training-network/transport-seminar"
