"""Kinds of source: what is read from good documents, odd ones, and hostile ones."""

from __future__ import annotations

import datetime as dt
import json
import time
from html import escape, unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bulletin import registry
from bulletin.model import Candidate, Event
from bulletin.sampleweb import _server as samples
from bulletin.sources import Document, SourceKind, Spec, UnreadableError, _quick, feed, listing, page
from bulletin.sources._readers import Readers
from bulletin.sources._text import decoded, extract, plain, web_link

DATA = Path(__file__).parent / "data" / "sources"
BASE = "http://127.0.0.1:8000/"
SITE = samples.site(BASE)
HOME = "https://www.example.org/"


def spec(*, limit: int = 30, today: dt.date = dt.date(2024, 5, 30), **selectors: str) -> Spec:
    return Spec(
        url=HOME, title="Example", zone=ZoneInfo("Europe/London"), today=today, limit=limit, selectors=selectors
    )


def document(body: bytes | str, url: str = HOME, content_type: str = "") -> Document:
    return Document(url=url, body=body.encode() if isinstance(body, str) else body, content_type=content_type)


def sample(path: str) -> Document:
    content_type, body = SITE[path]
    return document(body, BASE.rstrip("/") + path, content_type)


def data(name: str) -> Document:
    return document((DATA / name).read_bytes())


def by_path(candidates: tuple[Candidate, ...]) -> dict[str, Candidate]:
    return {candidate.url.removeprefix(HOME): candidate for candidate in candidates}


def failure(kind: SourceKind, what: Document, how: Spec | None = None) -> str:
    with pytest.raises(UnreadableError) as caught:
        kind.read(what, how or spec())
    assert "\n" not in caught.value.message
    return caught.value.message


# ---------------------------------------------------------------- feeds


def test_every_kind_is_registered_by_its_file() -> None:
    assert {"feed", "listing", "page"} <= set(registry.names("sources"))


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/programme.json", 3),
        ("/crime-agency.xml", 4),
        ("/home-department.atom", 3),
        ("/research-unit.rdf", 2),
        ("/childrens-charity.xml", 3),
        ("/practice-hub.atom", 2),
        ("/regulator.atom", 1),
    ],
)
def test_f_20_every_format_is_known_from_its_content(path: str, count: int) -> None:
    content_type, body = SITE[path]
    for named in (content_type, "text/plain", "text/html", "application/octet-stream", ""):
        assert len(feed.read(document(body, BASE, named), spec())) == count


@pytest.mark.parametrize("version", ["https://jsonfeed.org/version/1", "https://jsonfeed.org/version/1.1"])
def test_f_20_both_json_feeds_are_read_whatever_their_items_lack(version: str) -> None:
    body = {
        "version": version,
        "items": [
            {"id": 7, "title": None, "content_text": "Words without a headline.", "url": "/words"},
            {"id": "https://www.example.org/by-id", "title": "2 < 3 & more", "date_published": "2024-05-08"},
            {"id": "no-link", "title": "Nowhere"},
            "not an item",
        ],
    }
    found = by_path(feed.read(document(json.dumps(body)), spec()))
    assert found["words"].title == "Words without a headline."
    assert (found["by-id"].title, found["by-id"].published) == ("2 < 3 & more", dt.date(2024, 5, 8))
    assert len(found) == 2


def test_gov_uk_headlines_lose_prefix_and_space_and_an_update_is_no_second_story() -> None:
    """F-29, and the traps of GOV.UK feeds: `URL#timestamp` ids, only `updated`, marks escaped twice."""
    candidates = feed.read(sample("/home-department.atom"), spec())
    assert [candidate.title for candidate in candidates] == [
        "New duty to share information about serious violence",
        "Funding for specialist support after abuse",
        "Protection orders for victims of honour-based abuse",
    ]
    assert [candidate.published for candidate in candidates] == [
        dt.date(2024, 5, 21),
        dt.date(2024, 5, 10),
        dt.date(2024, 4, 29),
    ]
    words = " ".join(candidate.summary for candidate in candidates)
    assert "support victims of domestic" in words
    assert "professionals & volunteers can" in words
    assert not {"<", "&amp;", "mark>", "&lt;"} & set(words.split())


