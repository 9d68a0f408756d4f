"""What is offered to the editor: identity of stories, the window, topics and reasons."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulletin.addresses import _exact_key, canonical, same_story_key, without_tracking
from bulletin.config import Collecting, Config, Organisation, SectionSetting, Sender, SourceSetting, TopicSetting, Web
from bulletin.model import Candidate, Event, Issue, Item, Section, Skipped
from bulletin.selection import Past, Selection, choose, explain, item_from
from bulletin.sources import SourceReport

HOME_OFFICE = SourceSetting(id="home", title="Home Office", url="https://www.example.org/f", section="government")
CHIEFS = SourceSetting(
    id="chiefs", title="Police Chiefs", url="https://police.example.org/", kind="listing", topics=("workforce",)
)
CONFIG = Config(
    name="Sample",
    organisation=Organisation(name="Sample", postal_address="1 Example Street"),
    sender=Sender(name="Sample", address="news@example.org"),
    web=Web(archive_url="https://bulletin.example.org/"),
    sections=(SectionSetting(id="government", title="Government"), SectionSetting(id="events", title="Events")),
    topics=(
        TopicSetting(id="stalking", title="Stalking", words=("stalking",)),
        TopicSetting(id="hba", title="Honour", words=("forced marriage",)),
        TopicSetting(id="workforce", title="Workforce"),
    ),
    sources=(HOME_OFFICE, CHIEFS),
    collecting=Collecting(days=45),
)
ISSUE = Issue(schema=1, id="2024-05", title="Sample, May 2024", date=dt.date(2024, 5, 30))
DAY = dt.date(2024, 5, 8)


def story(
    url: str = "https://www.example.org/a",
    title: str = "A story",
    published: dt.date | None = DAY,
    summary: str = "",
    event: Event | None = None,
) -> Candidate:
    return Candidate(title=title, url=url, published=published, summary=summary, event=event)


def select(
    *offers: tuple[SourceSetting, list[Candidate]], issue: Issue = ISSUE, earlier: tuple[Issue, ...] = ()
) -> Selection:
    reports = [SourceReport(source=source, candidates=tuple(candidates)) for source, candidates in offers]
    return choose(reports, issue=issue, earlier_issues=earlier, config=CONFIG)


def reason(selection: Selection) -> str:
    assert selection.new == ()
    ((_, why),) = selection.left_out
    return why


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "usual"),
    [
        ("HTTPS://WWW.Example.ORG:443/A/./b/../c", "https://www.example.org/A/c"),
        ("http://example.org", "http://example.org/"),
        ("https://example.org/a?utm_source=x&id=7&fbclid=y&b=2#part", "https://example.org/a?id=7&b=2"),
        ("https://example.org/a?b=2&a=1", "https://example.org/a?b=2&a=1"),
        ("https://example.org/minutes?open", "https://example.org/minutes?open"),
        ("https://example.org/%7Ea%2fb%c3%a9", "https://example.org/~a%2Fb%C3%A9"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://example.org./a", "https://example.org/a"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        ("  not an address ", "not an address"),
        ("http://[", "http://["),
    ],
)
def test_f_27_an_address_has_one_usual_spelling(url: str, usual: str) -> None:
    assert canonical(url) == usual


@given(st.text(max_size=40) | st.builds("https://{}{}{}".format, st.text(max_size=8), st.text(max_size=20), st.text()))
@settings(max_examples=300, deadline=None)
def test_f_27_the_usual_spelling_of_anything_is_its_own(url: str) -> None:
    assert canonical(canonical(url)) == canonical(url)
    assert same_story_key(canonical(url)) == same_story_key(url)


@given(st.text("aB0-._~/w", max_size=14), st.sampled_from(["", "www.", "www.www.", "a.b-c."]))
@settings(max_examples=500, deadline=None)
def test_f_27_clean_addresses_are_compared_the_short_way_with_the_same_result(rest: str, prefix: str) -> None:
    url = f"https://{prefix}example.org{rest}"
    assert same_story_key(url) == _exact_key(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/a", "https://www.example.org/a/", "https://example.org/a?utm_medium=mail"),
        *("https://example.org/a#part", "http://EXAMPLE.org:80/a", "https://example.org/a?"),
    ],
)
def test_f_27_www_scheme_and_slash_do_not_make_another_story(url: str) -> None:
    assert same_story_key(url) == same_story_key("https://example.org/a")


def test_f_27_a_query_or_another_path_makes_another_story() -> None:
    urls = (
        "https://example.org/a",
        "https://example.org/a?id=1",
        "https://example.org/a?id=2",
        "https://example.org/A",
    )
    assert len({same_story_key(url) for url in urls}) == len(urls)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://www.example.org/a/?utm_source=rss&open#part", "https://www.example.org/a/?open#part"),
        ("https://example.org/a?utm_source=rss", "https://example.org/a"),
        ("https://example.org/a#?utm_source=rss", "https://example.org/a#?utm_source=rss"),
        ("http://Example.org/A", "http://Example.org/A"),
    ],
)
def test_f_27_the_link_shown_is_the_sources_own_without_tracking(url: str, shown: str) -> None:
    assert without_tracking(url) == shown
    assert select((CHIEFS, [story(url)])).new[0].url == shown


# ---------------------------------------------------------------- what is left out


def test_what_the_issue_holds_does_not_come_back() -> None:
    address = "https://example.org/a"
    used = replace(ISSUE, sections=(Section(id="government", items=(Item(id="a", title="A", url=address),)),))
    offered = replace(ISSUE, inbox=(story(address),))
    turned_down = replace(ISSUE, skipped=(Skipped(url=address, why="ran in 2024-03"),))
    offer = (CHIEFS, [story("https://www.example.org/a/")])
    assert reason(select(offer, issue=used)) == "already in this issue"
    assert reason(select(offer, issue=offered)) == "already in the inbox"
    assert reason(select(offer, issue=turned_down)) == "skipped: ran in 2024-03"


def test_what_another_issue_used_does_not_come_back() -> None:
    event = Event(starts=dt.datetime(2024, 6, 1, 10, tzinfo=dt.UTC), booking="https://example.org/book")
    item = Item(id="a", title="A", url="https://example.org/a", event=event)
    april = replace(ISSUE, id="2024-04", sections=(Section(id="events", items=(item,)),))
    march = replace(ISSUE, id="2024-03", skipped=(Skipped(url="https://example.org/c"),))
    for url, why in (("a", "ran in 2024-04"), ("book", "ran in 2024-04"), ("c", "skipped in 2024-03")):
        assert reason(select((CHIEFS, [story(f"https://example.org/{url}")]), earlier=(march, april))) == why


@pytest.mark.parametrize(
    ("published", "why"),
    [
        (dt.date(2024, 4, 14), "published 14 April 2024, before 15 April 2024"),
        (dt.date(2024, 5, 31), "published 31 May 2024, after 30 May 2024"),
    ],
)
def test_what_lies_outside_the_window_is_left_out(published: dt.date, why: str) -> None:
    assert reason(select((CHIEFS, [story(published=published)]))) == why


@pytest.mark.parametrize("published", [dt.date(2024, 4, 15), dt.date(2024, 5, 30), None])
def test_the_windows_ends_and_stories_without_a_date_are_kept(published: dt.date | None) -> None:
    assert len(select((CHIEFS, [story(published=published)])).new) == 1


def test_f_26_a_story_of_two_sources_is_offered_once_by_the_first_in_the_settings() -> None:
    found = select(
        (HOME_OFFICE, [story("https://example.org/a")]), (CHIEFS, [story("http://www.example.org/a/?utm_id=1")])
    )
    assert [candidate.why for candidate in found.new] == [
        "Home Office feed, published 8 May 2024; also offered by Police Chiefs"
    ]
    assert [why for _, why in found.left_out] == ["also offered by Home Office"]


def test_f_26_the_same_telling_headline_within_days_is_the_same_story() -> None:
    title = "Forces share a plain guide to stalking risk"
    near, far = DAY + dt.timedelta(days=2), DAY - dt.timedelta(days=20)
    other = "https://police.example.org/another-slug"
    assert len(select((HOME_OFFICE, [story(title=title)]), (CHIEFS, [story(other, title.upper(), near)])).new) == 1
    assert len(select((HOME_OFFICE, [story(title=title)]), (CHIEFS, [story(other, title, far)])).new) == 2
    assert len(select((HOME_OFFICE, [story(title=title), story(other, title)])).new) == 2
    assert len(select((HOME_OFFICE, [story(title="Weekly news")]), (CHIEFS, [story(other, "Weekly news")])).new) == 2


def test_f_26_a_story_that_was_used_under_another_sources_address_does_not_come_back() -> None:
    title = "Forces share a plain guide to stalking risk"
    other = "https://police.example.org/another-slug"
    april = replace(
        ISSUE, id="2024-04", sections=(Section(id="government", items=(Item(id="a", title="A", url=other),)),)
    )
    found = select((HOME_OFFICE, [story(title=title)]), (CHIEFS, [story(other, title)]), earlier=(april,))
    assert found.new == ()
    assert [why for _, why in found.left_out] == ["ran in 2024-04", "ran in 2024-04"]


def test_an_old_copy_does_not_hide_the_story() -> None:
    found = select((HOME_OFFICE, [story(published=dt.date(2024, 1, 1))]), (CHIEFS, [story()]))
    assert [candidate.published for candidate in found.new] == [DAY]


def test_a_source_that_offers_a_story_twice_is_named() -> None:
    found = select((CHIEFS, [story("https://example.org/a"), story("https://example.org/a/")]))
    assert [why for _, why in found.left_out] == ["offered twice by Police Chiefs"]


# ---------------------------------------------------------------- what is proposed


def test_a_candidate_says_where_it_fits_and_why_it_is_there() -> None:
    (dated,) = select((HOME_OFFICE, [story(title="Stalking and FORCED marriage: new rules", summary="Text")])).new
    assert dated.section == "government"
    assert dated.topics == ("stalking", "hba")
    assert dated.why == "Home Office feed, published 8 May 2024"
    (undated,) = select((CHIEFS, [story(published=None, summary="Stalkings, deforced marriages")])).new
    assert undated.topics == ("workforce",)
    assert undated.section is None
    assert undated.why == "Police Chiefs news page, no date given"


def test_an_event_fits_the_events_section() -> None:
    event = Event(starts=dt.datetime(2024, 6, 1, 10, tzinfo=dt.UTC))
    assert select((HOME_OFFICE, [story(event=event)])).new[0].section == "events"


def test_the_newest_come_first_and_undated_ones_last() -> None:
    days = [None, dt.date(2024, 5, 1), dt.date(2024, 5, 20), None, dt.date(2024, 5, 20)]
    offers = [story(f"https://example.org/{number}", published=day) for number, day in enumerate(days)]
    found = select((CHIEFS, offers)).new
    assert [candidate.url[-1] for candidate in found] == ["2", "4", "1", "0", "3"]


PLACES = st.sampled_from(["a", "a/", "b", "b?utm_source=x", "c", "d"])
TITLES = st.sampled_from(["Short", "One headline that tells quite enough", "Another headline that tells quite enough"])
DAYS: st.SearchStrategy[dt.date | None] = st.sampled_from([None, dt.date(2024, 1, 1), DAY, dt.date(2024, 5, 25)])
HOSTS = st.sampled_from(["https://example.org/", "http://www.example.org/", "https://police.example.org/"])
OFFERS = st.lists(
    st.builds(lambda host, place, title, day: story(host + place, title, day), HOSTS, PLACES, TITLES, DAYS), max_size=8
)


@given(first=OFFERS, second=OFFERS)
@settings(max_examples=150, deadline=None)
def test_choosing_again_finds_nothing_new(first: list[Candidate], second: list[Candidate]) -> None:
    once = select((HOME_OFFICE, first), (CHIEFS, second))
    keys = [same_story_key(candidate.url) for candidate in once.new]
    assert len(keys) == len(set(keys))
    assert len(once.new) + len(once.left_out) == len(first) + len(second)
    again = select((HOME_OFFICE, first), (CHIEFS, second), issue=replace(ISSUE, inbox=once.new))
    assert again.new == ()
    assert once == select((HOME_OFFICE, first), (CHIEFS, second))


# ---------------------------------------------------------------- items


def test_an_item_keeps_what_the_source_said_and_gets_an_id_of_its_own() -> None:
    candidate = replace(story(title="Domestic abuse: what’s new in 2024?"), source="Home Office", topics=("hba",))
    item = item_from(candidate, {"domestic-abuse-whats-new-in-2024"})
    assert item.id == "domestic-abuse-whats-new-in-2024-2"
    assert (item.title, item.url, item.source) == (candidate.title, candidate.url, "Home Office")
    assert (item.published, item.topics) == (DAY, ("hba",))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Cymorth â thai", "cymorth-a-thai"),
        ("日本", "story"),
        ("x" * 200, "x" * 48),
        ("Many " * 40, "many-many-many-many-many-many-many-many-many"),
    ],
)
def test_any_headline_gives_an_id(title: str, name: str) -> None:
    assert item_from(story(title=title), ()).id == name


# ---------------------------------------------------------------- the same story or not


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Tech firms must tame toxic algorithms to protect children", "Tech firms must tame toxic algorithms", False),
        ("Our lead responds to Ofcom online safety plans", "Our lead responds to Ofcom’s online safety plans", True),
        (
            "Child protection lead responds to the IWF report",
            "Lead for child protection responds to the IWF report",
            True,
        ),
        ("Modern slavery statistics, January to March 2024", "Modern slavery statistics, April to June 2024", False),
        ("Stalking awareness week: day 1 of the campaign", "Stalking awareness week: day 2 of the campaign", False),
        (
            "Norfolk police respond to the inspection of child protection",
            "Suffolk police respond to the inspection of child protection",
            False,
        ),
        ("Forces respond to new report on stalking risk", "Forces respond to new reports on stalking risk", True),
        ("Weekly news", "Weekly news", False),
    ],
)
def test_f_26_headlines_that_are_nearly_the_same_tell_one_story(one: str, other: str, same: bool) -> None:
    second = "https://police.example.org/another-slug"
    found = select((HOME_OFFICE, [story(title=one)]), (CHIEFS, [story(second, other)])).new
    assert len(found) == (1 if same else 2)
    if same:
        assert found[0].also == (second,)


def test_f_26_one_story_of_three_sources_is_led_by_the_one_whose_own_it_is_and_has_the_best_of_each() -> None:
    third = SourceSetting(id="wire", title="The Wire", url="https://wire.example.com/feed")
    title = "Forces share a plain guide to stalking risk"
    own = story("https://police.example.org/guide", title, None)
    passed_on = replace(story("https://police.example.org/guide/", title), image="https://wire.example.com/p.jpg")
    retold = story("https://www.example.org/retold", title, summary="Words")
    (found,) = select((third, [passed_on]), (CHIEFS, [own]), (HOME_OFFICE, [retold])).new
    assert (found.url, found.published, found.summary, found.image) == (
        "https://police.example.org/guide", DAY, "Words", "https://wire.example.com/p.jpg",
    )  # fmt: skip
    assert found.also == ("https://www.example.org/retold",)
    assert found.why == "Police Chiefs news page, published 8 May 2024; also offered by Home Office, The Wire"


def used_in_april(url: str, title: str = "As the editor put it") -> Issue:
    item = Item(id="a", title=title, url=url, source="Police Chiefs", published=DAY)
    return replace(ISSUE, id="2024-04", date=dt.date(2024, 4, 30), sections=(Section(id="government", items=(item,)),))


def test_what_ran_is_known_again_at_another_address() -> None:
    """By what its source called it then, by the source's own name for it, and across sources by its headline."""
    title, site = "A plain guide to stalking risk for forces", "https://police.example.org/"
    old, new = site + "old", site + "new"
    before = replace(story(old, title), source="Police Chiefs", source_id="guid-7")
    april = used_in_april(old)
    for candidate in (
        replace(story(new, title), source="Police Chiefs"),
        replace(
            story(new, title + " (updated)", DAY + dt.timedelta(days=9)), source="Police Chiefs", source_id="guid-7"
        ),
        replace(story("https://wire.example.com/x", title, DAY + dt.timedelta(days=3)), source="The Wire"),
    ):
        found = choose(
            [SourceReport(source=CHIEFS, candidates=(candidate,))],
            issue=ISSUE, earlier_issues=(april,), config=CONFIG, past=[Past(source="chiefs", candidate=before)],
        )  # fmt: skip
        assert reason(found) == f"ran in 2024-04, under another address: {old}"


