"""Dates and times as GOV.UK writes them (C-06)."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bulletin.editions import make_edition
from bulletin.model import EditionEvent
from bulletin.publication import open_publication
from bulletin.render import wording

PUBLICATION = open_publication(Path(__file__).resolve().parent.parent, {})
LONDON = ZoneInfo("Europe/London")


def event(starts: str, ends: str | None = None) -> EditionEvent:
    return EditionEvent(
        starts=dt.datetime.fromisoformat(starts).replace(tzinfo=LONDON),
        ends=dt.datetime.fromisoformat(ends).replace(tzinfo=LONDON) if ends else None,
        place=None,
        booking=None,
        calendar_url=None,
    )


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        ("2024-06-12T11:00", "2024-06-12T12:30", "Wednesday 12 June 2024, 11am to 12:30pm"),
        ("2024-06-12T11:00", None, "Wednesday 12 June 2024, 11am"),
        ("2024-06-12T11:00", "2024-06-12T12:00", "Wednesday 12 June 2024, 11am to midday"),
        ("2024-06-12T00:30", "2024-06-12T13:05", "Wednesday 12 June 2024, 12:30am to 1:05pm"),
        ("2024-06-12T18:00", "2024-06-13T00:00", "Wednesday 12 June 2024, 6pm to Thursday 13 June 2024, midnight"),
        ("2024-06-12T09:00", "2024-06-14T16:00", "Wednesday 12 June 2024, 9am to Friday 14 June 2024, 4pm"),
        ("2024-06-12T00:00", None, "Wednesday 12 June 2024"),
        ("2024-06-12T00:00", "2024-06-14T00:00", "Wednesday 12 June 2024 to Friday 14 June 2024"),
    ],
)
def test_when(starts: str, ends: str | None, said: str) -> None:
    assert wording.when(event(starts, ends)) == said


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Police forces", "For police forces only"),
        ("NPCC leads", "For NPCC leads only"),
        ("Partner organisations", "For partner organisations only"),
    ],
)
def test_readers_only(title: str, said: str) -> None:
    assert wording.readers_only(title) == said


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("VKPP Bulletin, May 2024", "May 2024"),
        ("VKPP bulletin: special issue", "special issue"),
        ("News of May", "News of May"),
        ("VKPP Bulletin", "VKPP Bulletin"),
    ],
)
def test_issue_label(title: str, said: str) -> None:
    assert wording.issue_label(title, "VKPP Bulletin") == said


def test_c03_links_of_events_are_told_apart() -> None:
    edition = make_edition(PUBLICATION.read_issue("2024-05").issue, PUBLICATION.config, {})
    (story, *_) = (item for item in edition.items if item.event)
    times = ("2024-06-12T11:00", "2024-06-12T14:00", "2024-06-12T14:00", "2024-06-13T11:00")
    stories = tuple(
        dataclasses.replace(story, id=f"event-{number}", title=f"Talk {number}", event=event(starts))
        for number, starts in enumerate(times)
    )
    edition = dataclasses.replace(edition, sections=(dataclasses.replace(edition.sections[0], items=stories),))
    names = [wording.occasion(item, edition) for item in stories]
    assert names == ["12 June at 11am", "“Talk 1”", "“Talk 2”", "13 June"]


def test_credit_leaves_out_what_is_unknown() -> None:
    assert wording.credit("Ofcom", dt.date(2024, 5, 8)) == "Ofcom, 8 May 2024"
    assert wording.credit("Ofcom", None) == "Ofcom"
    assert wording.credit(None, dt.date(2024, 5, 8)) == "8 May 2024"
    assert wording.credit(None, None) == ""