def test_f_28_days_are_told_in_the_publications_zone_and_doubtful_ones_are_left_out() -> None:
    found = by_path(feed.read(data("dates.xml"), spec()))
    sure = {"bst", "utc", "short-year", "slashes", "midnight"}
    assert {name: found[name].published for name in sure} == dict.fromkeys(sure, dt.date(2024, 5, 8))
    assert {name for name, candidate in found.items() if candidate.published is None} == set(found) - sure


def test_the_newest_stories_are_kept_and_undated_ones_come_last() -> None:
    found = feed.read(sample("/crime-agency.xml"), spec(limit=3))
    assert [candidate.published for candidate in found] == [
        dt.date(2024, 5, 16),
        dt.date(2024, 4, 22),
        dt.date(2024, 3, 4),
    ]


def test_f_24_relative_links_start_from_xml_base_then_self_then_the_address_that_answered() -> None:
    entry = '<entry><title>x</title><link href="s"/></entry>'
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"{}><title>t</title>{}' + entry + "</feed>"
    rel = '<link rel="self" href="https://self.example.org/f/"/>'
    for extra, link, expected in (
        (' xml:base="https://base.example.org/b/"', rel, "https://base.example.org/b/s"),
        ("", rel, "https://self.example.org/f/s"),
        ("", "", "https://www.example.org/s"),
    ):
        assert [c.url for c in feed.read(document(atom.format(extra, link)), spec())] == [expected]
    assert feed.read(sample("/practice-hub.atom"), spec())[0].url.startswith(BASE + "news/sample-practice-hub/")


def test_f_31_no_script_no_markup_and_no_odd_link_comes_through() -> None:
    found = by_path(feed.read(data("hostile.xml"), spec()))
    assert set(found) == {"script", "marks"}
    assert found["script"].title == "One two"
    assert found["script"].summary == "Read this and that"
    assert found["marks"].title == "Line break and turned text"
    assert found["marks"].image is None


def test_a_summary_is_markdown_that_shows_the_sources_words_and_nothing_else() -> None:
    summary = by_path(feed.read(data("hostile.xml"), spec()))["marks"].summary
    shown = MarkdownIt("commonmark").render(summary)
    assert shown == "<p>[click here](https://evil.example.org/) **loud**</p>\n"


@given(
    st.text("_*[`<&#-1. a", max_size=12)
    | st.text(alphabet=st.characters(codec="utf-8", categories=("L", "P", "S", "Zs", "N")), max_size=80)
)
@settings(max_examples=200, deadline=None)
def test_f_32_an_extract_shows_the_words_it_was_given(text: str) -> None:
    words = " ".join(text.split())
    rendered = MarkdownIt("commonmark").render(extract(words))
    if words:
        assert rendered.startswith("<p>")
        assert unescape(rendered.removeprefix("<p>").removesuffix("</p>\n")) == words


def test_f_32_an_extract_ends_with_a_sentence_or_else_with_a_word() -> None:
    long = " ".join(["Seven plain words stand in each sentence."] * 20)
    assert extract(long) == " ".join(["Seven plain words stand in each sentence."] * 8)
    assert extract("word " * 100) == " ".join(["word"] * 60) + "…"
    assert len(extract("x" * 5000)) < 700


def test_no_text_is_longer_than_its_place() -> None:
    long = "words " * 20_000
    item = {"title": long, "url": "/a", "content_html": f'<img src="/p" alt="{long}">{"y" * 90_000}'}
    too_long = {"title": "A link without end", "url": "/" + "a" * 3000}
    body = json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": [item, too_long]})
    (found,) = feed.read(document(body), spec())
    assert found.title.endswith("words…")
    assert all(len(text or "") < 700 for text in (found.title, found.summary, found.image_alt))