def test_a_reused_name_or_a_headline_that_came_back_is_another_story() -> None:
    title, site = "A plain guide to stalking risk for forces", "https://police.example.org/"
    old, new = site + "old", site + "new"
    before = replace(story(old, title), source="Police Chiefs", source_id="guid-7")
    for candidate in (
        replace(story(new, "Something else that is quite another story"), source="Police Chiefs", source_id="guid-7"),
        replace(story(new, title, DAY + dt.timedelta(days=1)), source="Police Chiefs"),
        replace(story(new, title, DAY + dt.timedelta(days=12)), source="The Wire"),
    ):
        found = choose(
            [SourceReport(source=CHIEFS, candidates=(candidate,))],
            issue=ISSUE, earlier_issues=(used_in_april(old),), config=CONFIG,
            past=[Past(source="chiefs", candidate=before)],
        )  # fmt: skip
        assert len(found.new) == 1


def test_f_29_what_was_updated_since_it_ran_is_no_news_but_says_so() -> None:
    address = "https://police.example.org/guide"
    for candidate, since in (
        (replace(story(address), updated=dt.date(2024, 5, 10)), "; updated since, on 10 May 2024"),
        (story(address), "; updated since, on 8 May 2024"),
        (story(address, published=dt.date(2024, 4, 20)), ""),
    ):
        found = select((CHIEFS, [candidate]), earlier=(used_in_april(address),))
        assert reason(found) == "ran in 2024-04" + since
        assert len(found.updated) == bool(since)


