"""The public archive: what a reader, a feed reader and a calendar program get from the built files."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import feedparser
import pytest
from icalendar import Calendar
from PIL import Image as PillowImage
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Browser, Page
from pypdf import PdfReader

from bulletin import gate
from bulletin.archive import site
from bulletin.archive.pictures import published
from bulletin.config import ArchiveSetting, Brand, Config, Organisation, Sender, Web
from bulletin.errors import BulletinError, LeakError
from bulletin.model import (
    Correction,
    Event,
    Image,
    Issue,
    Item,
    Picture,
    Section,
    TranslatedItem,
    Translation,
)
from bulletin.pictures import measure
from bulletin.publication import Publication, open_publication, starter_templates

ROOT = Path(__file__).parent.parent
ATOM = "{http://www.w3.org/2005/Atom}"

CONFIG = Config(
    name="Harbour Bulletin",
    organisation=Organisation(name="Harbour Partnership", postal_address="1 Quay, Exampleton"),
    sender=Sender(name="Harbour Bulletin", address="bulletin@example.org"),
    web=Web(archive_url="https://news.example.org/harbour"),
)


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), **saving: object) -> bytes:
    out = BytesIO()
    PillowImage.new("RGB", size, "teal").save(out, kind, **saving)
    return out.getvalue()


def issue(name: str, *items: Item, public: bool = True, **more: object) -> Issue:
    year, month = map(int, name.split("-"))
    section = Section(id="news", items=items or (Item(id="first", title="A first story", summary="Words."),))
    values = {
        "schema": 1,
        "title": f"Harbour Bulletin, {name}",
        "date": dt.date(year, month, 28),
        "sections": (section,),
    }
    return Issue(id=name, public=public, **values | more)  # type: ignore[arg-type]


def build(
    *issues: Issue,
    config: Config = CONFIG,
    pictures: Mapping[str, bytes] | None = None,
    translations: Mapping[str, Mapping[str, Translation]] | None = None,
) -> Mapping[str, bytes]:
    files = pictures or {}
    facts = {file: Picture(width=60, height=40, size=len(data), format="PNG") for file, data in files.items()}
    return site.build(
        issues,
        config,
        pictures={issue.id: facts for issue in issues},
        picture_bytes=lambda _issue, file: files[file],
        template_dirs=(starter_templates(),),
        translations=translations,
    )


@pytest.fixture(scope="module")
def home() -> Publication:
    return open_publication(ROOT, {})


def parsed(data: bytes) -> ET.Element:
    return ET.fromstring(data)  # noqa: S314 - our own output


def build_home(home: Publication) -> Mapping[str, bytes]:
    issues = [home.read_issue(name).issue for name in home.issue_ids()]
    return site.build(
        issues,
        home.config,
        pictures={issue.id: home.pictures(issue) for issue in issues},
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
    )


@pytest.fixture(scope="module")
def built(home: Publication) -> Mapping[str, bytes]:
    return build_home(home)


@pytest.fixture(scope="module")
def on_disk(built: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "site"
    site.write(built, folder)
    return folder


# ---------------------------------------------------------------- what is in it


def test_the_may_issue_is_there_with_its_pictures_and_calendar_files(built: Mapping[str, bytes]) -> None:
    assert {"index.html", "404.html", "style.css", "feed.xml", "sitemap.xml", "2024-05/index.html"} <= built.keys()
    assert "2024-05/vulnerability-in-analysis.ics" in built
    assert "2024-05/images/safer-phone.png" in built


def test_the_same_input_gives_the_same_bytes_f44(home: Publication, built: Mapping[str, bytes]) -> None:
    assert build_home(home) == built


def test_an_issue_that_is_not_marked_public_is_nowhere() -> None:
    outputs = build(issue("2024-04"), issue("2024-05", Item(id="draft", title="Not yet told"), public=False))
    assert not [name for name in outputs if name.startswith("2024-05")]
    assert not [name for name, data in outputs.items() if b"2024-05" in data or b"Not yet told" in data]


def test_a_restricted_item_leaves_no_gap_and_its_empty_section_no_heading_s22_s25(
    home: Publication, built: Mapping[str, bytes]
) -> None:
    page = built["2024-05/index.html"].decode()
    assert page.count('<article class="item"') == len(
        [item for item in home.read_issue("2024-05").issue.items if not item.restricted]
    )
    assert "review-guides-request" not in page
    secret = Section(id="closed", title="For forces", items=(Item(id="s", title="Secret", audience=("forces",)),))
    shown = Section(id="news", items=(Item(id="open", title="Open"),))
    outputs = build(issue("2024-05", sections=(secret, shown)))
    assert b"For forces" not in b"".join(outputs.values())
    assert outputs == build(issue("2024-05", sections=(shown,)))


def test_no_page_holds_a_personal_link_a_script_or_a_form(built: Mapping[str, bytes]) -> None:
    for name, data in built.items():
        if name.endswith((".html", ".xml")):
            bare = re.sub(rb'<script type="application/ld\+json">[^<]*</script>', b"", data)
            active = rb"unsubscribe|preferences|<script|<form|javascript:|\son\w+="
            assert not re.search(active, bare, re.IGNORECASE), name


def test_content_cannot_become_markup() -> None:
    nasty = Item(
        id="x", title="<script>alert(1)</script>", summary="<img src=x onerror=alert(1)> [a](javascript:alert(1))"
    )
    for name, data in build(issue("2024-05", nasty, title="A </script><script>alert(2)</script>")).items():
        if name.endswith((".html", ".xml")):
            page = data.decode()
            assert not re.search(r"<script(?! type=.application/ld\+json.>\{)", page), name
            assert "<img" not in page
            assert 'href="javascript' not in page


def test_pages_name_themselves_and_lead_to_their_neighbours_f42() -> None:
    outputs = build(issue("2024-04"), issue("2024-06"), issue("2024-05", preheader='Three "quoted" things'))
    page = outputs["2024-05/index.html"].decode()
    assert '<html lang="en-GB">' in page
    assert '<link rel="canonical" href="https://news.example.org/harbour/2024-05/">' in page
    assert '<meta name="description" content="Three &#34;quoted&#34; things">' in page
    assert '<a rel="prev" href="../2024-04/index.html">' in page
    assert '<a rel="next" href="../2024-06/index.html">' in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_an_issue_without_anything_optional_makes_a_page() -> None:
    page = build(issue("2024-05", Item(id="bare", title="Bare")))["2024-05/index.html"].decode()
    assert "<h3>Bare</h3>" in page
    assert "None" not in page


def test_an_empty_archive_is_a_valid_site() -> None:
    outputs = build()
    assert b"No issue has been published here yet" in outputs["index.html"]
    assert "feed.xml" not in outputs, "a feed must have a date, and none may come from the clock"
    assert not [name for name, data in outputs.items() if b"feed.xml" in data]
    assert outputs == build()


def test_a_picture_is_found_whatever_its_name() -> None:
    odd = Item(id="x", title="Odd", image=Image(file="images/über uns #1.png", alt="Teal"))
    outputs = build(issue("2024-05", odd), pictures={"images/über uns #1.png": picture()})
    assert "2024-05/images/über uns #1.png" in outputs
    assert b'src="images/%C3%BCber%20uns%20%231.png"' in outputs["2024-05/index.html"]


# ---------------------------------------------------------------- ways in


def links_of(data: bytes) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'(?:href|src|url)="?=?([^"]+)"', data.decode())]


def test_an_item_is_found_by_its_topic_its_source_its_year_its_letter_and_its_event() -> None:
    event = Event(starts=dt.datetime.fromisoformat("2024-06-12T11:00"), place="Harbour Hall")
    item = Item(id="tides", title="The tides explained", source="Ofcom", topics=("data",), event=event)
    outputs = build(issue("2024-05", item), issue("2023-12"))
    for path in ("topics/data", "sources/ofcom", "events", "a-to-z/t"):
        page = outputs[f"{path}/index.html"].decode()
        assert "The tides explained" in page
        assert "2024-05/index.html#tides" in page
    assert "2024-05/index.html" in outputs["years/2024/index.html"].decode()
    assert "2023-12" not in outputs["years/2024/index.html"].decode()
    assert "12 June 2024, 11am" in outputs["events/index.html"].decode()
    everything = Calendar.from_ical(outputs["events/events.ics"])
    assert [entry["summary"] for entry in everything.walk("VEVENT")] == ["The tides explained"]


def test_long_lists_come_in_pages_that_hold_every_story_once() -> None:
    items = [Item(id=f"item-{n}", title=f"Story {n}", source="Ofcom", topics=("data",)) for n in range(230)]
    outputs = build(issue("2024-05", *items))
    for base in ("topics/data/2024", "sources/ofcom/2024", "a-to-z/s"):
        pages = [outputs[f"{base}/{name}"] for name in ("index.html", "2/index.html", "3/index.html")]
        found = [link for page in pages for link in links_of(page) if "#item-" in link]
        assert len(found) == len({link.rpartition("#")[2] for link in found}) == 230
        assert max(map(len, pages)) < 60_000
    assert "topics/data/2024/4/index.html" not in outputs


def test_a_correction_shows_with_its_day_and_dates_the_page_the_feeds_and_the_sitemap() -> None:
    note = Correction(date=dt.date(2024, 6, 6), note="The closing date was wrong: it is 17 July.", item="first")
    outputs = build(issue("2024-05", corrections=(note,)))
    page = outputs["2024-05/index.html"].decode()
    assert "What changed" in page
    assert "6 June 2024" in page
    assert note.note in page
    assert '"dateModified": "2024-06-06"' in page
    assert parsed(outputs["feed.xml"]).find(f"{ATOM}entry").findtext(f"{ATOM}updated") == "2024-06-06T00:00:00+00:00"  # type: ignore[union-attr]
    assert b"/2024-05/</loc><lastmod>2024-06-06" in outputs["sitemap.xml"]
    assert b"2024-06-06" not in b"".join(build(issue("2024-05")).values())


def test_a_withdrawn_issue_shows_why_and_is_in_no_list_and_no_feed_f44() -> None:
    gone = issue(
        "2024-05", Item(id="x", title="A mistaken story", source="Ofcom"), withdrawn="It named the wrong town."
    )
    outputs = build(issue("2024-04"), gone)
    page = outputs["2024-05/index.html"].decode()
    assert "This issue was withdrawn" in page
    assert "It named the wrong town." in page
    assert 'content="noindex"' in page
    others = {name: data for name, data in outputs.items() if name != "2024-05/index.html"}
    assert not [name for name, data in others.items() if b"2024-05" in data or b"mistaken" in data or b"Ofcom" in data]
    assert not [name for name in others if name.startswith("2024-05/")]


def test_an_issue_can_be_kept_from_search_engines_alone() -> None:
    outputs = build(issue("2024-04"), issue("2024-05", unlisted=True))
    assert '<meta name="robots" content="noindex">' in outputs["2024-05/index.html"].decode()
    assert 'content="noindex"' not in outputs["2024-04/index.html"].decode()
    assert b"2024-05/" not in outputs["sitemap.xml"]
    assert "2024-05/index.html" in outputs["index.html"].decode()


def test_a_renamed_issue_is_found_under_every_name_it_had() -> None:
    item = Item(id="tides", title="Tides", formerly=("the-tides",), image=Image(file="images/a.png", alt="Teal"))
    outputs = build(issue("2024-05", item, formerly=("2024-5", "may")), pictures={"images/a.png": picture()})
    for name in ("2024-5", "may"):
        page = outputs[f"{name}/index.html"].decode()
        assert '<meta http-equiv="refresh" content="0; url=../2024-05/index.html">' in page
        assert '<link rel="canonical" href="https://news.example.org/harbour/2024-05/">' in page
        assert outputs[f"{name}/images/a.png"] == outputs["2024-05/images/a.png"], "mails that were sent show it"
        assert f"/harbour/{name}/ /harbour/2024-05/ 301" in outputs["_redirects"].decode()
    assert 'id="the-tides"' in outputs["2024-05/index.html"].decode()
    with pytest.raises(BulletinError, match='"2024-06" as an earlier name, which is taken'):
        build(issue("2024-05", formerly=("2024-06",)), issue("2024-06"))


def test_other_programs_are_told_what_the_page_is_and_shows_f42() -> None:
    page = build(issue("2024-05", preheader="News"))["2024-05/index.html"].decode()
    for name, value in (("og:type", "article"), ("og:url", "https://news.example.org/harbour/2024-05/")):
        assert f'<meta property="{name}" content="{value}">' in page
    assert '<meta property="og:image" content="https://news.example.org/harbour/2024-05/share.png">' in page
    data = json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', page)[1])  # type: ignore[index]
    assert data["@type"] == "NewsArticle"
    assert data["headline"] == "Harbour Bulletin, 2024-05"
    assert data["author"] == {"@type": "Organization", "name": "Harbour Partnership"}
    assert (data["datePublished"], data["inLanguage"]) == ("2024-05-28", "en-GB")
    with PillowImage.open(BytesIO(build(issue("2024-05"))["2024-05/share.png"])) as image:
        assert image.size == (1200, 630)


def test_the_archive_is_there_in_welsh_beside_english_w04() -> None:
    config = replace(CONFIG, languages=("en-GB", "cy"))
    item = Item(id="tides", title="The tides explained", summary="Words.", source="Ofcom", topics=("data",))
    both, english = issue("2024-05", item), issue("2024-04", Item(id="old", title="An old story"))
    words = Translation(schema=1, title="Bwletin, Mai 2024", items={"tides": TranslatedItem(title="Y llanw")})
    outputs = build(both, english, config=config, translations={"2024-05": {"cy": words}})
    page = outputs["cy/2024-05/index.html"].decode()
    assert '<html lang="cy">' in page
    assert "Y llanw" in page
    assert '<div lang="en-GB"><p>Words.</p></div>' in page, "what is not translated says so"
    assert "Cyhoeddwyd ar 28 Mai 2024" in page
    assert '<link rel="alternate" hreflang="en-GB" href="https://news.example.org/harbour/2024-05/">' in page
    assert 'href="../cy/2024-05/index.html" lang="cy"' in outputs["2024-05/index.html"].decode()
    assert "cy/2024-04/index.html" not in outputs
    years = outputs["cy/years/2024/index.html"].decode()
    assert '<h2><a href="../../2024-05/index.html">Bwletin, Mai 2024</a></h2>' in years
    assert '<h2 lang="en-GB"><a href="../../../2024-04/index.html" hreflang="en-GB">' in years
    assert json.loads(outputs["cy/feed.json"])["language"] == "cy"
    assert '<section lang="cy"' in outputs["404.html"].decode()


# ---------------------------------------------------------------- feeds and calendars


def test_every_xml_file_is_well_formed_and_lists_public_pages_only_f43(built: Mapping[str, bytes]) -> None:
    locations = [node.text for node in parsed(built["sitemap.xml"]).iter() if node.tag.endswith("}loc")]
    assert {"https://bulletin.example.org/", "https://bulletin.example.org/2024-05/"} <= set(locations)
    for location in locations:
        assert location is not None
        assert location.removeprefix("https://bulletin.example.org/") + "index.html" in built
    for name, data in built.items():
        if name.endswith(".xml"):
            parsed(data)


def test_the_feed_is_atom_with_ids_that_stay_f40() -> None:
    outputs = build(issue("2024-04"), issue("2024-05", preheader="Less < more & more"))
    feed = parsed(outputs["feed.xml"])
    assert feed.tag == f"{ATOM}feed"
    for required in ("id", "title", "updated"):
        assert len(feed.findall(f"{ATOM}{required}")) == 1
        assert all(len(entry.findall(f"{ATOM}{required}")) == 1 for entry in feed.findall(f"{ATOM}entry"))
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links["self"] == "https://news.example.org/harbour/feed.xml"
    read = feedparser.parse(outputs["feed.xml"])
    assert not read.bozo
    assert "Less &lt; more &amp; more" in read.entries[0].summary
    assert read.entries[0].link == "https://news.example.org/harbour/2024-05/"


def feed_ids(outputs: Mapping[str, bytes], *names: str) -> list[str]:
    entries = [entry for name in names for entry in parsed(outputs[name]).iter(f"{ATOM}entry")]
    return [entry.findtext(f"{ATOM}id", "") for entry in entries]


def test_ids_stay_when_the_archive_moves_and_an_issue_or_a_story_is_renamed_f40() -> None:
    event = Event(starts=dt.datetime.fromisoformat("2024-06-12T11:00"))
    named = replace(CONFIG, sender=replace(CONFIG.sender, list_id="news.example.org"))
    moved = replace(named, web=Web(archive_url="https://elsewhere.example.com/"))
    before = build(issue("2024-05", Item(id="talk", title="A talk", event=event)), config=named)
    renamed = issue("2024-05", Item(id="the-talk", title="The talk", event=event, formerly=("talk",)))
    after = build(replace(renamed, id="may", formerly=("2024-05",)), config=moved)
    ids = feed_ids(before, "feed.xml", "stories.xml")
    assert len(set(ids)) == 2
    assert feed_ids(after, "feed.xml", "stories.xml") == ids
    uids = [Calendar.from_ical(outputs["events/events.ics"]).walk("VEVENT")[0]["uid"] for outputs in (before, after)]
    assert uids[0] == uids[1]


def test_the_json_feed_says_the_same_as_the_atom_feed_f41() -> None:
    topics = ("data",)
    outputs = build(issue("2024-04"), issue("2024-05", Item(id="x", title="A < B", summary="Words.", topics=topics)))
    for name in ("feed", "stories", "topics/data/feed"):
        feed = json.loads(outputs[f"{name}.json"])
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["language"] == "en-GB"
        assert feed["authors"] == [{"name": "Harbour Partnership"}]
        assert feed["feed_url"] == f"https://news.example.org/harbour/{name}.json"
        assert [item["id"] for item in feed["items"]] == feed_ids(outputs, f"{name}.xml")
        read = feedparser.parse(outputs[f"{name}.xml"])
        assert [item["title"] for item in feed["items"]] == [html.unescape(entry.title) for entry in read.entries]
        assert all(item["content_html"] if name == "feed" else item["content_text"] for item in feed["items"])


def test_an_events_calendar_file_can_be_read_back() -> None:
    event = Event(
        starts=dt.datetime.fromisoformat("2024-06-12T11:00"),
        ends=dt.datetime.fromisoformat("2024-06-12T12:30"),
        place="Room 2; Quay House, Exampleton",
        booking="https://example.org/book",
    )
    outputs = build(issue("2024-05", Item(id="talk", title="A talk, with tea", event=event)))
    (entry,) = Calendar.from_ical(outputs["2024-05/talk.ics"]).walk("VEVENT")
    assert entry.decoded("dtstart") == dt.datetime(2024, 6, 12, 10, tzinfo=dt.UTC), "11am in British Summer Time"
    assert entry.decoded("dtend") == dt.datetime(2024, 6, 12, 11, 30, tzinfo=dt.UTC)
    assert entry["summary"] == "A talk, with tea"
    assert entry["location"] == "Room 2; Quay House, Exampleton"
    assert entry["url"] == "https://example.org/book"
    again = Calendar.from_ical(build(issue("2024-05", Item(id="talk", title="New", event=event)))["2024-05/talk.ics"])
    assert entry["uid"] == again.walk("VEVENT")[0]["uid"], "or a corrected event would stand in calendars twice"
    assert b"11am to 12:30pm" in outputs["2024-05/index.html"]


# ---------------------------------------------------------------- pictures


def test_a_picture_without_metadata_keeps_its_bytes(home: Publication, built: Mapping[str, bytes]) -> None:
    assert built["2024-05/images/safer-phone.png"] == home.picture_bytes("2024-05", "images/safer-phone.png")
    jpeg = picture("JPEG")
    assert published(jpeg, "x") == jpeg


def carriers() -> Iterator[tuple[str, bytes]]:
    """Pictures with a secret in each place that a format has for notes."""
    text = PngInfo()
    text.add_text("Comment", "SECRET")
    yield "PNG", picture(pnginfo=text)
    packed = PngInfo()
    packed.add_itxt("Comment", "SECRET", zip=True)
    yield "PNG", picture(pnginfo=packed)
    exif = PillowImage.Exif()
    exif[0x013B] = "SECRET"
    yield "PNG", picture(exif=exif)
    yield "JPEG", picture("JPEG", exif=exif)
    yield "JPEG", picture("JPEG", comment=b"SECRET")
    yield "JPEG", picture("JPEG", xmp=b"<x:xmpmeta>SECRET</x:xmpmeta>")
    yield "GIF", picture("GIF", comment=b"SECRET")
    yield "WEBP", picture("WEBP", exif=exif)
    yield "JPEG", picture("JPEG") + b"SECRET"
    yield "PNG", picture() + b"SECRET"


@pytest.mark.parametrize(("kind", "data"), list(carriers()))
def test_notes_inside_pictures_are_not_published_z37(kind: str, data: bytes) -> None:
    clean = published(data, "images/x")
    with PillowImage.open(BytesIO(clean)) as image:
        image.load()
        assert image.format == kind
        assert image.size == (60, 40)
        assert "SECRET" not in repr(image.info) + repr(dict(image.getexif()))
    assert b"SECRET" not in clean
    assert published(clean, "images/x") == clean


def test_a_picture_lying_on_its_side_is_turned_upright_and_known_to_be_so(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    data = picture("JPEG", exif=exif)
    with PillowImage.open(BytesIO(published(data, "x"))) as image:
        assert image.size == (40, 60)
    (tmp_path / "x.jpg").write_bytes(data)
    facts = measure(tmp_path / "x.jpg")
    assert facts is not None
    assert (facts.width, facts.height) == (40, 60)


def test_a_picture_too_large_to_publish_is_refused_by_name_z37() -> None:
    with pytest.raises(BulletinError, match=r"issues/x\.png has 6000 by 5000 pixels"):
        published(picture(size=(6000, 5000)), "issues/x.png")
    with pytest.raises(BulletinError, match="larger than 5 MB"):
        published(bytes(5_000_001), "issues/x.png")
    with pytest.raises(BulletinError, match="cannot be read"):
        published(b"GIF89a, or not", "issues/x.png")


# ---------------------------------------------------------------- on disk


def test_writing_replaces_the_old_site_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "public" / "site"
    site.write({"index.html": b"old", "gone/index.html": b"old"}, folder)
    site.write({"index.html": b"new"}, folder)
    assert (folder / "index.html").read_bytes() == b"new"
    assert not (folder / "gone").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(BulletinError, match="not an archive made by bulletin"):
        site.write({"index.html": b""}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_failure_half_way_leaves_the_old_site(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    site.write({"index.html": b"old"}, folder)
    with pytest.raises(BulletinError):
        site.write({"index.html": b"new", "../outside.html": b"no"}, folder)
    with pytest.raises(BulletinError, match="cannot be written"):
        site.write({"page": b"a file", "page/inside.html": b"and a folder"}, folder)
    assert (folder / "index.html").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", ["index.html", "2024-05/index.html"])
@pytest.mark.parametrize("width", [320, 1200])
def test_pages_read_well_at_any_width_from_disk_x14_x18(page: Page, on_disk: Path, name: str, width: int) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto((on_disk / name).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    levels = page.eval_on_selector_all("h1, h2, h3", "found => found.map(one => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.evaluate("getComputedStyle(document.querySelector('.masthead')).backgroundColor") == "rgb(29, 53, 87)"
    assert all(url.startswith("file:") for url in asked), asked
    assert said == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the main content"


def test_every_local_link_leads_somewhere(page: Page, on_disk: Path) -> None:
    for path in on_disk.rglob("index.html"):
        page.goto(path.as_uri())
        for url in page.eval_on_selector_all("a[href], link[rel=stylesheet]", "found => found.map(one => one.href)"):
            if url.startswith("file:"):
                target, _, anchor = url.removeprefix("file://").partition("#")
                assert Path(target).is_file(), url
                assert not anchor or f'id="{anchor}"' in Path(target).read_text(encoding="utf-8"), url


CONTRASTS = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(node.outerHTML);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("brand", [Brand(), Brand(colour="#ffd800", accent="#ff8fb1", surround="#fff8d6")])
def test_all_text_has_enough_contrast_in_any_brand_x13(
    browser: Browser, tmp_path: Path, scheme: str, brand: Brand
) -> None:
    event = Event(starts=dt.datetime.fromisoformat("2024-06-12T11:00"), place="Online")
    item = Item(
        id="x", title="A story", url="https://example.org/", link="Read it", source="Us", summary="Words",
        topics=("data",), expires=dt.date(2024, 6, 1), event=event,
    )  # fmt: skip
    site.write(
        build(issue("2024-05", item, notice="Note", welcome="Hello"), config=replace(CONFIG, brand=brand)), tmp_path
    )
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for name in ("index.html", "2024-05/index.html"):
        page.goto((tmp_path / name).as_uri())
        assert page.evaluate(CONTRASTS) == []
    context.close()


# ---------------------------------------------------------------- the accessibility statement


def test_the_accessibility_statement_is_published_only_when_all_of_it_is_filled_in_x03(tmp_path: Path) -> None:
    def build_with(text: str) -> Mapping[str, bytes]:
        (tmp_path / "archive").mkdir(exist_ok=True)
        (tmp_path / "archive" / "accessibility.md").write_text(text, encoding="utf-8")
        dirs = (tmp_path, starter_templates())
        return site.build([issue("2024-05")], CONFIG, pictures={}, picture_bytes=lambda *_: b"", template_dirs=dirs)

    outputs = build_with("We **try**. Write to [our form](https://example.org/form).")
    assert b"<strong>try</strong>" in outputs["accessibility/index.html"]
    assert b'href="../accessibility/index.html">Accessibility statement</a>' in outputs["2024-05/index.html"]
    with pytest.raises(BulletinError, match=r"still says \[day\]"):
        build_with("Prepared on [day].")
    assert b"ccessibility" not in build(issue("2024-05"))["index.html"]


# ---------------------------------------------------------------- as a PDF


def test_an_issue_is_there_as_a_tagged_pdf_that_the_gate_can_read(home: Publication) -> None:
    config = replace(home.config, archive=ArchiveSetting(pdf=True))
    files = [home.read_issue(name).issue for name in home.issue_ids()]
    outputs = site.build(
        files,
        config,
        pictures={one.id: home.pictures(one) for one in files},
        picture_bytes=home.picture_bytes,
        template_dirs=home.template_dirs,
    )
    made = outputs["2024-05/issue.pdf"]
    document = PdfReader(BytesIO(made))
    root = document.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en-GB"
    assert b"pdfuaid" in root["/Metadata"].get_data()
    text = " ".join(page.extract_text() for page in document.pages)
    assert "Stalking Protection Orders have new guidance for the police" in " ".join(text.split())
    assert "Get this issue as a PDF" in outputs["2024-05/index.html"].decode()
    gate.check_public({"2024-05/issue.pdf": made}, files, config)
    kept = [replace(one, sections=tuple(shut(section) for section in one.sections)) for one in files]
    with pytest.raises(LeakError, match=r"2024-05/issue\.pdf holds the headline"):
        gate.check_public({"2024-05/issue.pdf": made}, kept, config)


def shut(section: Section) -> Section:
    return replace(section, items=tuple(replace(item, audience=("forces",)) for item in section.items))
