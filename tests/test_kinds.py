"""Sources beyond feeds: lists in pages, saved pages and mails, GOV.UK's own days, calendars, and finding them."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localweb import Site, client_for, site
from test_collecting import LONDON, TODAY, collect
from test_sources import document, failure, spec

from bulletin.cli import run
from bulletin.collecting import discover
from bulletin.config import SourceSetting
from bulletin.errors import BulletinError
from bulletin.model import Event
from bulletin.sources import UnreadableError, calendar, folder, govuk, listing, page


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        running.gives("/robots.txt", status=404)
        yield running


def saved(name: str, body: str) -> tuple[str, str, dt.date | None, str | None]:
    """Headline, address, day and source of a file in the folder."""
    (found,) = folder.read(document(body, name), spec())
    return found.title, found.url, found.published, found.source


# ---------------------------------------------------------------- pages


def test_what_most_places_of_a_page_say_wins_and_the_sites_name_is_no_part_of_it() -> None:
    html = """<title>The whole headline of the story - Example Trust</title>
    <meta property="og:site_name" content="Example Trust"><meta property="og:title" content="Home">
    <h1>The whole headline of the story</h1>"""
    (found,) = page.read(document(html), spec())
    assert found.title == "The whole headline of the story"
    assert found.why == "headline from main heading and page title, no day found"


def test_microdata_is_read() -> None:
    html = """<div itemscope itemtype="https://schema.org/Article"><h1 itemprop="headline">Words</h1>
    <meta itemprop="datePublished" content="2024-05-08"><img itemprop="image" src="/p.jpg"></div>"""
    (found,) = page.read(document(html), spec())
    assert (found.published, found.image) == (dt.date(2024, 5, 8), "https://www.example.org/p.jpg")
    assert found.why.endswith("day from microdata")


def test_f_28_a_day_that_a_page_does_not_say_is_guessed_and_marked() -> None:
    html = "<html><body><h1>A story without a day of its own</h1><div class=post-meta>8 May 2024</div></body></html>"
    (found,) = page.read(document(html, "https://www.example.org/news/a-story"), spec())
    assert found.published == dt.date(2024, 5, 8)
    assert found.dated == "guessed from the page's address or words; look at the page"
    (sure,) = page.read(document(html.replace("</body>", '<time datetime="2024-05-09"></body>')), spec())
    assert (sure.published, sure.dated) == (dt.date(2024, 5, 9), "")


# ---------------------------------------------------------------- lists over several pages


def test_a_list_goes_on_to_the_next_page_as_far_as_the_settings_allow(web: Site, tmp_path: Path) -> None:
    for number in range(1, 5):
        entry = f"<article><a href='/s{number}'>Story number {number}</a><time>{number} May 2024</time></article>"
        web.gives(f"/{number}", f"{entry}<a class=next href='/{number + 1}'>Older</a>")
    for pages, count in ((1, 1), (3, 3), (9, 4)):
        url = f"{web.base}/1"
        listed = SourceSetting(
            id=f"p{pages}", title="P", url=url, kind="listing", pages=pages, selectors={"next": ".next"}
        )
        report = collect([listed], client_for(web), tmp_path, fresh=True)[listed.id]
        assert len(report.candidates) == count
    assert report.notes == ("page 5 answered 404: there is no such page",)


def test_a_selector_that_finds_nothing_is_named_though_there_are_stories(web: Site, tmp_path: Path) -> None:
    url = web.gives("/1", "<article><a href='/a'>A story here</a><time>8 May 2024</time></article>")
    selectors = {"link": "a", "date": ".day", "summary": "p"}
    listed = SourceSetting(id="l", title="L", url=url, kind="listing", selectors=selectors)
    assert collect([listed], client_for(web), tmp_path)["l"].notes == (
        'finds no date with the selector ".day"; the page may have changed',
        'finds no summary with the selector "p"; the page may have changed',
    )


def test_the_next_page_is_never_another_sites() -> None:
    html = "<a class=next href='https://elsewhere.example.com/2'>Older</a>"
    assert listing.more(document(html), spec(next=".next")) is None


# ---------------------------------------------------------------- saved pages and mails


def test_a_saved_page_knows_where_it_came_from() -> None:
    html = (
        "<meta property='og:site_name' content='Police'><h1>Saved from a site that refuses</h1><time>8 May 2024</time>"
    )
    expected = ("Saved from a site that refuses", "https://police.example.org/news/1", dt.date(2024, 5, 8), "Police")
    for mark in (
        "<!-- saved from url=(0033)https://police.example.org/news/1 -->",
        "<!--\n Page saved with SingleFile \n url: https://police.example.org/news/1 \n-->",
        '<link rel="canonical" href="https://police.example.org/news/1">',
        '<meta property="og:url" content="https://police.example.org/news/1">',
    ):
        assert saved("a.html", mark + html) == expected
    assert failure(folder, document(html, "a.html")).startswith("does not say where it was saved from")


def test_a_page_saved_as_mhtml_is_read() -> None:
    mhtml = """From: <Saved by Blink>
