"""Markdown of summaries: what becomes HTML, what becomes text, and what stays words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from bulletin.render import markdown
from bulletin.render.markdown import to_html, to_text

LIST = """\
Please bring:

- your badge
- a pen that writes, and one more in case that the first one gives up
  1. blue
  2. black

After that, see below.
"""


def test_lists_keep_their_shape_in_text() -> None:
    assert to_text(LIST, 40) == (
        "Please bring:\n\n- your badge\n- a pen that writes, and one more in\n  case that the first one gives up\n"
        "  1. blue\n  2. black\n\nAfter that, see below."
    )


def test_quotes_and_code_keep_their_shape_in_text() -> None:
    assert to_text("> One\n>\n> Two\n\nAfter\n\n    x = 1\n", 40) == "> One\n>\n> Two\n\nAfter\n\nx = 1"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("See [the page](https://example.org/a?b=1&c=2).", "See the page (https://example.org/a?b=1&c=2)."),
        ("See https://example.org/a.", "See https://example.org/a."),
        ("[https://example.org/](https://example.org/)", "https://example.org/"),
        ("<editors@example.org>", "editors@example.org"),
        ("[Write](mailto:editors@example.org)", "Write (editors@example.org)"),
        ("**Bold** and *not*", "Bold and not"),
        ("One\ntwo  \nthree", "One two\nthree"),
        ("AT&T &amp; co, 5 < 6", "AT&T & co, 5 < 6"),
    ],
)
def test_text_reads_as_a_person_would_write_it(markdown: str, text: str) -> None:
    assert to_text(markdown) == text


def test_long_addresses_are_never_broken() -> None:
    url = "https://example.org/" + "a-b/" * 40
    assert url in to_text(f"Some words and then [a link]({url}) and more words.", 40)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/x", "page.html", "//x.org"]
)
def test_other_links_stay_words(url: str) -> None:
    assert "<a" not in to_html(f"[words]({url}) <{url}>")
    assert f"[words]({url})" in to_text(f"[words]({url})")


def test_h19_headings_become_bold_paragraphs() -> None:
    assert to_html("# One\n\nTwo\n===\n\nThree") == (
        "<p><strong>One</strong></p>\n<p><strong>Two</strong></p>\n<p>Three</p>"
    )


def test_code_keeps_its_lines_and_may_wrap() -> None:
    """A line moved in too far is code to Markdown; unbroken, it would make the whole mail as wide as it is."""
    assert to_html("```\none <b>\n  two  three\n\n```") == (
        "<p><code>one &lt;b&gt;<br>\n&nbsp;&nbsp;two&nbsp; three</code></p>"
    )
    assert to_html("One.\n\n    Two words") == "<p>One.</p>\n<p><code>Two words</code></p>"


def test_raw_html_stays_the_text_it_is() -> None:
    assert to_html("<b onclick=x>hi</b>") == "<p>&lt;b onclick=x&gt;hi&lt;/b&gt;</p>"


def test_pictures_become_their_words() -> None:
    assert to_html('![A "dog"](https://spy.example/x.png)') == '<p>A "dog"</p>'
    assert to_text('![A "dog"](https://spy.example/x.png)') == 'A "dog"'


def test_a_link_to_nowhere_is_its_words() -> None:
    assert to_html("See [words]() now.") == "<p>See words now.</p>"
    assert to_text("See [words]() now.") == "See words now."


@given(st.text(alphabet=st.sampled_from("ab *_`#>-+1.[](){}<>!&\\\n\t\"':/ŵ"), max_size=120))
def test_h24_whatever_the_markdown_html_and_text_hold_the_same_words_and_links(markdown: str) -> None:
    page = lxml_html.fragment_fromstring(to_html(markdown), create_parent="div")
    assert not page.xpath("//script|//img|//@onclick|//h1|//h2|//h3")
    assert all(link.split(":")[0].lower() in ("http", "https", "mailto", "tel") for link in page.xpath("//a/@href"))
    text = to_text(markdown)
    for word in re.findall(r"[abŵ]+", page.text_content()):
        assert word in text
    assert to_html(markdown) == to_html(markdown)


WORDS = st.text("aZ ŵé09.,;:!?-–'\"()%£/\n", max_size=60) | st.lists(
    st.sampled_from(
        [
            "A line of words.",
            "3. three",
            "12) twelve",
            "- dash",
            "a: b",
            "http://x",
            "a//b",
            "  two",
            "tail  ",
            "---",
            "",
        ]
    ),
    max_size=5,
).map("\n".join)


@given(WORDS, st.integers(20, 80))
def test_mere_words_read_the_same_with_and_without_the_parser(text: str, width: int) -> None:
    """Text without any mark takes a shorter way; it leads to the same place."""
    assert to_html(text) == markdown._parsed_html(text)
    assert to_text(text, width) == markdown._parsed_text(text, width)
