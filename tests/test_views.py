"""The mail as other readers get it: what each view changes, and that no view loses words."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulletin.clients import page, views

VIEWS = (
    views.own_light,
    views.own_dark,
    views.forced_dark,
    views.images_off,
    views.without_style,
    views.classic_outlook,
)
SETTLED = (views.own_light, views.own_dark, views.images_off, views.without_style, views.classic_outlook)

PIECES = st.one_of(
    st.sampled_from(
        [
            *('<p style="color:#fff;padding:3px">', "</p>", "<div>", "</div>", "<b>", "</b>", '<a href="/x">', "</a>"),
            *("<table><tr><td bgcolor=red>", "</td></tr></table>", "<ul><li>", "</li></ul>", "<h2>", "</h2>"),
            *('<img src="a.webp" alt="A boat">', "<section>", "</section>", "<v:rect>", "</v:rect>", "<video></video>"),
            *("<style>a { color: red", "@media (prefers-color-scheme: dark) { p { margin: 0 auto } }", "</style>"),
            *("<!--[if mso]>", "<!--[if !mso]><!-->", "<!--<![endif]-->", "<![endif]-->", "<svg>", "</svg>"),
            *('<i style="background:url(x)', "<span style='width:calc(1px'>", "\x00", "&nbsp;", "<xml>", "]]>"),
        ]
    ),
    st.text(max_size=20),
)
PAGES = st.lists(PIECES, max_size=20).map("".join)


def words(html: str) -> list[str]:
    """The words of a page's body, as a reader sees them."""
    tree = page.read(html).tree
    for node in tree.css("style, script, template, noscript, title"):
        node.decompose()
    return tree.body.text(separator=" ").split() if tree.body else []


@given(PAGES)
@settings(max_examples=200, deadline=None)
def test_no_page_is_too_broken_to_be_seen(html: str) -> None:
    for view in VIEWS:
        assert isinstance(view(html), str)
    views.outline(html)


@given(PAGES)
@example('<style>a { color: red"')
@example("<style>a { background: f(url(x")
@settings(max_examples=100, deadline=None)
def test_seeing_a_view_again_changes_nothing_more(html: str) -> None:
    for view in SETTLED:
        once = view(html)
        assert view(once) == view(view(once))


@given(
    st.lists(st.text("abc ", min_size=1).filter(str.strip), min_size=1, max_size=6),
    st.sampled_from(["p", "div", "h2", "li", "section", "v:rect", "button", "nav", "figure"]),
)
@settings(max_examples=100, deadline=None)
def test_no_words_get_lost(texts: list[str], tag: str) -> None:
    html = "<body>" + "".join(f"<{tag} style='display:flex;color:#123'>{text}</{tag}>" for text in texts)
    expected = " ".join(texts).split()
    for view in VIEWS:
        assert words(view(html)) == expected, view
    assert " ".join(one.text for one in views.outline(html) if one.role != "list").split() == expected


def test_a_deep_page_is_read_to_its_end() -> None:
    deep = "<div>" * 5000 + "the end"
    assert views.outline(deep)[-1].text == "the end"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("mso", True),
        ("mso | IE", True),
        ("IE", False),
        ("!mso", False),
        ("gte mso 9", True),
        ("lt mso 12", False),
        ("lte mso 11", False),
        ("gt mso 15", True),
        ("mso 16", True),
        ("(gte mso 9)|(IE)", True),
        ("(gte mso 9)&(lte mso 15)", False),
        ("!(IE)", True),
        ("IE | mso & mso", True),
        ("nonsense here", False),
        ("gte mso", True),
        ("vml", True),
    ],
)
def test_outlook_reads_conditions_as_word_does_h08(condition: str, holds: bool) -> None:
    assert views.resolved(f"a<!--[if {condition}]>b<![endif]-->c") == ("abc" if holds else "ac")
    assert views.resolved(f"a<!--[if {condition}]><!-->b<!--<![endif]-->c") == ("abc" if holds else "ac")


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("a<!--[IF mso]>b<![ENDIF]-->c", "abc"),
        ("a<!--[if mso]>b<!--[if gte mso 9]>c<![endif]-->d<![endif]-->e", "abcde"),
        ("a<!--[if mso]>b<!--[if lt mso 9]>c<![endif]-->d<![endif]-->e", "abde"),
        ("a<!--[if !mso]>b<!--[if mso]>c<![endif]-->d<![endif]-->e", "ae"),
        ("a<!-- not <!--[if mso]> b <![endif]-->c", "a<!-- not <!--[if mso]> b <![endif]-->c"),
        ("a<!--[if mso]>b<!-- c -->d<![endif]-->e", "ab<!-- c -->de"),
        ("a<!--[if mso]>b-->c<!--[if mso]>d<![endif]-->e", "a<!--[if mso]>b-->cde"),
        ("a<![endif]-->b<!--[if !mso]>c<![endif]-->d", "a<![endif]-->bd"),
        ("a<!--[if mso]>b", "a<!--[if mso]>b"),
    ],
)
def test_outlook_conditions_in_one_another_in_comments_and_without_an_end_h09(html: str, shown: str) -> None:
    assert views.resolved(html) == shown


def _conditional(inner: tuple[str, str], holds: bool) -> tuple[str, str]:
    html, shown = inner
    return (f"<!--[if mso]>{html}<![endif]-->", shown) if holds else (f"<!--[if !mso]><!-->{html}<!--<![endif]-->", "")