def test_pictures_come_with_the_words_the_source_gives_them() -> None:
    story = feed.read(sample("/crime-agency.xml"), spec())[0]
    assert story.image == BASE + "pictures/screens.png"
    assert story.image_alt == "A laptop and two telephones, each with a simple padlock on the screen."


ITEM = "<item><title>Story</title><link>/a</link></item>"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
OLD_FORMATS = {
    "RSS 0.90": f'<rdf:RDF {RDF} xmlns="http://my.netscape.com/rdf/simple/0.9/">{ITEM}</rdf:RDF>',
    "RSS 0.91": f'<rss version="0.91"><channel><title>t</title>{ITEM}</channel></rss>',
    "RSS 0.92": f'<rss version="0.92"><channel>{ITEM.replace("title", "description")}</channel></rss>',
    "RSS with items outside": f'<rss version="2.0"><channel><title>t</title></channel>{ITEM}</rss>',
    "RSS in capitals": f'<RSS VERSION="2.0"><CHANNEL>{ITEM.upper().replace("STORY", "Story").replace("/A<", "/a<")}',
    "Atom 0.3": '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><title>Story</title>'
    '<link rel="alternate" type="text/html" href="/a"/><issued>2024-05-08T10:00:00Z</issued></entry></feed>',
    "Atom with markup": '<feed xmlns="http://www.w3.org/2005/Atom"><entry><title type="xhtml">'
    '<div xmlns="http://www.w3.org/1999/xhtml"><b>Story</b></div></title><link href="/a"/></entry></feed>',
}


@pytest.mark.parametrize("name", OLD_FORMATS)
def test_f_20_old_and_odd_formats_are_read(name: str) -> None:
    (found,) = feed.read(document(OLD_FORMATS[name]), spec())
    assert (found.title, found.url) == ("Story", HOME + "a")
    assert found.published == (dt.date(2024, 5, 8) if name == "Atom 0.3" else None)


def test_f_25_a_new_name_is_the_same_story_and_a_reused_one_is_another() -> None:
    """GOV.UK's `URL#timestamp` names a story anew; a careless feed gives two stories one name."""
    items = (("/a", "one"), ("/a", "two"), ("/b", "two"))
    body = "".join(f"<item><title>Story</title><link>{link}</link><guid>{name}</guid></item>" for link, name in items)
    found = feed.read(document(f'<rss version="2.0"><channel>{body}</channel></rss>'), spec())
    assert [(one.url.removeprefix(HOME), one.source_id) for one in found] == [("a", "one"), ("b", "two")]


def test_f_28_a_day_that_lies_ahead_is_flagged() -> None:
    found = by_path(feed.read(data("dates.xml"), spec()))
    assert found["ahead"].dated == "the source's date, 8 May 2025, lies ahead"
    assert found["epoch"].dated == "the source's date cannot be read"
    assert found["none"].dated == ""


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("Wed, 08 May 2024 00:30:00 BST", 8),
        ("Wed, 08 May 2024 23:30:00 GMT", 9),
        ("08/05/2024 10:00", 8),
        ("8th of May 2024", 8),
        ("Dydd Mercher 8 Mai 2024", 8),
        ("8 May 2024, 10.30am", 8),
        ("20240508T100000Z", 8),
        ("2024-05-07T23:30:00Z", 8),
        ("Wednesday, 8 May, 2024", 8),
    ],
)
def test_f_28_days_are_read_as_british_sources_mean_them(written: str, day: int) -> None:
    item = f"<item><title>x</title><link>/a</link><pubDate>{written}</pubDate></item>"
    (found,) = feed.read(document(f'<rss version="2.0"><channel>{item}</channel></rss>'), spec())
    assert found.published == dt.date(2024, 5, day)


