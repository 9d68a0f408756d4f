"""The screen of `bulletin pick`, driven by its keys; what counts is what stands in the issue file afterwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_config import GOOD
from test_publication import ISSUE
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from bulletin import flow
from bulletin.cli.picking import Picking
from bulletin.issuefile import edit
from bulletin.model import Candidate
from bulletin.publication import Publication, open_publication

STORIES = [
    Candidate(
        title=f"Story {number} about {'stalking' if number == 3 else 'other things'}",
        url=f"https://www.example.org/{number}",
        source="Home Office" if number % 2 else "Police Chiefs",
        section="news" if number else None,
        published=dt.date(2024, 5, 20 - number),
        why="because",
    )
    for number in range(6)
]


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    (tmp_path / "bulletin.toml").write_text(GOOD + '\n[[sections]]\nid = "views"\ntitle = "Have your say"\n')
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    text = edit.add_candidates(ISSUE, "issue.yaml", STORIES)
    (tmp_path / "issues/2024-05/issue.yaml").write_text(text)
    return open_publication(tmp_path, {})


def play(home: Publication, story: Callable[[Picking, Pilot[None]], Awaitable[None]]) -> Picking:
    """Open the screen, play a person at the keyboard, and wait until all is written."""
    app = Picking(home, "2024-05", with_pictures=False)

    async def run() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await story(app, pilot)
            await written(app, pilot)

    # In a thread of its own: a browser of other tests may have a loop running in this one.
    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, run()).result()
    app._todo.put(None)
    app._writer.join(timeout=10)
    return app


async def written(app: Picking, pilot: Pilot[None]) -> None:
    """Wait until the writing thread is done with what it was given."""
    end = time.monotonic() + 20
    marks: list[int] = []
    app._todo.put(lambda: marks.append(1))
    while not marks and time.monotonic() < end:
        await asyncio.sleep(0.01)
    assert marks
    await pilot.pause()


def state(home: Publication) -> tuple[list[int], dict[str, str], list[tuple[str, str]]]:
    """Numbers of the stories in the inbox, the section of each placed one, and what was skipped with why."""
    issue = home.read_issue("2024-05").issue
    placed = {item.url or "": section.id for section in issue.sections for item in section.items if item.url}
    mine = {url[-1]: section for url, section in placed.items() if url in {story.url for story in STORIES}}
    return [int(entry.url[-1]) for entry in issue.inbox], mine, [(s.url[-1], s.why) for s in issue.skipped]


def test_one_key_places_skips_and_takes_back(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        await pilot.press("down", "enter")  # story 1, where it fits
        await pilot.press("2")  # story 2, elsewhere
        await pilot.press("s")
        await pilot.press(*"!", "enter")  # story 3, with another reason
        await pilot.press("enter")  # story 4
        await written(app, pilot)
        await pilot.press("u")
        await written(app, pilot)
        assert [len(app._inbox), app.counted] == [3, (2, 1)]

    play(home, person)
    second = home.config.vocabulary.sections[1]
    inbox, placed, skipped = state(home)
    assert (inbox, placed) == ([0, 4, 5], {"1": "news", "2": second})
    assert [number for number, _ in skipped] == ["3"]
    assert "!" in skipped[0][1]


def test_everything_can_be_taken_back_to_the_last_byte(home: Publication) -> None:
    before = home.issue_path("2024-05").read_bytes()

    async def person(app: Picking, pilot: Pilot[None]) -> None:
        await pilot.press("2", "enter", "s", "enter", "u", "u", "u", "u")

    assert play(home, person).counted == (0, 0)
    assert home.issue_path("2024-05").read_bytes() == before


def test_what_was_edited_elsewhere_meanwhile_is_not_undone(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await written(app, pilot)
        path = home.issue_path("2024-05")
        path.write_text(path.read_text() + "\n# mine\n")
        await pilot.press("u")
        await written(app, pilot)

    assert play(home, person).counted == (1, 0)
    assert home.issue_path("2024-05").read_text().endswith("# mine\n")


def test_a_story_without_a_section_asks_for_one(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("down", "enter")

    play(home, person)
    assert state(home)[1] == {"0": home.config.vocabulary.sections[1]}


def test_searching_and_filtering_show_what_fits(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        table = app.query_one("#list", DataTable)
        await pilot.press("slash", *"stalking", "enter")
        await pilot.pause()
        assert table.row_count == 1
        assert "1 of 6" in str(app.query_one("#where", Static).content)
        await pilot.press("escape")
        await pilot.pause()
        assert table.row_count == 6
        await pilot.press("f", "down", "enter")
        await pilot.pause()
        assert table.row_count == 3
        await pilot.press("2")

    play(home, person)
    assert len(state(home)[0]) == 5


def test_a_story_that_is_gone_meanwhile_is_named_and_stops_nothing(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        flow.skip(home, "2024-05", STORIES[0].url, "elsewhere")
        await pilot.press("2", "2")

    play(home, person)
    inbox, placed, _ = state(home)
    assert (inbox, list(placed)) == ([2, 3, 4, 5], ["1"])


def test_quitting_writes_what_was_decided(home: Publication) -> None:
    async def person(app: Picking, pilot: Pilot[None]) -> None:
        await pilot.press("2", "2", "2", "q")

    assert play(home, person).counted == (3, 0)
    assert len(state(home)[0]) == 3
