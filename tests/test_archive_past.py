"""Issues from before: saved pages of mailing services and PDFs become issue files that nobody sees unread."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from test_archive_builds import publication

from bulletin import flow
from bulletin.archive import past
from bulletin.errors import BulletinError
from bulletin.issuefile import read
from bulletin.publication import Publication

# Made up in the shape of pages that the services serve; the words are ours.
MAILCHIMP = """<!doctype html><html><head><meta charset="utf-8">
<meta property="og:title" content="Harbour News, 28 March 2019">
<title>Harbour News</title></head><body>
<div id="awesomewrap"><a href="https://us1.campaign-archive.com/">Past issues</a></div>
<table id="bodyTable"><tr><td><span class="mcnPreviewText">Preview words</span><table class="mcnTextBlock"><tr>
<td class="mcnTextContent"><h2>The quay is closed</h2><p>The quay closes on Monday &amp; opens on Friday.</p>
<p><a href="https://harbour.us1.list-manage.com/track/click?u=abc&amp;id=1&amp;e=0123456789">Tracked</a>
<a href="https://example.org/quay">Read about the quay</a></p></td></tr><tr><td class="mcnTextContent">
<h2>Boats wanted</h2>Any boat will do. <b>Write</b> to us.</td></tr></table></td></tr>
<tr><td id="templateFooter">
<p>You can <a href="https://x.list-manage.com/unsubscribe?u=1&amp;e=0123456789">unsubscribe</a>.</p></td></tr>
</table></body></html>"""
GOVDELIVERY = """<html><head><title>Council bulletin</title></head><body>
<h1 class="bulletin_subject">Tides &amp; quays: May</h1>
<p class="dateline rs_skip">Harbour Council sent this bulletin at 05/14/2019 10:00 AM BST</p>
<div id="bulletin_body"><table><tr><td><h3>High water</h3>
<p>Stay away from the quay <script>alert(1)</script>tonight.</p>
<p><a href="https://lnks.gd/l/eyJhbGciOi">Read more</a></p></td></tr>
<tr><td><h3>High water</h3><p>A second story.</p></td></tr>
<tr><td><p>Manage subscriptions or unsubscribe all.</p></td></tr></table></div></body></html>"""


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    return publication(tmp_path / "bulletin")


def pdf(title: str = "") -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    if title:
        writer.add_metadata({"/Title": title})
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_mailchimp_page_becomes_an_issue_without_anybodys_links(home: Publication, tmp_path: Path) -> None:
    page = tmp_path / "saved.html"
    page.write_text(MAILCHIMP, encoding="utf-8")
    (done,), wrong = flow.import_past(home, [page])
    assert wrong == ()
    issue = home.read_issue(done.issue).issue
    assert (issue.id, issue.title, issue.date) == ("2019-03", "Harbour News, 28 March 2019", dt.date(2019, 3, 28))
    assert not issue.public, "nobody has read it yet"
    closed, boats = issue.items
    assert (closed.id, closed.title, closed.url) == (
        "the-quay-is-closed",
        "The quay is closed",
        "https://example.org/quay",
    )
    assert closed.summary.startswith("The quay closes on Monday & opens on Friday.")
    assert (boats.title, boats.url) == ("Boats wanted", None)
    assert "Write to us." in boats.summary
    text = home.issue_path("2019-03").read_text("utf-8")
    assert not [word for word in ("list-manage", "nsubscribe", "Preview", "0123456789") if word in text]


def test_a_govdelivery_page_has_its_day_with_the_month_first(home: Publication, tmp_path: Path) -> None:
    page = tmp_path / "bulletins" / "1f2e3d.html"
    page.parent.mkdir()
    page.write_text(GOVDELIVERY, encoding="utf-8")
    (done,), _ = flow.import_past(home, [page.parent])
    issue = home.read_issue(done.issue).issue
    assert (issue.title, issue.date) == ("Tides & quays: May", dt.date(2019, 5, 14))
    assert [item.id for item in issue.items] == ["high-water", "high-water-2"]
    assert [item.url for item in issue.items] == [None, None], "the service's own links lead through it"
    assert "alert" not in home.issue_path(done.issue).read_text("utf-8")


def test_a_folder_of_pdfs_becomes_issues_that_link_to_them(home: Publication, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "VKPP-bulletin-2019-03.pdf").write_bytes(pdf())
    (folder / "June 2020.pdf").write_bytes(pdf("Harbour News for summer"))
    (folder / "notes.pdf").write_bytes(pdf())
    done, wrong = flow.import_past(home, [folder])
    assert [(one.issue, one.title, one.date) for one in done] == [
        ("2020-06", "Harbour News for summer", dt.date(2020, 6, 30)),
        ("2019-03", "VKPP bulletin 2019 03", dt.date(2019, 3, 31)),
    ]
    assert [error.message for error in wrong] == ["it is not clear when notes.pdf was sent."]
    path = home.issue_path("2019-03")
    path.write_text(path.read_text("utf-8").replace("public: false", "public: true"), encoding="utf-8")
    flow.build_archive(home, home.archive_dir)
    assert 'href="../2019-03/issue.pdf"' in (home.archive_dir / "2019-03" / "index.html").read_text("utf-8")
    assert (home.archive_dir / "2019-03" / "issue.pdf").read_bytes() == pdf()
    assert flow.check_archive(home, home.archive_dir) == ()


def test_taking_over_twice_changes_nothing(home: Publication, tmp_path: Path) -> None:
    page = tmp_path / "saved.html"
    page.write_text(MAILCHIMP, encoding="utf-8")
    assert flow.import_past(home, [page], dry_run=True)[0][0].is_new
    assert "2019-03" not in home.issue_ids()
    flow.import_past(home, [page])
    path = home.issue_path("2019-03")
    path.write_text(path.read_text("utf-8").replace("Boats wanted", "Boats needed"), encoding="utf-8")
    (again,), _ = flow.import_past(home, [page])
    assert (again.issue, again.is_new) == ("2019-03", False)
    assert "Boats needed" in path.read_text("utf-8")


@given(st.text(max_size=300), st.sampled_from(["h2", "h3"]))
def test_whatever_a_page_says_its_issue_can_be_read(words: str, tag: str) -> None:
    page = f"<body><{tag}>{words}</{tag}><p>{words}</p><p>And {words} more.</p></body>"
    found = None
    with suppress(BulletinError):  # there may be no story in it
        found = past.read(page.encode("utf-8", "replace"), "2019-03-28.html")
    if found:
        issue = read(past.issue_text(found, "2019-03", "news"), "issue.yaml", folder="2019-03").issue
        assert len(list(issue.items)) == len(found.stories)