def test_f_08_a_feed_says_how_often_it_wants_to_be_asked_and_where_it_goes_on() -> None:
    head = "<ttl>90</ttl><skipHours><hour>3</hour><hour>24</hour></skipHours><skipDays><day>Sunday</day></skipDays>"
    rests = feed.rests(document(f'<rss version="2.0"><channel>{head}</channel></rss>'))
    assert (rests.seconds, rests.hours, rests.weekdays) == (5400, {3, 0}, {6})
    for body, following in (
        ('<feed><link rel="next" href="?page=2&amp;x=1"/></feed>', "?page=2&x=1"),
        ('{"version": "https://jsonfeed.org/version/1", "next_url": "https:\\/\\/www.example.org\\/2"}', "2"),
    ):
        more = feed.more(document(body), spec())
        assert more is not None
        assert more.url == HOME + following
    assert feed.more(document("<feed><link rel='next' href='javascript:x'/></feed>"), spec()) is None


def test_f_22_entities_do_not_expand_and_files_are_not_read() -> None:
    started = time.monotonic()
    try:
        laughs = feed.read(data("billion-laughs.xml"), spec())
    except UnreadableError:
        laughs = ()
    assert time.monotonic() - started < 1
    assert all(len(candidate.title) < 1000 for candidate in laughs)
    found = feed.read(data("external-entity.xml"), spec())
    assert "root:" not in "".join(candidate.title + candidate.summary for candidate in found)


def test_f_23_a_broken_feed_gives_what_can_be_read() -> None:
    found = by_path(feed.read(data("malformed.xml"), spec()))
    assert found["whole"].title == "Bread & butter"
    assert found["entity"].title == "Café talk"


def test_f_21_a_feed_in_an_old_encoding_keeps_its_letters() -> None:
    item = "<item><title>Café – “news”</title><link>/a</link></item>"
    rss = f'<rss version="2.0"><channel><title>t</title>{item}</channel></rss>'
    for body, content_type in (
        (rss.encode("cp1252"), "application/rss+xml; charset=windows-1252"),
        (rss.encode("utf-8"), "text/xml"),
        (rss.encode("utf-16"), ""),
        (b'<?xml version="1.0" encoding="windows-1252"?>' + rss.encode("cp1252"), ""),
    ):
        assert feed.read(document(body, content_type=content_type), spec())[0].title == "Café – “news”"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("<!DOCTYPE html><html><body>Sorry</body></html>", "is a web page, not a feed"),
        (
            '<html><head><link rel="alternate" type="application/rss+xml" href="/feed/"></head></html>',
            "is a web page, not a feed; the page names this feed: https://www.example.org/feed/",
        ),
        ("just words", "is not a feed that can be read"),
        ('{"version": "1"}', "is not a feed that can be read"),
        ("[" * 100_000, "is not a feed that can be read"),
        ("<sitemap><url/></sitemap>", "is not a feed that can be read"),
    ],
)
def test_what_is_no_feed_is_named(body: str, reason: str) -> None:
    assert failure(feed, document(body)) == reason


def test_a_feed_without_entries_is_no_failure() -> None:
    assert feed.read(document('<rss version="2.0"><channel><title>Quiet</title></channel></rss>'), spec()) == ()


# ---------------------------------------------------------------- the short way through a clean feed

CLEAN = [path for path in SITE if path.endswith((".xml", ".atom", ".rdf"))]
WORDS = st.text("aé &<>'\"–\n", max_size=12).map(escape)
WRITTEN = st.sampled_from(
    ["<b>bold</b> &amp;amp; more", "", *(f"https://www.example.org/{n}" for n in range(3)), "/rel"]
)
STAMPS = st.sampled_from(["Wed, 08 May 2024 00:30:00 BST", "2024-05-08T10:00:00Z", "08/05/2024", "", "soon"])
FIELDS = st.sampled_from(
    [
        *("title", "link", "guid", "pubDate", "description", "dc:date", "content:encoded", "id", "updated", "summary"),
        *("published", "category", "media:title", "media:description", "itunes:summary", "dc:title", "x:title"),
    ]
)
SPACES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    ' xmlns:media="http://search.yahoo.com/mrss/" xmlns:x="x:x"'
    ' xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
)


