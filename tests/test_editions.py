"""Editions: who reads what. What is kept for an audience is in no other audience's edition (S-22)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_config import GOOD

from bulletin import config as settings_file
from bulletin.config import Config
from bulletin.editions import audiences_of, make_edition, may_read
from bulletin.model import EVERYONE, Edition, Event, Image, Issue, Item, Picture, Section


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("publication") / "bulletin.toml"
    path.write_text(GOOD + '\n[[audiences]]\nid = "partners"\ntitle = "Partners"\n', "utf-8")
    return settings_file.read(path)


PICTURE = Picture(width=600, height=300, size=1000, format="PNG")
AUDIENCES = ("forces", "partners", EVERYONE)


def issue_of(*sections: tuple[Item, ...], public: bool = True) -> Issue:
    return Issue(
        schema=1,
        id="2024-05",
        title="Sample Bulletin, May 2024",
        date=dt.date(2024, 5, 30),
        public=public,
        sections=tuple(Section(id=f"section-{number}", items=items) for number, items in enumerate(sections)),
    )


def item(name: str, *audience: str, picture: bool = True) -> Item:
    """An item with a word of its own, a canary, in every field that readers could see."""
    return Item(
        id=f"{name}-id",
        title=f"{name} title",
        url=f"https://www.example.org/{name}",
        link=f"{name} link",
        source=f"{name} source",
        summary=f"{name} summary",
        image=Image(file=f"images/{name}.png", alt=f"{name} alt") if picture else None,
        event=Event(
            starts=dt.datetime(2024, 6, 12, 11, 0),  # noqa: DTZ001 - in the publication's zone
            place=f"{name} place",
            booking=f"https://www.example.org/book/{name}",
        ),
        audience=audience,
    )


def edition(issue: Issue, config: Config, audience: str = EVERYONE) -> Edition:
    return make_edition(issue, config, {f"images/{word}.png": PICTURE for word in WORDS}, audience)


WORDS = [f"canary{number:02}" for number in range(12)]
ITEMS = st.lists(st.lists(st.sampled_from(AUDIENCES), max_size=3, unique=True), max_size=6)


@given(audiences=st.lists(ITEMS, max_size=2), public=st.booleans())
@settings(deadline=None)
def test_no_word_of_a_restricted_item_is_in_another_audiences_edition(
    config: Config, audiences: list[list[list[str]]], public: bool
) -> None:
    words = iter(WORDS)
    sections = [tuple(item(next(words), *audience) for audience in section) for section in audiences]
    issue = issue_of(*sections, public=public)
    for audience in AUDIENCES:
        made = edition(issue, config, audience)
        shown = repr(made)
        for story in issue.items:
            word = story.id.removesuffix("-id")
            allowed = not story.audience or EVERYONE in story.audience or audience in story.audience
            assert (word in shown) == allowed
            if story.audience and EVERYONE not in story.audience:
                assert f"images/{word}.png" not in shown
                assert f"{word}-id.ics" not in shown
        assert [story.id for story in made.items] == [story.id for story in issue.items if may_read(audience, story)]
        assert all(section.items for section in made.sections)


@given(audiences=ITEMS)
@settings(deadline=None)
def test_every_audience_that_has_something_of_its_own_gets_an_edition(
    config: Config, audiences: list[list[str]]
) -> None:
    issue = issue_of(tuple(item(word, *audience) for word, audience in zip(WORDS, audiences, strict=False)))
    made = audiences_of(issue, config)
    everyone = {story.id for story in edition(issue, config).items}
    for audience in ("forces", "partners"):
        own = {story.id for story in edition(issue, config, audience).items}
        assert (audience in made) == (own != everyone)
    assert made[-1] == EVERYONE
    assert len(set(made)) == len(made)


def test_the_narrowest_audience_comes_first_as_the_settings_say(config: Config) -> None:
    issue = issue_of((item("a", "partners"), item("b", "forces")))
    assert audiences_of(issue, config) == ("forces", "partners", EVERYONE)


def test_an_audience_without_a_setting_gets_no_edition(config: Config) -> None:
    assert audiences_of(issue_of((item("a", "nobody"),)), config) == (EVERYONE,)
    assert edition(issue_of((item("a", "nobody"),)), config).sections == ()


# ---------------------------------------------------------------- pictures, calendars, pages


def test_pictures_and_calendars_are_shown_where_the_archive_holds_them(config: Config) -> None:
    (story,) = edition(issue_of((item("canary00"),)), config).items
    assert story.picture
    assert story.picture.src == "https://bulletin.example.org/2024-05/images/canary00.png"
    assert (story.picture.width, story.picture.height, story.picture.alt) == (600, 300, "canary00 alt")
    assert story.event
    assert story.event.calendar_url == "https://bulletin.example.org/2024-05/canary00-id.ics"


def test_a_picture_of_any_name_has_an_address_that_leads_to_it(config: Config) -> None:
    """A browser takes what follows # or ? in an address as something else than the file's name."""
    name = "images/Foto ŵ (1) #2?50%.PNG"
    story = replace(item("canary00"), image=Image(file=name, alt="A photo"))
    facts = Picture(width=600, height=300, size=9000, format="PNG")
    shown = next(make_edition(issue_of((story,)), config, {name: facts}).items).picture
    assert shown
    address = urlsplit(shown.src)
    assert (unquote(address.path), address.query, address.fragment) == (f"/2024-05/{name}", "", "")


@pytest.mark.parametrize(
    ("audience", "public"), [((), False), (("forces",), True), (("forces", "partners"), True), (("forces",), False)]
)
def test_what_is_not_public_has_no_picture_and_no_calendar(
    config: Config, audience: tuple[str, ...], public: bool
) -> None:
    issue = issue_of((item("canary00", *audience),), public=public)
    (story,) = edition(issue, config, "forces").items
    assert story.picture is None
    assert story.event
    assert story.event.calendar_url is None
    assert story.event.place == "canary00 place"


@pytest.mark.parametrize("facts", [None, Picture(width=0, height=0, size=9, format="")])
def test_a_missing_or_broken_picture_is_left_out(config: Config, facts: Picture | None) -> None:
    made = make_edition(issue_of((item("canary00"),)), config, {"images/canary00.png": facts})
    assert next(made.items).picture is None


def test_only_everyones_edition_of_a_public_issue_can_be_viewed_online(config: Config) -> None:
    """H-27."""
    stories = (item("canary00"), item("canary01", "forces"))
    assert edition(issue_of(stories), config).online_url == "https://bulletin.example.org/2024-05/"
    assert edition(issue_of(stories), config, "forces").online_url is None
    assert edition(issue_of(stories, public=False), config).online_url is None


# ---------------------------------------------------------------- nothing is left to decide


def test_times_are_in_the_publications_zone(config: Config) -> None:
    aware = dt.datetime(2024, 6, 12, 10, 0, tzinfo=dt.UTC)
    for starts in (dt.datetime(2024, 6, 12, 11, 0), aware):  # noqa: DTZ001 - in the publication's zone
        issue = issue_of((Item(id="a", title="A", event=Event(starts=starts)),))
        (story,) = edition(issue, config).items
        assert story.event
        assert story.event.starts.isoformat() == "2024-06-12T11:00:00+01:00"


def test_headings_and_the_subject_have_what_readers_see(config: Config) -> None:
    issue = issue_of((item("a"),))
    assert edition(issue, config).subject == "Sample Bulletin, May 2024"
    assert [section.title for section in edition(issue, config).sections] == ["Section 0"]
    assert edition(issue, config, "forces").audience_title == "Police forces"
    assert edition(issue, config).name == "everyone.en-GB"
