"""How a text of a mail shows in the end, and that no mail stops the asking (X-13, H-15)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulletin.clients.cascade import Look, applies, looks, specificity
from bulletin.clients.page import read


def shown(html: str, *, dark: bool = False) -> Look:
    page = read(html)
    (node,) = page.tree.css("#x")
    return looks(page, dark=dark)[node.mem_id]


@pytest.mark.parametrize(
    ("head", "style", "ink"),
    [
        ("p { color: #111111 }", "", "#111111"),
        ("p { color: #111111 }", "color: #222222", "#222222"),
        ("p { color: #111111 !important }", "color: #222222", "#111111"),
        ("p { color: #111111 !important }", "color: #222222 !important", "#222222"),
        ("#x { color: #111111 } p.a { color: #222222 }", "", "#111111"),
        ("p { color: #111111 } p { color: #222222 }", "", "#222222"),
        ("td, p { color: rgb(17, 17, 17) }", "", "#111111"),
        ("p::before { color: red } p { color: nonsense }", "", "#000000"),
        ("@media (max-width: 480px) { p { color: red } }", "", "#000000"),
        ("@media only screen and (min-width: 480px) { p { color: #111111 } }", "", "#111111"),
    ],
)
def test_the_colour_is_what_css_says(head: str, style: str, ink: str) -> None:
    html = f'<style>{head}</style><body><p id="x" class="a" style="{style}">Words</p></body>'
    assert shown(html).ink == ink


def test_surface_size_and_weight_come_from_the_elements_around() -> None:
    html = (
        '<body><table bgcolor="#123456"><tr><td style="font:bold 20px Arial"><p id="x">W</p></td></tr></table></body>'
    )
    look = shown(html)
    assert (look.surface, look.painted, look.size, look.weight, look.large) == ("#123456", True, 20, 700, True)


def test_dark_rules_count_in_dark_mode_only() -> None:
    html = '<style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><body><p id="x">W</p></body>'
    assert (shown(html).ink, shown(html, dark=True).ink) == ("#000000", "#ffffff")
    assert not applies(("@media print",), dark=False)


def test_specificity_counts_ids_classes_and_names() -> None:
    assert specificity("#a td.b[data-x] > p") == (1, 2, 2)
    assert specificity(":root") == (0, 1, 0)


STYLES = st.lists(
    st.sampled_from(["color:red", "font:", "padding:x", "font-size:9e9px", "background:url(", "opacity:²", "color:#12"])
).map(";".join)


@given(text=st.text(max_size=60), style=st.one_of(STYLES, st.text(max_size=40)))
@settings(deadline=None, max_examples=60)
def test_no_html_and_no_style_stop_the_reading(text: str, style: str) -> None:
    page = read(f'<style>{style} p{{{style}}}</style><p style="{style}">{text}</p>{text}')
    assert set(looks(page)) == {node.mem_id for node in page.elements}