_LEAVES = st.sampled_from([("word", "word"), ("<b>x</b>", "<b>x</b>"), ("<!-- c -->", "<!-- c -->"), ("", "")])
_NESTED = st.recursive(
    _LEAVES,
    lambda some: (
        st.builds(_conditional, some, st.booleans())
        | st.lists(some, max_size=4).map(lambda parts: ("".join(h for h, _ in parts), "".join(s for _, s in parts)))
    ),
    max_leaves=20,
)


@given(_NESTED)
def test_outlook_shows_what_stands_in_conditions_that_all_hold_h09(case: tuple[str, str]) -> None:
    html, shown = case
    assert views.resolved(html) == shown


@given(st.lists(st.sampled_from(["<!--[if mso]>", "<![endif]-->", "<![if !mso]>", "<!--", "-->", "<b>", "x"])))
def test_no_conditions_however_odd_stop_the_outlook_view_h09(pieces: list[str]) -> None:
    html = "".join(pieces)
    assert len(views.resolved(html)) <= len(html)
    views.classic_outlook(html)


def test_outlook_lacks_what_was_tested_to_be_lacking_h23() -> None:
    seen = views.classic_outlook(
        "<style>.a > b { color: red } .a { color: red; border-radius: 3px } "
        "@media (max-width: 9px) { .a { margin: 0 } }"
        '</style><p class="a" style="padding: 4px; color: red; border-radius: 3px; margin: 0 auto; mso-hide: all">x</p>'
        '<table style="max-width: 9px"><tr><td style="padding: 4px">y</td></tr></table>'
        '<div style="max-width: 9px; display: flex; width: 3px">z</div><img src="a.webp" alt="A boat">'
    )
    assert "border-radius" not in seen
    assert "@media" not in seen
    assert ".a > b" not in seen
    assert ".a { color: red }" in seen
    assert '<p class="a" style="color: red; margin: 0 0; display: none">' in seen
    assert '<table style="max-width: 9px">' in seen
    assert '<td style="padding: 4px">' in seen
    assert '<div style="">z</div>' in seen
    assert "a.webp" not in seen
    assert 'alt="A boat"' in seen


def test_forced_dark_turns_lightness_round_everywhere_and_lets_no_own_rule_hold() -> None:
    seen = views.forced_dark(
        "<style>p { color: #000 } @media (prefers-color-scheme: dark) { p { color: lime } }</style>"
        '<table bgcolor="#ffffff"><tr><td style="background: #1d3557 url(a.png); color: rgba(255,255,255,.5); '
        'font-family: black; border: 1px solid navy">x'
    )
    assert "p { color: #ffffff }" in seen
    assert "@media (max-width: 0px)" in seen
    assert 'bgcolor="#000000"' in seen
    assert "#a8c0e2 url(a.png)" in seen
    assert "rgba(0, 0, 0, 0.5)" in seen
    assert "font-family: black" in seen
    assert "border: 1px solid #7f7fff" in seen or "border: 1px solid #8080ff" in seen


def test_own_dark_lets_the_rules_for_dark_hold_and_own_light_does_not() -> None:
    html = "<style>@media (prefers-color-scheme:dark) and (max-width: 9px) { p { color: lime } }</style>"
    assert "@media (min-width: 0px) and (max-width: 9px)" in views.own_dark(html)
    assert "@media (max-width: 0px) and (max-width: 9px)" in views.own_light(html)


def test_without_pictures_their_words_and_sizes_stay() -> None:
    seen = views.images_off(
        '<td background="b.png" style="background: red url(c.png)">'
        '<img src="a.png" alt="A boat" width="60" height="40">'
    )
    assert not re.search(r"[abc]\.png", seen)
    assert 'alt="A boat" width="60" height="40"' in seen


def test_without_style_only_what_stands_on_the_elements_holds() -> None:
    seen = views.without_style('<style>p { color: red }</style><p style="color: blue">x</p>')
    assert "red" not in seen
    assert 'style="color: blue"' in seen


def test_a_screen_reader_says_headings_links_pictures_and_lists_in_order() -> None:
    spoken = views.outline(
        '<div style="display:none">preheader</div><div role="article" aria-label="News">'
        '<h1>News</h1><table role="presentation"><tr><td><a name="item-one" id="item-one"></a>'
        '<h3><a href="https://example.org/">One</a></h3><p>Some <b>bold</b> words, <a href="/more">read more</a>.</p>'
        '<img src="a.png" alt="A boat"><img src="b.png" alt=""><img src="dir/c.png">'
        "<ul><li>first<li>second</ul></td></tr></table><table><tr><td>cell</table>"
        '<p aria-hidden="true">silent</p></div>'
    )
    assert [(one.role, one.text, one.level, one.href) for one in spoken] == [
        ("article", "News", 0, ""),
        ("heading", "News", 1, ""),
        ("heading", "One", 3, "https://example.org/"),
        ("text", "Some bold words,", 0, ""),
        ("link", "read more", 0, "/more"),
        ("text", ".", 0, ""),
        ("picture", "A boat", 0, ""),
        ("picture", "c.png", 0, ""),
        ("list", "2 entries", 1, ""),
        ("text", "first", 1, ""),
        ("text", "second", 1, ""),
        ("table", "1 row", 0, ""),
        ("text", "cell", 0, ""),
    ]
    assert {one.anchor for one in spoken[2:]} == {"item-one"}