def as_judged(what: Document) -> tuple[Candidate, ...]:
    """What feedparser makes of a feed, without the short way."""
    return tuple(feed._candidates(feed._judged_entries(what, feed._decoded(what)[0]), spec()))


@pytest.mark.parametrize("path", CLEAN)
def test_the_short_way_reads_what_feedparser_reads(path: str) -> None:
    found = feed.read(sample(path), spec())
    assert found
    assert found == as_judged(sample(path))


def test_most_clean_feeds_go_the_short_way() -> None:
    short = [path for path in CLEAN if _quick.entries(feed._decoded(sample(path))[0], BASE) is not None]
    assert len(short) >= len(CLEAN) - 1


ONE = st.tuples(
    st.sampled_from(["/a", "https://www.example.org/1?x=1&amp;y=2", " b "]),
    st.lists(st.tuples(FIELDS, WORDS | WRITTEN | STAMPS), max_size=5, unique_by=lambda field: field[0]),
)


@given(items=st.lists(ONE, max_size=3), atom=st.booleans())
@settings(max_examples=200)
def test_the_short_way_and_feedparser_agree_on_any_mixture(
    items: list[tuple[str, list[tuple[str, str]]]], atom: bool
) -> None:
    name, head = ("entry", f'<feed xmlns="http://www.w3.org/2005/Atom" {SPACES}>') if atom else ("item", "")
    head, end = (head, "</feed>") if atom else (f'<rss version="2.0" {SPACES}><channel>', "</channel></rss>")
    inner = ""
    for link, fields in items:
        inner += f"<{name}>" + (f'<link href="{link}"/>' if atom else f"<link>{link}</link>")
        inner += "".join(f"<{key}>{escape(text) if '<b' in text else text}</{key}>" for key, text in fields)
        inner += f"</{name}>"
    assert feed.read(document(head + inner + end), spec()) == as_judged(document(head + inner + end))


# ---------------------------------------------------------------- list pages

CARDS = {"entry": "li.card", "link": "a.card__link", "title": "h2", "date": ".card__date", "summary": ".card__summary"}


def test_a_list_page_gives_its_cards_with_their_days() -> None:
    found = listing.read(sample("/police-chiefs.html"), spec(**CARDS))
    assert [(candidate.title, candidate.published) for candidate in found] == [
        ("Online safety week reaches 400 sample schools", dt.date(2024, 5, 17)),
        ("Missing from care: a checklist for the first hour", dt.date(2024, 5, 9)),
        ("Forces share a plain guide to stalking risk", dt.date(2024, 4, 25)),
    ]
    assert all(candidate.url.startswith(BASE + "news/sample-police-chiefs/") for candidate in found)
    assert found[1].summary.startswith("A new checklist helps officers")


def test_a_link_itself_may_be_the_entry_and_the_base_tag_counts() -> None:
    links = '<a class="r" href="b"><b>Head</b>line</a><a class="r" href="mailto:x">Mail</a>'
    html = f'<base href="https://news.example.org/a/">{links}'
    found = listing.read(document(html), spec(entry="a.r"))
    assert [(candidate.title, candidate.url) for candidate in found] == [("Headline", "https://news.example.org/a/b")]


def test_a_list_of_events_gives_their_times_in_the_publications_own_zone() -> None:
    times = (("2024-06-12T11:00:00Z", "2024-06-12T10:00:00Z"), ("12 June 2024, 11:00", ""), ("2024-06-12", ""))
    entries = (f"<li><a href='/{n}'>E</a><i>{a}</i><b>{b}</b><u> Town <br>hall</u>" for n, (a, b) in enumerate(times))
    selectors = {"entry": "li", "starts": "i", "ends": "b", "place": "u"}
    events = [candidate.event for candidate in listing.read(document("".join(entries)), spec(**selectors))]
    assert events == [
        Event(starts=dt.datetime.fromisoformat("2024-06-12T12:00"), place="Town hall"),
        Event(starts=dt.datetime.fromisoformat("2024-06-12T11:00"), place="Town hall"),
        None,
    ]