Snapshot-Content-Location: https://police.example.org/news/1
Subject: =?utf-8?Q?Caf=C3=A9?=
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="b"

--b
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable
Content-Location: https://police.example.org/news/1

<h1>Caf=C3=A9 talks</h1><time datetime=3D"2024-05-08">x</time>
--b
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--b--
"""
    assert saved("a.mhtml", mhtml) == (
        "Café talks", "https://police.example.org/news/1", dt.date(2024, 5, 8), "police.example.org",
    )  # fmt: skip
    assert failure(folder, document("Subject: x\n\nwords", "a.mht")) == "holds no web page"


FORWARDED = """From: A Colleague <colleague@example.org>
Date: Fri, 10 May 2024 16:20:00 +0100
Subject: FW: {subject}
MIME-Version: 1.0
Content-Type: text/{kind}; charset=utf-8

{body}
"""


def test_of_a_forwarded_mail_the_first_sender_day_and_subject_count() -> None:
    text = (
        "See below\n\nFrom: Trust News <n@trust.example.org>\nSent: 8 May 2024 09:00\nSubject: New guide for carers\n\n"
        "The guide is out.\nRead: https://trust.example.org/guide\nhttps://trust.example.org/unsubscribe"
    )
    html = (
        "<p>See</p><div><b>From:</b> Trust News &lt;n@trust.example.org&gt;<br><b>Sent:</b> 8 May 2024 09:00<br>"
        "<b>Subject:</b> New guide for carers</div><a href='https://trust.example.org/view'>View in your browser</a>"
        "<a href='https://trust.example.org/'>Home</a>"
        "<a href='https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Ftrust.example.org%2Fguide&amp;data=1'>"
        "The new guide for carers</a>"
    )
    expected = ("New guide for carers", "https://trust.example.org/guide", dt.date(2024, 5, 8), "Trust News")
    for kind, body in (("plain", text), ("html", html)):
        assert saved("a.eml", FORWARDED.format(subject="New guide for carers", kind=kind, body=body)) == expected


def test_a_mail_forwarded_as_an_attachment_is_the_mail_itself() -> None:
    inner = "From: Trust <n@trust.example.org>\nDate: Wed, 8 May 2024 09:00:00 BST\nSubject: A guide\n\nhttps://t.example.org/g"
    whole = f"""From: me@example.org
Subject: FYI
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: message/rfc822

