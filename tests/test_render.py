"""What a rendered edition holds: the same bytes each time, every story twice, and nothing that content smuggles in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from layouts import LAYOUTS, every_layout
from lxml import html as lxml_html

from bulletin.editions import make_edition
from bulletin.errors import BulletinError
from bulletin.model import (
    PERSONAL_FIELDS,
    Edition,
    EditionEvent,
    EditionItem,
    EditionPicture,
    EditionSection,
    RenderedEdition,
)
from bulletin.publication import open_publication
from bulletin.render import fill, markdown, palette, render, sample_personal, wording

ROOT = Path(__file__).resolve().parent.parent
SECRET = b"a key that only these tests use."
PUBLICATION = open_publication(ROOT, {})
CONFIG = PUBLICATION.config


def may(audience: str = "everyone") -> Edition:
    issue = PUBLICATION.read_issue("2024-05").issue
    return make_edition(issue, CONFIG, PUBLICATION.pictures(issue), audience)


def rendered(edition: Edition, **changes: object) -> RenderedEdition:
    config = dataclasses.replace(CONFIG, **changes) if changes else CONFIG  # type: ignore[arg-type]
    return render(edition, config, template_dirs=PUBLICATION.template_dirs, secret=SECRET)


def filled(edition: Edition) -> tuple[str, str]:
    return fill(rendered(edition), sample_personal(CONFIG))


def item(**changes: object) -> EditionItem:
    plain = EditionItem(
        id="one",
        title="A headline",
        url="https://news.example.org/one",
        link="Read about it",
        source="Example News",
        published=dt.date(2024, 5, 8),
        topics=("Stalking",),
        summary="Some words.",
        picture=None,
        expires=None,
        event=None,
        restricted=False,
    )
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def holding(*items: EditionItem, **changes: object) -> Edition:
    section = EditionSection(id="news", title="News", intro="", items=items)
    return dataclasses.replace(may(), sections=(section,), **changes)  # type: ignore[arg-type]


def words(html: str) -> str:
    """What a reader sees, with white space as a browser shows it."""
    body = lxml_html.document_fromstring(html).find("body")
    return " ".join(body.text_content().split())


def addresses(html: str) -> set[str]:
    return {link for link in lxml_html.document_fromstring(html).xpath("//a/@href") if not link.startswith("#")}


# ---------------------------------------------------------------- the May issue


def test_m18_ten_renders_of_one_edition_are_the_same_bytes() -> None:
    edition = may()
    assert len({(again.html, again.text, again.digest) for again in (rendered(edition) for _ in range(10))}) == 1


def test_m18_another_process_renders_the_same_bytes() -> None:
    program = (
        "import sys; sys.path.insert(0, 'tests'); import test_render as t; print(t.rendered(t.may('forces')).digest)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Pacific/Apia", "LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == rendered(may("forces")).digest


def test_g01_the_may_issue_is_far_from_being_clipped() -> None:
    assert len(rendered(may()).html.encode()) < 72_000


def test_g02_styles_are_in_the_head_and_small() -> None:
    html = rendered(may()).html
    head, body = html.split("<body", 1)
    assert sum(map(len, re.findall(r"<style.*?</style>", head, re.DOTALL))) < 16_000
    assert "<style" not in body


def test_h18_root_says_language_direction_and_title() -> None:
    html = rendered(may()).html
    page = lxml_html.document_fromstring(html)
    assert html.startswith("<!DOCTYPE html>")
    assert (page.get("lang"), page.get("dir")) == ("en-GB", "ltr")
    assert page.findtext("head/title") == "VKPP Bulletin, May 2024"
    (wrapper,) = page.xpath("body/div[@role='main']/div")
    assert (wrapper.get("role"), wrapper.get("lang"), wrapper.get("dir")) == ("article", "en-GB", "ltr")


def test_no_words_of_an_issue_take_the_main_part_from_screen_readers() -> None:
    page = lxml_html.document_fromstring(rendered(holding(item(title='How to use role="main" and <main>'))).html)
    assert len(page.xpath("body/div[@role='main']/div")) == 1


def test_h16_preheader_is_the_first_text_and_hidden() -> None:
    edition = may()
    page = lxml_html.document_fromstring(rendered(edition).html)
    assert page.find("body").text_content().lstrip().startswith(edition.preheader)
    style = page.xpath(f"//div[starts-with(., '{edition.preheader}')]/@style")[-1].replace(" ", "")
    assert "display:none" in style
    assert "mso-hide:all" in style


def test_h06_x10_pictures_have_address_width_and_alternative_text() -> None:
    pictures = lxml_html.document_fromstring(rendered(may()).html).xpath("//img")
    assert len(pictures) >= 4
    for picture in pictures:
        assert picture.get("src").startswith("https://bulletin.example.org/2024-05/images/")
        assert picture.get("width") in ("198", "536", "600")  # beside the words, above them, from edge to edge
        assert picture.get("alt")


def test_h13_no_script_form_frame_or_third_party() -> None:
    html = rendered(may()).html
    assert not re.search(r"<(script|form|input|iframe|object|video|audio|base|link)\b", html)
    fetched = re.findall(r"(?:src|background)=\"([^\"]+)\"|url\(([^)]+)\)|@import", html)
    assert {urlsplit(one or other).hostname for one, other in fetched} == {"bulletin.example.org"}


def test_h03_layout_tables_say_that_they_are_layout() -> None:
    shown = re.sub(r"<!--.*?-->", "", rendered(may()).html, flags=re.DOTALL)
    assert all('role="presentation"' in table for table in re.findall(r"<table[^>]*>", shown))


def test_h09_outlook_comments_are_balanced() -> None:
    html = rendered(may()).html
    assert len(re.findall(r"<!--\[if", html)) == len(re.findall(r"<!\[endif\]", html)) > 10


def test_h19_one_h1_and_no_level_skipped() -> None:
    page = lxml_html.document_fromstring(rendered(may()).html)
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_h22_contents_lead_to_empty_anchors_with_name_and_id() -> None:
    edition = may()
    page = lxml_html.document_fromstring(rendered(edition).html)
    inner = [link[1:] for link in page.xpath("//a/@href") if link.startswith("#")]
    assert inner == [f"item-{story.id}" for story in edition.items]
    for name in inner:
        (anchor,) = page.xpath(f"//a[@name='{name}']")
        assert anchor.get("id") == name
        assert not anchor.text_content()


@pytest.mark.parametrize("audience", ["everyone", "forces"])
def test_h24_text_holds_the_same_stories_and_the_same_links(audience: str) -> None:
    edition = may(audience)
    html, text = filled(edition)
    assert addresses(html) == set(re.findall(r"https?://[^\s)>]+", text))
    assert not re.search(r"&[a-z]+;|&#\d+;", text)
    starts = [text.rindex(f"\n{story.title}\n---") for story in edition.items]
    assert starts == sorted(starts)
    read = " ".join(text.split())
    for story in edition.items:
        assert " ".join(story.summary.split()) in read
        assert " ".join(story.summary.split()) in words(html)


def test_text_lines_are_short_unless_an_address_is_long() -> None:
    text = rendered(may()).text
    assert all(len(line) <= 72 or line.startswith("https://") for line in text.splitlines())
    assert "\n\n\n\n" not in text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_h27_view_online_only_where_there_is_a_page() -> None:
    for part in filled(may()):
        assert "https://bulletin.example.org/2024-05/" in part
        assert "Read this issue on the web" in part
    for part in filled(may("forces")):
        assert "on the web" not in part


def test_s22_forces_read_what_is_theirs_with_its_label_and_others_do_not() -> None:
    for part in filled(may("forces")):
        assert "For police forces only" in part
        assert "Review officers: please look at the guides" in part
    for part in filled(may()):
        assert "Review officers" not in part
        assert "forces only" not in part


def test_events_and_closing_dates_are_plain_to_see() -> None:
    for part in filled(may()):
        assert "Tuesday 24 September 2024, 11am to 12:30pm" in part
        assert "Tuesday 29 October 2024, 11am to midday" in part
        assert "Closes 17 July 2024" in part
        assert "https://bulletin.example.org/2024-05/vulnerability-in-analysis.ics" in part


def test_footer_says_why_where_to_and_from_whom() -> None:
    for part in filled(may()):
        for said in (CONFIG.why, "reader@example.org", CONFIG.organisation.postal_address, "Unsubscribe", "Privacy"):
            assert said in part


# ---------------------------------------------------------------- markers and personal values


def test_markers_are_letters_and_digits_and_stand_where_values_go() -> None:
    edition = rendered(may())
    assert set(edition.markers) == set(PERSONAL_FIELDS)
    for marker in edition.markers.values():
        assert re.fullmatch(r"[A-Za-z0-9]{18,}", marker)
        assert edition.html.count(marker) == edition.text.count(marker) == 1
    assert f'href="{edition.markers["unsubscribe_url"]}"' in edition.html


def test_markers_depend_on_content_and_secret() -> None:
    edition = may()
    first = rendered(edition).markers
    assert first == rendered(edition).markers
    assert not set(first.values()) & set(rendered(dataclasses.replace(edition, notice="")).markers.values())
    other = render(edition, CONFIG, template_dirs=PUBLICATION.template_dirs, secret=SECRET[::-1])
    assert not set(first.values()) & set(other.markers.values())


def test_h26_personal_values_are_escaped_for_their_place() -> None:
    edition = rendered(may())
    unpleasant = "\"><script>alert('x')</script>&amp;@example.org"
    html, text = fill(edition, {**sample_personal(CONFIG), "address": unpleasant})
    assert unpleasant in text
    assert "<script" not in html
    assert unpleasant in words(html)


def test_a_value_that_looks_like_a_marker_stays_a_value() -> None:
    edition = rendered(may())
    values = {**sample_personal(CONFIG), "address": edition.markers["unsubscribe_url"]}
    html, text = fill(edition, values)
    assert f"sent to {values['address']}." in words(html)
    assert f"sent to: {values['address']}\n" in text


@pytest.mark.parametrize(
    ("personal", "said"),
    [
        ({"address": "a@example.org", "unsubscribe_url": "https://example.org/u"}, "preferences_url"),
        ({**sample_personal(CONFIG), "address": "a@example.org\r\nBcc: b@example.org"}, "line break"),
    ],
)
def test_m10_a_missing_or_broken_value_is_refused(personal: dict[str, str], said: str) -> None:
    with pytest.raises(BulletinError, match=said):
        fill(rendered(may()), personal)


# ---------------------------------------------------------------- content that means harm, or is merely unusual

UNUSUAL = (
    "</title><script>alert(1)</script>",
    "{{ personal.unsubscribe_url }} {% raw %} %unsubscribe% *|UNSUB|* [[x]] ${x}",
    "\"Double\" and 'single' quotes, `ticks` & <angles>",
    r"C:\temp\new \u{fe0f} \1 \g<0>",
    "Calon ❤️ 👩‍👩‍👧 Tŷ dŵr Ŵ",
    "שלום \u200fعالم\u200e e\u0301 soft\u00adhyphen no\u00a0break",
    "]]> <!-- <![endif]--> -->",
    "&nbsp; &lt;b&gt; &#65;",
)


@pytest.mark.parametrize("value", UNUSUAL)
def test_unusual_words_arrive_as_they_were_written(value: str) -> None:
    picture = EditionPicture(src="https://bulletin.example.org/x.png", file="x.png", alt=value, width=400, height=200)
    event = EditionEvent(
        starts=dt.datetime(2024, 6, 12, 11, tzinfo=CONFIG.zone),
        ends=None,
        place=value,
        booking=None,
        calendar_url=None,
    )
    one = item(title=value, link=value, source=value, topics=(value,), picture=picture)
    two = item(id="two", title=value, link=None, event=event)
    edition = holding(one, two, title=value, preheader=value, notice=value, signed=value)
    html, text = filled(edition)
    page = lxml_html.document_fromstring(html)
    shown = " ".join(value.split())
    assert page.findtext("head/title") == value
    assert page.xpath("//img/@alt") == [value]
    assert page.find("body/div/div").get("aria-label") == value
    # Preheader, label, notice, signature; contents; topic, headline, source and link of one; headline and place of two.
    assert words(html).count(shown) == 4 + 2 + 4 + 2
    assert " ".join(text.split()).count(shown) == 3 + 2 + 4 + 2
    assert not page.xpath("//script")


@pytest.mark.parametrize("sign", ["\x00", "\x0b", "\x1b", "\x7f", "\x85", "\ud83d", "\ufffe"])
def test_a_character_no_page_can_show_is_named_with_its_item(sign: str) -> None:
    with pytest.raises(BulletinError, match=rf'item "one" holds .*U\+{ord(sign):04X}, after “A dash”') as caught:
        rendered(holding(item(summary=f"A dash{sign} pasted.")))
    assert caught.value.hint
    with pytest.raises(BulletinError, match="this issue holds"):
        rendered(holding(item(), welcome=f"Hello{sign}"))


def test_markdown_of_others_brings_no_script_and_no_picture() -> None:
    summary = "[a](javascript:alert(1)) [b](data:text/html,x) ![spy](https://spy.example/p.gif) <img src=x onerror=y>"
    html, _ = filled(holding(item(summary=summary, url=None)))
    page = lxml_html.document_fromstring(html)
    assert not page.xpath("//img|//script|//*[@onerror]")
    assert not [link for link in page.xpath("//a/@href") if not link.startswith(("https://", "#"))]
    assert "javascript:alert(1)" in words(html)


def test_addresses_keep_their_exact_letters() -> None:
    url = "https://news.example.org/a_(b)/?q=1&r=%20x&s=tŷ#frag"
    html, text = filled(holding(item(url=url)))
    assert url in text
    (link,) = lxml_html.document_fromstring(html).xpath("//a[.='Read about it']/@href")
    assert link in (url, url.replace("ŷ", "%C5%B7"))


def test_a_headline_is_the_link_where_no_words_are_given() -> None:
    html, text = filled(holding(item(link=None)))
    (heading,) = lxml_html.document_fromstring(html).xpath("//h3")
    assert heading.find("a").get("href") == "https://news.example.org/one"
    assert "https://news.example.org/one" in text


def test_an_event_with_booking_has_a_button_whose_words_name_the_day() -> None:
    event = EditionEvent(
        starts=dt.datetime(2024, 6, 12, 11, tzinfo=CONFIG.zone),
        ends=dt.datetime(2024, 6, 12, 12, 30, tzinfo=CONFIG.zone),
        place="Online",
        booking="https://booking.example.org/1",
        calendar_url=None,
    )
    html, text = filled(holding(item(event=event)))
    (button,) = lxml_html.document_fromstring(html).xpath("//a[@href='https://booking.example.org/1']")
    assert button.text_content() == "Book a place for 12 June"
    assert "Book a place for 12 June:\nhttps://booking.example.org/1" in text


def test_a_bare_edition_renders() -> None:
    bare = item(url=None, link=None, source=None, published=None, topics=(), summary="")
    html, text = filled(holding(bare, preheader="", notice="", welcome="", signed="", online_url=None))
    assert "A headline" in words(html)
    assert "A headline" in text


def test_a_right_to_left_language_sets_the_direction() -> None:
    page = lxml_html.document_fromstring(rendered(dataclasses.replace(may(), language="ur")).html)
    assert (page.get("lang"), page.get("dir")) == ("ur", "rtl")


def test_three_hundred_stories_render_in_seconds_with_a_short_list_of_contents() -> None:
    started = time.perf_counter()
    html, text = filled(holding(*(item(id=f"story-{number}", title=f"Story {number}") for number in range(300))))
    assert time.perf_counter() - started < 10
    assert text.count("Read about it") == 300
    inner = [link for link in lxml_html.document_fromstring(html).xpath("//a/@href") if link.startswith("#")]
    assert inner == ["#section-news"]


def test_a_story_of_five_thousand_words_arrives_whole() -> None:
    told = "\n\n".join(
        " ".join(f"word{number}" for number in range(start, start + 100)) for start in range(0, 5000, 100)
    )
    html, text = filled(holding(item(summary=told)))
    for part in (words(html), " ".join(text.split())):
        assert "word0 word1 " in part
        assert part.index("word4999") < part.index("Unsubscribe")
        assert len(re.findall(r"\bword\d+", part)) == 5000


HEBREW = "חדשות מהיום"


def test_a_title_from_right_to_left_does_not_garble_its_neighbours() -> None:
    """Its letters stand between signs that keep its direction to itself (UAX 9); other titles have none."""
    event = EditionEvent(
        starts=dt.datetime(2024, 6, 12, 11, tzinfo=CONFIG.zone),
        ends=None,
        place=HEBREW,
        booking=None,
        calendar_url=None,
    )
    one = item(title=HEBREW, link=HEBREW, source=HEBREW, topics=(HEBREW, "Stalking"), event=event)
    edition = holding(one, item(id="two"))
    for part in (words(filled(edition)[0]), filled(edition)[1]):
        assert f"\u2068{HEBREW}\u2069, 8 May 2024" in part
        assert part.count(HEBREW) == part.count(f"\u2068{HEBREW}\u2069") == part.count("\u2068") > 4
    assert "\u2068" not in "".join(filled(may()))


def test_a_title_that_turns_the_direction_is_closed_again() -> None:
    html, text = filled(holding(item(title="\u202egnp.exe", link=None)))
    assert "\u2068\u202egnp.exe\u2069" in html
    assert "\u2068\u202egnp.exe\u2069" in text


# ---------------------------------------------------------------- layouts, and what mail programs need of each


@pytest.mark.parametrize("layout", LAYOUTS)
def test_h24_every_layout_says_in_text_what_it_says_in_html(layout: str) -> None:
    edition = every_layout(may("forces"))
    (section,) = (section for section in edition.sections if section.layout == layout)
    html, text = filled(dataclasses.replace(edition, sections=(section,)))
    assert addresses(html) == set(re.findall(r"https?://[^\s)>]+", text))
    read = " ".join(text.split())
    for part in (words(html), read):
        for story in section.items:
            for said in (story.title, story.source, "OFFICIAL-SENSITIVE" if story.marking else None):
                assert not said or said in part
            if story.event:
                assert wording.when(story.event) in part
                assert f"{story.event.place}" in part
            if story.expires:
                assert f"Closes {wording.day(story.expires)}" in part
            if layout != "compact":
                assert " ".join(story.summary.split()) in part
    for story in section.items:
        for address in filter(None, (story.url, story.event and story.event.booking)):
            assert address in text


def test_a_compact_item_is_its_first_sentence_and_has_no_picture() -> None:
    edition = every_layout(may())
    (section,) = (section for section in edition.sections if section.layout == "compact")
    html, text = filled(dataclasses.replace(edition, sections=(section,)))
    for part in (words(html), " ".join(text.split())):
        assert "The Vulnerability Knowledge and Practice Programme is now part of the College of Policing." in part
        assert "51 colleagues" not in part
    assert "<img" not in html


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        ("One bill has fallen in Parliament today. Another has not.", "One bill has fallen in Parliament today."),
        ("Dr. Smith of St. Mary's wrote to the e.g. Health team at 9.30 a.m. on Monday.", None),
        ("It rose by 9.5% in the year to March 2024. Rates fell.", "It rose by 9.5% in the year to March 2024."),
        ("Short. The next one is what makes it long enough to be a line.", None),
        ("Read [the report](https://example.org/). It is long, and its link must not be lost.", None),
        ("- one\n- two", None),
        ("", None),
    ],
)
def test_the_gist_of_a_summary_is_a_whole_sentence_and_loses_no_link(summary: str, line: str | None) -> None:
    assert markdown.gist(summary) == (line or summary)


def test_s09_a_marked_mail_says_so_in_its_first_and_last_line() -> None:
    edition = dataclasses.replace(may(), marking="Official-Sensitive - recipients only")
    html, text = filled(edition)
    said = "OFFICIAL-SENSITIVE - RECIPIENTS ONLY"
    body = re.sub(r'<div style="display:none.*?</div>', "", html[html.index("<body") :], flags=re.DOTALL)
    visible = [line.strip() for line in lxml_html.fromstring(body).itertext() if line.strip()]
    assert (visible[0], visible[-1]) == (said, said)
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == (said, said)
    assert said not in "".join(filled(may()))


@pytest.mark.parametrize(("label", "colour"), palette.TLP.items())
def test_s12_s13_a_traffic_light_label_stands_before_what_it_covers_in_its_colour_on_black(
    label: str, colour: str
) -> None:
    html, text = filled(holding(item(tlp=label, marking="OFFICIAL-SENSITIVE"), tlp=label))
    found = lxml_html.document_fromstring(html).xpath("//strong[contains(@class, 'tlp')]")
    assert [one.text_content().strip() for one in found] == [label] * 3
    for one in found:
        style = one.get("style").replace("#000000", "#000")
        assert f"color:{colour}" in style or f"color:{colour[0]}{colour[1::2]}" in style
        assert "background-color:#000" in style
    assert (text.splitlines()[0], text.splitlines()[-1]) == (label, label)
    assert f"\nOFFICIAL-SENSITIVE | {label}\nA headline\n" in text


def styled(html: str) -> list[tuple[lxml_html.HtmlElement, dict[str, str]]]:
    """Each element of the body that has a style of its own, with its declarations."""
    body = lxml_html.document_fromstring(re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)).find("body")
    return [
        (
            one,
            {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in one.get("style").split(";"))},
        )
        for one in body.xpath(".//*[@style]")
    ]


def test_h05_padding_stands_on_table_cells_and_no_margin_is_negative() -> None:
    """The one exception is the link in a button, whose cell tells Outlook the same padding."""
    for one, style in styled(filled(every_layout(may("forces")))[0]):
        for name, value in style.items():
            if name.startswith("padding") and value != "0":
                cell = one.getparent().get("style") or ""
                assert one.tag == "td" or (one.tag == "a" and "mso-padding-alt" in cell), one.get("class")
            assert not (name.startswith("margin") and "-" in value), one.get("class")


def test_h03_nothing_is_laid_out_by_what_outlook_lacks() -> None:
    html = filled(every_layout(may("forces")))[0]
    for _, style in styled(html):
        assert not {"float", "position", "grid", "flex", "columns"} & style.keys()
        assert style.get("display", "block") in ("block", "inline-block", "none")
    shown = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    assert all('role="presentation"' in table for table in re.findall(r"<table[^>]*>", shown))
    for columns in re.findall(r'<!--\[if mso \| IE\]><table[^>]*role="presentation"[^>]*><tr>.*?<td[^>]*>', html):
        assert "width" in columns or "line-height:0px" in columns


def test_h10_h11_text_has_sizes_in_px_that_can_be_read() -> None:
    for one, style in styled(filled(every_layout(may("forces")))[0]):
        for name in ("font-size", "line-height"):
            assert re.fullmatch(r"\d+px|100%", style.get(name, "16px")), (one.tag, style)
        size = int(style.get("font-size", "16px").removesuffix("px"))
        if size > 1 and one.tag != "img":
            assert size >= 14
            assert int(style.get("line-height", "99px").removesuffix("px")) >= 1.15 * size
    assert "@font-face" not in filled(may())[0]


def test_h12_important_is_written_as_all_programs_read_it() -> None:
    html = filled(every_layout(may("forces")))[0]
    assert not re.search(r"\S!important|! important|!IMPORTANT", html)


def test_h09_outlook_comments_are_not_nested() -> None:
    depth = 0
    for sign in re.findall(r"<!--\[if[^!]|<!\[endif\]-->", filled(every_layout(may("forces")))[0]):
        depth += 1 if sign.startswith("<!--") else -1
        assert depth in (0, 1)


def test_h19_h20_h21_headings_lists_and_meaning_need_nothing_that_webmails_drop() -> None:
    html = filled(every_layout(may("forces")))[0]
    assert not re.search(r"aria-(?:labelledby|describedby)|<(?:main|section|article|header|footer|nav)\b", html)
    page = lxml_html.document_fromstring(html)
    assert all(one.getparent().tag in ("ul", "ol") for one in page.xpath("//li"))
    levels = [int(one.tag[1]) for one in page.xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_h06_pictures_of_every_layout_have_whole_widths_and_none_is_blown_up() -> None:
    small = EditionPicture(src="https://bulletin.example.org/x.png", file="x.png", alt="A dot", width=90, height=40)
    edition = every_layout(may())
    for picture, widths in ((None, {"198", "536", "600"}), (small, {"90"})):
        sections = tuple(
            dataclasses.replace(
                section,
                items=tuple(
                    dataclasses.replace(story, picture=story.picture and (picture or story.picture))
                    for story in section.items
                ),
            )
            for section in edition.sections
        )
        page = lxml_html.document_fromstring(filled(dataclasses.replace(edition, sections=sections))[0])
        assert set(page.xpath("//img/@width")) == widths
        assert all(page.xpath("//img/@alt"))


def test_topics_are_words_and_not_only_a_colour() -> None:
    html, text = filled(every_layout(may()))
    for story in every_layout(may()).items:
        for topic in story.topics:
            assert topic in words(html)
            assert topic in " ".join(text.split())