@pytest.mark.parametrize(
    ("selectors", "reason"),
    [
        ({"entry": ".gone"}, 'holds nothing that fits the selector ".gone"; the page may have changed'),
        ({"entry": "li[["}, 'has a selector for entry that cannot be read: "li[["'),
        (
            {"entry": "li.card", "link": "b"},
            "lists no story with a link and a headline; its selectors may need a look",
        ),
    ],
)
def test_selectors_that_find_nothing_are_named(selectors: dict[str, str], reason: str) -> None:
    assert failure(listing, sample("/police-chiefs.html"), spec(**selectors)) == reason


def test_f_09_list_pages_ask_robots_txt_and_feeds_do_not() -> None:
    assert listing.request(spec()).robots
    assert not feed.request(spec()).robots


# ---------------------------------------------------------------- article pages


def test_an_article_page_says_what_it_is() -> None:
    (found,) = page.read(data("article.html"), spec())
    assert found == Candidate(
        title="Safer journeys home",
        url="https://www.example.org/news/safer-journeys",
        source="Example Transport Trust",
        published=dt.date(2024, 5, 8),
        updated=dt.date(2024, 5, 20),
        summary="Night buses in four towns now stop on request, so that nobody has to walk far alone.",
        image="https://www.example.org/pictures/bus.jpg",
        image_alt="A bus at a stop in the evening.",
        why="headline from OpenGraph and main heading, day from JSON-LD",
    )


def test_a_page_that_announces_an_event_gives_its_times() -> None:
    (found,) = page.read(sample("/news/sample-training-network/transport-seminar"), spec())
    assert found.event is not None
    assert (found.event.starts, found.event.ends) == (
        dt.datetime.fromisoformat("2024-06-12T11:00"),
        dt.datetime.fromisoformat("2024-06-12T12:30"),
    )
    assert (found.event.place, found.event.booking) == ("Online", found.url + "#book")


def test_a_bare_page_gives_its_heading_and_first_words() -> None:
    main = "<h1>A plain <em>page</em></h1><time>8 May 2024</time><p>First words.</p>"
    html = f"<title>News: Example</title><main>{main}</main>"
    (found,) = page.read(document(html, "https://www.example.org/x"), spec())
    assert (found.title, found.summary, found.published) == ("A plain page", "First words.", dt.date(2024, 5, 8))
    assert (found.source, found.url) == ("example.org", "https://www.example.org/x")


def test_a_page_does_not_pass_itself_off_as_another_sites() -> None:
    html = '<title>Copy</title><link rel="canonical" href="https://elsewhere.example.com/original">'
    assert page.read(document(html, "https://www.example.org/copy"), spec())[0].url == "https://www.example.org/copy"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 ...", "is a PDF, not a web page; look for the page that leads to it"),
        (b"<p>no heading</p>", "gives no headline; add the story by hand"),
    ],
)
def test_what_is_no_article_page_is_named(body: bytes, reason: str) -> None:
    assert failure(page, document(body)) == reason


def test_f_21_a_page_is_read_in_the_encoding_it_has() -> None:
    for body, content_type in (
        ("Café".encode("utf-8-sig"), "text/html; charset=latin-1"),
        ("Café".encode("latin-1"), "text/html; charset=iso-8859-1"),
        (b'<meta charset="windows-1252">Caf\xe9', ""),
        ("Café".encode(), "text/html; charset=nonsense"),
        (b"Caf\xe9", ""),
    ):
        assert decoded(body, content_type).endswith("Café")


