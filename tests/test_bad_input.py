"""Whatever comes from outside: it never raises, never takes long, never reaches inside, and never scripts an issue."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localweb import Site, client_for, site
from test_collecting import LONDON, TODAY, collect, source
from test_publication import ISSUE
from test_sources import BASE, SITE, document, spec

from bulletin.collecting import discover
from bulletin.config import SourceSetting
from bulletin.issuefile import edit, read
from bulletin.sampleweb import _server as samples
from bulletin.sources import Document, SourceKind, UnreadableError, calendar, feed, folder, govuk, listing, page
from bulletin.sources._readers import Readers

KINDS: dict[str, SourceKind] = {
    "feed": feed, "govuk": govuk, "listing": listing, "page": page, "folder": folder, "calendar": calendar,
}  # fmt: skip
DATA = Path(__file__).parent / "data" / "sources"
CORPUS = "BULLETIN_CORPUS"
"""Names a folder with documents of any kind; every one of them is read as well."""


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        running.gives("/robots.txt", status=404)
        yield running


# ---------------------------------------------------------------- anything at all

NASTY = (
    *(
        "<script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "javascript:alert(1)",
        "\x00",
        "\ud800",
        "{{ 7*7 }}",
    ),
    *("<img src=x onerror=alert(1)>", "data:text/html,x", "<svg/onload=alert(1)>", "[a](javascript:alert(1))", "%{x}"),
    *("&lt;iframe src=//10.0.0.1&gt;", "<![CDATA[<script>]]>", "\u202egnp.exe", "=cmd|' /C calc'!A0", "'\"><form>"),
)
SHAPES = (
    (
        "<rss version='2.0'><channel><item><title>{0}</title><link>https://e.example.org/{1}</link>"
        "<description>{1}</description></item></channel></rss>"
    ),
    (
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title type='html'>{0}</title><link href='{1}'/>"
        "<summary type='html'>{1}</summary><id>https://e.example.org/x</id></entry></feed>"
    ),
    '{{"version":"https://jsonfeed.org/version/1","items":[{{"url":"https://e.example.org/","title":"{0}","summary":"{1}"}}]}}',
    "<!-- saved from url=(1)https://e.example.org/a --><h1>{0}</h1><meta name=description content='{1}'><p>{1}</p>",
    "<article><a href='https://e.example.org/a'>{0}</a><p>{1}</p></article>",
    (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:{0}\r\nDESCRIPTION:{1}\r\nURL:https://e.example.org/\r\n"
        "DTSTART:20240612T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ),
    "From: {0} <a@example.org>\r\nSubject: {0}\r\n\r\n{1} https://e.example.org/a",
)
FORBIDDEN = ("<script", "javascript:", "onerror=", "onload=", "<iframe", "<form", "\x00", "\u202e")


@pytest.mark.parametrize("kind", KINDS)
@given(
    shape=st.sampled_from(SHAPES),
    title=st.lists(st.sampled_from((*NASTY, "Words ", "of a headline ")), max_size=4).map("".join),
    text=st.lists(st.sampled_from((*NASTY, "More words. ")), max_size=4).map("".join),
)
@settings(max_examples=60, deadline=None)
def test_f_31_nothing_scripts_an_issue_file(kind: str, shape: str, title: str, text: str) -> None:
    """What is read goes into an issue file that can be read, with nothing in it that anything would run."""
    body = shape.format(title, text).encode("utf-8", "replace")
    try:
        found = KINDS[kind].read(document(body, "https://e.example.org/x.eml" if shape is SHAPES[-1] else BASE), spec())
    except UnreadableError:
        return
    written = edit.add_candidates(ISSUE, "issue.yaml", found)
    assert len(read(written, "issue.yaml").issue.inbox) == len(found)
    for entry in read(written, "issue.yaml").issue.inbox:
        for address in filter(None, (entry.url, entry.image)):
            assert address.startswith(("http://", "https://"))
        shown = f"{entry.url} {entry.image}".lower()
        assert not any(sign in shown for sign in FORBIDDEN if sign != "javascript:")


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=400), name=st.sampled_from(["a.html", "a.mhtml", "a.eml", "https://e.example.org/"]))
@settings(max_examples=40, deadline=None)
def test_any_bytes_give_candidates_or_a_reason(kind: str, body: bytes, name: str) -> None:
    try:
        found = KINDS[kind].read(document(body, name), spec())
    except UnreadableError as error:
        reason = error.message
        assert reason == " ".join(reason.split())
        return
    assert all(entry.title for entry in found)


HEAVY = {
    "attributes": ("feed", b"<rss " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b"></rss>"),
    "depth": ("feed", b"<rss version='2.0'><channel><item>" + b"<a>" * 200_000),
    "open divs": ("page", b"<h1>x</h1>" + b"<div>" * 300_000),
    "json depth": ("feed", b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * 500_000),
    "linked data": ("page", b'<h1>x</h1><script type="application/ld+json">' + b"[" * 500_000 + b"</script>"),
    "mail parts": ("folder", b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 100_000),
    "every second": (
        "calendar",
        (
            b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nURL:https://e.example.org/\nDTSTART:20240101T000000Z\n"
            b"RRULE:FREQ=SECONDLY\nEND:VEVENT\nEND:VCALENDAR\n"
        ),
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_f_22_what_is_heavy_is_read_or_given_up_in_time(name: str) -> None:
    kind, body = HEAVY[name]
    began = time.monotonic()
    with Readers(workers=1, seconds=1) as readers:
        try:
            found: object = readers.read(kind, document(body, "a.eml" if kind == "folder" else BASE), spec()).candidates
        except UnreadableError as error:
            found = error.message
        assert time.monotonic() - began < 20  # the limit is 1 s; the rest is for a busy machine
        assert found is not None
        healthy = readers.read("feed", document(SITE["/regulator.atom"][1], BASE), spec())
    assert len(healthy.candidates) == 1


# ---------------------------------------------------------------- never inside

INSIDE = "http://169.254.169.254/latest/meta-data"


def test_z_32_no_second_request_of_a_source_leads_inside(web: Site, tmp_path: Path) -> None:
    """Further pages, details and redirects are asked for by the same guarded client."""
    entry = "<article><a href='/a'>A story here</a><time>8 May 2024</time></article>"
    web.gives("/list", f"{entry}<a class=next href='/sly'>Older</a>")
    web.gives("/sly", status=302, headers={"Location": INSIDE})
    atom = f"<entry><title>Page</title><link href='{web.base}/p'/><updated>2024-05-10T09:00:00Z</updated></entry>"
    web.gives("/home.atom", f"<feed xmlns='http://www.w3.org/2005/Atom'>{atom}</feed>")
    web.gives("/api/content/p", status=302, headers={"Location": INSIDE})
    listed = SourceSetting(
        id="l", title="L", url=web.base + "/list", kind="listing", pages=3, selectors={"next": ".next"}
    )
    found = collect([listed, source("g", web.base + "/home.atom", "govuk")], client_for(web), tmp_path)
    assert [len(report.candidates) for report in found.values()] == [1, 1]
    assert found["l"].notes == ("page 2 leads to a private address",)
    assert "leads to a private address" in found["g"].notes[0]


def test_z_32_looking_for_sources_does_not_look_inside(web: Site) -> None:
    named = f'<link rel="alternate" type="application/rss+xml" href="{INSIDE}">'
    url = web.gives("/", f"<html><head>{named}</head></html>")
    (found,) = discover(url, client=client_for(web), zone=LONDON, today=TODAY)
    assert found.failure == "leads to a private address"


# ---------------------------------------------------------------- every file there is


def documents() -> Iterator[tuple[str, Document]]:
    """Every sample document of this project, and those of the folder that the environment names."""
    for path, (content_type, body) in samples.site(BASE).items():
        yield path, document(body, BASE.rstrip("/") + path, content_type)
    folders = [DATA, *filter(None, [Path(os.environ[CORPUS]) if os.environ.get(CORPUS) else None])]
    for place in folders:
        for file in sorted(place.rglob("*")):
            if file.is_file() and not file.is_symlink():
                yield file.relative_to(place).as_posix(), document(file.read_bytes()[:10_000_000], BASE + file.name)


def kind_of(what: Document) -> str:
    start = what.body[:4096].upper()
    if b"BEGIN:VCALENDAR" in start:
        return "calendar"
    if what.url.lower().endswith((".eml", ".mht", ".mhtml")):
        return "folder"
    return "page" if b"<HTML" in start or b"<!DOCTYPE HTML" in start else "feed"


def test_every_file_of_the_corpus_is_read_or_given_up_with_a_reason(capsys: pytest.CaptureFixture[str]) -> None:
    told, stories = [], 0
    with Readers(workers=2) as readers:
        for name, what in documents():
            kind = kind_of(what)
            try:
                found = readers.read(kind, what, spec(today=dt.date(2024, 5, 30))).candidates
            except UnreadableError as error:
                told.append(f"{name}: {kind}: {error.message}")
                continue
            stories += len(found)
            told.append(f"{name}: {kind}: {len(found)} stories, {sum(c.published is not None for c in found)} dated")
            for entry in found:
                assert entry.title == " ".join(entry.title.split()) != ""
                assert entry.url.startswith(("http://", "https://"))
                (entry.title + entry.summary).encode()
    assert stories > 30
    if os.environ.get(CORPUS):
        with capsys.disabled():
            print("\n".join(["", *told]))