{inner}
--b--
"""
    assert saved("a.eml", whole) == ("A guide", "https://t.example.org/g", dt.date(2024, 5, 8), "Trust")


def test_one_bad_file_in_a_folder_is_named_and_the_others_are_read(web: Site, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    for name, body in {
        "a.html": "<!-- saved from url=(1)https://e.example.org/a --><h1>A page</h1>",
        "b.eml": "x",
    }.items():
        (tmp_path / "saved" / name).write_text(body)
    (tmp_path / "saved" / "a_files").mkdir()
    (tmp_path / "saved" / "a_files" / "advert.html").write_text("<h1>An advert beside the page</h1>")
    (tmp_path / "saved" / "c.msg").write_bytes(b"\xd0\xcf\x11\xe0")
    source = SourceSetting(id="saved", title="Saved", url="saved", kind="folder")
    report = collect([source], client_for(web), tmp_path)["saved"]
    assert [candidate.title for candidate in report.candidates] == ["A page"]
    assert report.notes == (
        "b.eml has no subject; add the story by hand",
        "c.msg is a message of Outlook's own kind; save it as .eml, or save the page it leads to",
    )
    assert collect([source], client_for(web), tmp_path)["saved"].not_modified
    gone = SourceSetting(id="gone", title="Gone", url="nowhere", kind="folder")
    assert "not there" in (collect([gone], client_for(web), tmp_path)["gone"].failure or "")


# ---------------------------------------------------------------- GOV.UK


def test_gov_uk_tells_when_a_page_was_first_published_and_is_asked_once(web: Site, tmp_path: Path) -> None:
    entry = '<entry><title>Old page</title><link href="{0}"/><id>{0}#{1}</id><updated>{1}</updated></entry>'
    head = '<feed xmlns="http://www.w3.org/2005/Atom">'
    story = web.gives("/guidance/old", "")
    other = "https://other.example.org/x"
    body = head + entry.format(story, "2024-05-10T09:00:00Z") + entry.format(other, "2024-05-09T09:00:00Z") + "</feed>"
    web.gives("/home.atom", body)
    days = {"first_published_at": "2024-04-22T09:00:00+01:00", "public_updated_at": "2024-05-10T09:00:00+01:00"}
    web.gives("/api/content/guidance/old", json.dumps(days))
    source = SourceSetting(id="gov", title="Gov", url=web.base + "/home.atom", kind="govuk")
    for hours in (0, 2):
        elsewhere, found = collect([source], client_for(web), tmp_path, after_hours=hours)["gov"].candidates
        assert (found.published, found.updated) == (dt.date(2024, 4, 22), dt.date(2024, 5, 10))
        assert (elsewhere.published, elsewhere.updated) == (dt.date(2024, 5, 9), None)
        web.gives("/home.atom", body + " ")
    assert len(web.asked("/api/content/guidance/old")) == 1


def test_gov_uk_is_asked_again_where_its_days_could_not_be_had(web: Site, tmp_path: Path) -> None:
    entry = f'<entry><title>Page</title><link href="{web.base}/p"/><updated>2024-05-10T09:00:00Z</updated></entry>'
    web.gives("/home.atom", f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>', headers={"ETag": '"1"'})
    web.gives("/api/content/p", status=429)
    source = SourceSetting(id="gov", title="Gov", url=web.base + "/home.atom", kind="govuk")
    first = collect([source], client_for(web), tmp_path)["gov"]
    assert first.notes[0].startswith("does not say when its stories were first published")
    assert "asked us to wait until 14:00" in collect([source], client_for(web), tmp_path, fresh=True)["gov"].rested
    web.gives("/api/content/p", '{"first_published_at": "2024-04-22T09:00:00+01:00"}')
    (found,) = collect([source], client_for(web), tmp_path, after_hours=2)["gov"].candidates
    assert found.published == dt.date(2024, 4, 22)


@pytest.mark.parametrize("body", ["nonsense", "[]", '{"first_published_at": 7}', "[" * 100_000])
def test_gov_uk_without_its_days_still_gives_the_story(web: Site, tmp_path: Path, body: str) -> None:
    entry = f'<entry><title>Page</title><link href="{web.base}/p"/><updated>2024-05-10T09:00:00Z</updated></entry>'
    web.gives("/home.atom", f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>')
    web.gives("/api/content/p", body)
    source = SourceSetting(id="gov", title="Gov", url=web.base + "/home.atom", kind="govuk")
    (found,) = collect([source], client_for(web), tmp_path)["gov"].candidates
    assert found.published == dt.date(2024, 5, 10)
    assert govuk.detail(found, spec()) is None


# ---------------------------------------------------------------- calendars


def ics(*events: str) -> str:
    inside = "".join(f"BEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\n" for event in events)
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inside}END:VCALENDAR\r\n"


def test_a_calendar_gives_what_is_coming_up_in_the_publications_own_time() -> None:
    text = ics(
        "UID:1\r\nSUMMARY:Seminar\r\nDTSTART:20240612T100000Z\r\nDTEND:20240612T113000Z\r\nURL:https://e.example.org/1",
        "UID:2\r\nSUMMARY:Past\r\nDTSTART:20240401T100000Z\r\nURL:https://e.example.org/2",
        "UID:3\r\nSUMMARY:Weekly\r\nDTSTART;TZID=Europe/London:20240101T120000\r\nRRULE:FREQ=WEEKLY\r\n"
        "DESCRIPTION:Join at https://e.example.org/3.",
        "UID:4\r\nSUMMARY:Whole day\r\nDTSTART;VALUE=DATE:20240701\r\nURL:/4",
        "UID:5\r\nSUMMARY:Nowhere to read on\r\nDTSTART:20240613T100000Z",
    )
    weekly, seminar, whole = calendar.read(document(text), spec())
    assert (seminar.title, seminar.event) == (
        "Seminar",
        Event(
            starts=dt.datetime.fromisoformat("2024-06-12T11:00"),
            ends=dt.datetime.fromisoformat("2024-06-12T12:30"),
            booking="https://e.example.org/1",
        ),
    )
    assert weekly.url == "https://e.example.org/3"
    assert weekly.event is not None
    assert weekly.event.starts == dt.datetime.fromisoformat("2024-06-03T12:00")
    assert (whole.event, whole.summary) == (None, "On 1 July 2024.")


def test_an_unchanged_calendar_says_each_day_what_is_next(web: Site, tmp_path: Path) -> None:
    weekly = "UID:3\r\nSUMMARY:Weekly\r\nDTSTART:20240101T120000Z\r\nRRULE:FREQ=WEEKLY\r\nURL:https://e.example.org/3"
    url = web.gives("/c.ics", ics(weekly), headers={"ETag": '"1"'})
    source = SourceSetting(id="c", title="C", url=url, kind="calendar")
    days = []
    for hours in (0, 2, 24 * 7):
        (found,) = collect([source], client_for(web), tmp_path, after_hours=hours)["c"].candidates
        assert found.event is not None
        days.append(found.event.starts.day)
    assert days == [3, 3, 10]
    assert ["if-none-match" in asked for asked in web.asked("/c.ics")] == [False, True, False]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is empty"),
        ("<html>", "is not a calendar that can be read"),
        (
            ics("UID:5\r\nSUMMARY:X\r\nDTSTART:20240613T100000Z"),
            "lists events, but none with a web address; add them by ",
        ),
    ],
)
def test_what_is_no_calendar_is_named(body: str, reason: str) -> None:
    assert failure(calendar, document(body)).startswith(reason)


@given(
    st.lists(
        st.sampled_from(["DTSTART:20240613T1", "RRULE:FREQ=SECONDLY", "URL:x", "SUMMARY:é", "DTSTART;TZID=No:1", "\0"])
    )
)
@settings(max_examples=60)
def test_any_calendar_gives_candidates_or_a_reason(lines: list[str]) -> None:
    with suppress(UnreadableError):
        for found in calendar.read(document(ics("\r\n".join(lines))), spec()):
            assert found.title
            assert found.url.startswith(("http://", "https://"))


# ---------------------------------------------------------------- finding sources

LIST = "".join(
    f"<li class='card big'><a class='card__link' href='/n/{n}'>A headline that is long enough, number {n}</a>"
    f"<span class='card__date'>{n} May 2024</span></li>"
    for n in range(1, 6)
)
RSS = (
    "<rss version='2.0'><channel><title>t</title><item><title>One story</title><link>/one</link></item></channel></rss>"
)


def test_f_30_every_feed_a_page_names_is_listed_with_its_lines(web: Site) -> None:
    web.gives("/a.xml", RSS)
    web.gives("/cal.ics", ics("UID:1\r\nSUMMARY:Talk\r\nDTSTART:20240612T100000Z\r\nURL:/t"))
    named = '<link rel="alternate" type="application/rss+xml" href="/{}">'
    url = web.gives(
        "/", f"<html><head>{named.format('a.xml')}{named.format('dead.xml')}</head><a href='/cal.ics'>Diary</a>"
    )
    found = discover(url, client=client_for(web), zone=LONDON, today=TODAY)
    assert [(finding.kind, finding.url.removeprefix(web.base), finding.failure) for finding in found] == [
        ("feed", "/a.xml", ""),
        ("calendar", "/cal.ics", ""),
        ("feed", "/dead.xml", "answered 404: there is no such page"),
    ]
    made = tomllib.loads(found[1].lines())["sources"][0]
    assert SourceSetting(**made).kind == "calendar"


def test_a_page_without_feeds_is_asked_at_the_usual_places_and_its_list_is_described(web: Site, tmp_path: Path) -> None:
    web.gives("/feed/", RSS)
    url = web.gives("/news", f"<html><ul>{LIST}</ul>")
    feed_, listed = discover(url, client=client_for(web), zone=LONDON, today=TODAY)
    assert (feed_.url, feed_.how) == (web.base + "/feed/", "found at the usual place")
    assert listed.selectors == {"entry": "li.card", "link": "a.card__link", "date": "span.card__date"}
    made = SourceSetting(**tomllib.loads(listed.lines())["sources"][0])
    report = collect([made], client_for(web), tmp_path)[made.id]
    assert len(report.candidates) == 5
    assert all(candidate.published for candidate in report.candidates)


def test_a_site_that_refuses_programs_is_answered_with_what_to_do(web: Site) -> None:
    url = web.gives("/", status=403)
    with pytest.raises(BulletinError, match="refuses programs") as caught:
        discover(url, client=client_for(web), zone=LONDON, today=TODAY)
    assert "Save its pages in your browser into a folder" in caught.value.hint


def test_the_sources_command_tells_how_they_are(
    web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from test_config import GOOD  # noqa: PLC0415 - only here
    from test_publication import ISSUE  # noqa: PLC0415

    good, gone = web.gives("/feed", RSS), web.gives("/gone", status=410)
    extra = f'[[sources]]\nid = "gone"\ntitle = "Gone"\nurl = "{gone}"\n[collecting]\nlocal_hosts = ["{web.host}"]\n'
    (tmp_path / "bulletin.toml").write_text(f"{GOOD.replace('https://www.example.org/feed', good)}\n{extra}")
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    (tmp_path / "issues/2024-05/issue.yaml").write_text(ISSUE)
    monkeypatch.chdir(tmp_path)
    assert run(["collect", "2024-05"]) == 0
    capsys.readouterr()
    assert run(["sources", "--json"]) == 0
    told = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
    assert [one["state"] for one in told.values()] == ["works", "gone"]
    assert run(["sources"]) == 0
    assert "is not asked any more; find its new address, or take it out of bulletin.toml" in capsys.readouterr().err
    assert run(["sources", "try", web.gives("/page", f"<html>{LIST}")]) == 0
    assert "[[sources]]" in capsys.readouterr().out
    assert run(["sources", "try", web.gives("/none", "<html>")]) == 1