# ---------------------------------------------------------------- words and links


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("a &amp;amp; b", "a & b"),
        ("<p>one</p><p>two</p>", "one two"),
        ("wo<b>rd</b>", "word"),
        ("&lt;mark&gt;found&lt;/mark&gt;", "found"),
        ("R&D <5 years", "R&D <5 years"),
        ("nul\x00and\ud800surrogate", "nul andsurrogate"),
        ("turn\u202eed", "turned"),
    ],
)
def test_markup_becomes_words(markup: str, words: str) -> None:
    assert plain(markup) == words


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,x", "mailto:a@example.org", "http://[", "//", "http://a@b.example/", "  "],
)
def test_f_31_links_that_are_no_web_addresses_are_dropped(link: str) -> None:
    assert web_link(link, HOME) is None or web_link(link, HOME) == HOME


# ---------------------------------------------------------------- anything at all

KINDS: dict[str, SourceKind] = {"feed": feed, "listing": listing, "page": page}


def read_or_refuse(kind: str, what: Document) -> None:
    """Reading gives clean candidates or says why not; nothing else."""
    try:
        found = KINDS[kind].read(what, spec(entry="*"))
    except UnreadableError:
        return
    for candidate in found:
        assert candidate.title == " ".join(candidate.title.split()) != ""
        assert candidate.url.startswith(("http://", "https://"))
        (candidate.title + candidate.summary + candidate.url + (candidate.source or "")).encode()


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=300), content_type=st.sampled_from(["", "text/html; charset=utf-16", "a; charset=x"]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_candidates_or_a_reason(kind: str, body: bytes, content_type: str) -> None:
    read_or_refuse(kind, document(body, content_type=content_type))


PIECES = (
    *("<rss version='2.0'><channel>", "<item>", "<title>", "</title>", "<link>", "/a", "</link>", "</item>", "<feed>"),
    *("<entry>", "<link href='b'/>", "<updated>", "2024-05-08", "99999999999", "&#0;", "&lt;", "<![CDATA[", "]]>"),
    *('{"version":"https://jsonfeed.org/version/1","items":[', '{"url":"/x","title":"\\ud800"}', ",", "]}", "null"),
    *('<a href="/n">', "<h1>", '<script type="application/ld+json">', '{"@type":"Event","startDate":"x"}', "\ud7ff"),
    *('<meta property="og:title" content="', '">', "<time datetime='", "'>", "0", " ", "\x00", "é"),
)


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_pieces_of_documents_give_candidates_or_a_reason(kind: str, pieces: list[str]) -> None:
    read_or_refuse(kind, document("".join(pieces)))


# ---------------------------------------------------------------- in children that can be ended


def test_a_document_that_holds_the_parser_up_is_given_up() -> None:
    """F-22: a root tag with very many attributes keeps feedparser busy for minutes."""
    many = " ".join(f'a{number}="1"' for number in range(200_000))
    started = time.monotonic()
    with Readers(workers=1, seconds=1) as readers:
        with pytest.raises(UnreadableError) as caught:
            readers.read("feed", document(f"<rss {many}></rss>"), spec())
        assert caught.value.message == "takes longer than 1 s to read"
        assert len(readers.read("feed", sample("/regulator.atom"), spec()).candidates) == 1
    assert time.monotonic() - started < 10


def test_a_document_that_needs_too_much_memory_is_given_up() -> None:
    text = "word " * 5_000_000 + "\N{BUSTS IN SILHOUETTE}"  # which makes Python keep four bytes for each letter
    body = f"<rss version='2.0'><channel><item><link>/a</link><description>{text}</description></item></channel></rss>"
    with Readers(workers=1, seconds=20, memory=100_000_000) as readers:
        assert len(readers.read("feed", sample("/regulator.atom"), spec()).candidates) == 1
        with pytest.raises(UnreadableError) as caught:
            readers.read("feed", document(body), spec())
        assert caught.value.message == "takes too much memory to read"
        assert len(readers.read("feed", sample("/regulator.atom"), spec()).candidates) == 1


def test_reasons_and_unknown_kinds_come_back_from_the_child() -> None:
    with Readers(workers=1) as readers, pytest.raises(UnreadableError, match="is empty"):
        readers.read("page", document(b""), spec())