def test_an_undated_story_counts_from_when_it_was_first_seen_and_an_event_from_its_day() -> None:
    old, fresh = (replace(story(published=None), seen=day) for day in (dt.date(2024, 3, 1), dt.date(2024, 5, 20)))
    assert reason(select((CHIEFS, [old]))) == "first seen 1 March 2024, before 15 April 2024"
    (offered,) = select((CHIEFS, [fresh])).new
    assert offered.why == "Police Chiefs news page, no date given, first seen 20 May 2024"
    past, far = (Event(starts=dt.datetime(2024, month, 20, 11, tzinfo=dt.UTC)) for month in (5, 12))
    assert reason(select((CHIEFS, [story(published=None, event=past)]))) == (
        "takes place on 20 May 2024, before the issue goes out"
    )
    assert reason(select((CHIEFS, [story(published=None, event=far)]))).endswith("long after the issue")


def test_a_section_comes_from_words_then_the_source_then_the_topic() -> None:
    config = replace(
        CONFIG,
        sections=(*CONFIG.sections, SectionSetting(id="views", title="Views", words=("consultation",))),
        topics=(TopicSetting(id="stalking", title="Stalking", words=("stalking",), section="events"),),
    )
    reports = [
        SourceReport(source=HOME_OFFICE, candidates=(story(title="Open consultation on stalking orders"),)),
        SourceReport(source=HOME_OFFICE, candidates=(story("https://example.org/b", "On stalking"),)),
        SourceReport(source=CHIEFS, candidates=(story("https://example.org/c", "More on stalking"),)),
    ]
    found = choose(reports, issue=ISSUE, earlier_issues=(), config=config).new
    assert [(entry.section, entry.why.partition("; ")[2]) for entry in found] == [
        ("views", 'placed by the word "consultation"'),
        ("government", ""),
        ("events", "placed by its topic stalking"),
    ]


def test_every_decision_can_be_explained() -> None:
    old = story("https://example.org/old", "Old", dt.date(2024, 1, 1))
    title = "Forces share a plain guide to stalking risk"
    reports = [
        SourceReport(source=HOME_OFFICE, candidates=(story(title=title), old)),
        SourceReport(
            source=CHIEFS, candidates=(story("https://police.example.org/slug", title, DAY + dt.timedelta(1)),)
        ),
    ]

    def why(url: str, issue: Issue = ISSUE) -> str:
        return "\n".join(explain(url, reports, issue=issue, earlier_issues=(), config=CONFIG))

    told = why("http://police.example.org/slug/")
    assert "the same story as that of Home Office: headlines 100 % alike, 1 day apart" in told
    offered = "Offered for 2024-05. Section: government, by its source."
    assert told.endswith(f'{offered}\nTopic: stalking, by the word "stalking".')
    assert why("https://example.org/old").endswith("Left out: published 1 January 2024, before 15 April 2024.")
    skipped = replace(ISSUE, skipped=(Skipped(url="https://example.org/gone", why="dull"),))
    assert why("https://example.org/gone", skipped) == "No source offers it; it is skipped: dull."
    assert why("https://example.org/unknown") == ""
