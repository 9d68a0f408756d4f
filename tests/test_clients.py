"""What mail programs make of a mail: the facts, the features found in a mail, and what readers need (H-23)."""

from __future__ import annotations

import datetime as dt
import json
import random
from pathlib import Path

import clientfacts
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulletin import flow
from bulletin.checks import Material, all_checks
from bulletin.clients import features, grace, page, score, support
from bulletin.config import Checking
from bulletin.publication import open_publication

NOT_LOOKED_FOR = {
    "bimi": "it stands in the sender's name records, not in a mail",
}
"""Features that no mail's bytes tell with certainty, and why."""

DEFAULT = Checking().clients


def uses(html: str) -> tuple[features.Use, ...]:
    return features.used(page.read(html))


def slugs(html: str) -> set[str]:
    return {use.slug for use in uses(html)}


def unconditional(html: str) -> set[str]:
    return {use.slug for use in uses(html) if not use.conditional}


# ---------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("slug", "client", "code", "tested", "note"),
    [
        ("css-display-flex", "outlook.windows", "n", "2021-11-02", ""),
        ("css-border-radius", "gmail.desktop-webmail", "y", "2021-03-09", ""),
        ("css-padding", "outlook.windows", "a", "2019-07-25", "Partial. Only supported on table cells."),
        ("html-video", "gmail.desktop-webmail", "n", "2019-09-16", ""),
        ("css-form-none", "gmail.desktop-webmail", "", "", ""),
        ("html-form", "outlook.macos", "a", "2019-09-10", "Not supported. The <form> is there but values are not"),
        ("html-comments", "outlook.windows", "y", "2024-05-01", ""),
    ],
)
def test_the_facts_are_those_of_the_testers(slug: str, client: str, code: str, tested: str, note: str) -> None:
    fact = support.of(slug, client)
    if not code:
        assert fact is None
        return
    assert fact is not None
    assert (fact.code, fact.tested) == (code, dt.date.fromisoformat(tested))
    assert any(text.startswith(note) for text in fact.notes) or not note
    assert fact.url == f"https://www.caniemail.com/features/{slug}/"


def test_every_feature_has_a_fact_for_every_program_with_a_day_and_whole_sentences() -> None:
    for slug in support.features():
        for client in support.clients():
            fact = support.of(slug, client)
            assert fact is not None
            assert fact.code in set("yanu")
            assert dt.date(2019, 1, 1) <= fact.tested <= support.data_date()
            assert all(note.endswith((".", "!", "?")) and "`" not in note for note in fact.notes)


def test_the_programs_that_count_by_default_are_known_and_have_names_to_read() -> None:
    names = support.clients()
    assert set(DEFAULT) <= set(names)
    assert names["outlook.windows"] == "classic Outlook for Windows"
    assert len(set(names.values())) == len(names)
    assert support.of("css-padding", "pigeon.post") is None


def test_the_data_carry_source_date_and_licence() -> None:
    folder = Path(support.__file__).parent
    data = json.loads((folder / "caniemail.json").read_text("utf-8"))
    assert len(data["commit"]) == 40
    assert data["source"] == "github.com/hteumeuleu/caniemail"
    licence = (folder / data["licence"].split()[-1]).read_text("utf-8")
    assert "Rémi Parmentier" in licence
    assert "MIT License" in licence


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        ({"2019-10": "n", "2021-01": "y", "2020-12": "a #1"}, "y"),
        ({"9.1": "n", "16.80": "y", "16.9": "n"}, "y"),
        ({"2011": "y", "2016": "y", "16.80": "n"}, "n"),
        ({"2019": "y", "2007": "n"}, "y"),
        ({}, "u"),
    ],
)
def test_the_newest_version_that_was_tested_counts(versions: dict[str, str], newest: str) -> None:
    assert clientfacts.newest(versions) == newest


def test_the_kept_data_are_made_from_the_full_data_by_one_command() -> None:
    entry = {
        "slug": "css-x",
        "title": "x",
        "category": "css",
        "last_test_date": "2024-05-1",
        "stats": {"gmail": {"ios": {"2020-01": "a #1 #2"}}},
        "notes_by_num": {"1": "Only [here](https://example.org/) as `x`", "2": "Two.", "3": "Unused."},
    }
    full = {"data": [entry], "last_update_date": "2026-01-02", "nicenames": {"family": {}, "platform": {}}}
    made = clientfacts.trimmed(full)
    assert made["features"] == {"css-x": ["x", "css", "2024-05-01", "a#1#2", {"1": "Only here as x.", "2": "Two."}]}
    assert made["date"] == "2026-01-02"


# ---------------------------------------------------------------- features


PROBES = {
    "css-pseudo-class-{}": "<style>a:{}(x) {{ top: 0 }}</style>",
    "css-pseudo-element-{}": "<style>a::{} {{ top: 0 }}</style>",
    "css-unit-{}": '<p style="width: 1{}">A</p>',
    "css-function-{}": '<p style="width: {}(1px)">A</p>',
    "css-{}": '<p style="{}: 1">A</p>',
    "html-input-{}": '<input type="{}">',
    "html-button-{}": '<button type="{}">A</button>',
    "image-{}": '<img src="https://www.example.org/a.{}" alt="">',
    "html-{}": '<p {0}="x">A</p><{0}>A</{0}>',
}
"""How features look in a mail whose slug says it, by the form of the slug."""

SPECIAL = {
    "amp": "<html amp4email><body></body></html>",
    "css-at-font-face": "<style>@font-face { font-family: A }</style>",
    "css-at-import": "<style>@import url(a.css);</style>",
    "css-at-keyframes": "<style>@keyframes a { from { top: 0 } }</style>",
    "css-at-media": "<style>@media print { a { top: 0 } }</style>",
    "css-at-media-device-pixel-ratio": "<style>@media (-webkit-min-device-pixel-ratio: 2) { a { top: 0 } }</style>",
    "css-at-media-hover": "<style>@media (any-hover: hover) { a { top: 0 } }</style>",
    "css-at-media-orientation": "<style>@media (orientation: portrait) { a { top: 0 } }</style>",
    "css-at-media-prefers-color-scheme": "<style>@media (prefers-color-scheme: dark) { a { top: 0 } }</style>",
    "css-at-media-prefers-reduced-motion": "<style>@media (prefers-reduced-motion) { a { top: 0 } }</style>",
    "css-at-supports": "<style>@supports (top: 0) { a { top: 0 } }</style>",
    "css-block-inline-size": '<p style="block-size: 1px">',
    "css-border-inline-block": '<p style="border-inline: 0">',
    "css-border-inline-block-individual": '<p style="border-block-end: 0">',
    "css-border-inline-block-longhand": '<p style="border-inline-color: red">',
    "css-border-radius-logical": '<p style="border-start-end-radius: 0">',
    "css-column-layout-properties": '<p style="columns: 2">',
    "css-comments": "<style>/* A */</style>",
    "css-conic-gradient": '<p style="background: conic-gradient(red, blue)">',
    "css-display-flex": '<p style="display: inline-flex">',
    "css-display-grid": '<p style="display: grid">',
    "css-display-none": '<p style="display: none">',
    "css-flex-direction": '<p style="flex-direction: column">',
    "css-flex-wrap": '<p style="flex-wrap: wrap">',
    "css-grid-template": '<p style="grid-template-areas: none">',
    "css-important": '<p style="top: 0 !important">',
    "css-inert-attribute": "<p inert>A</p>",
    "css-intrinsic-size": '<p style="width: min-content">',
    "css-left-right-top-bottom": '<p style="left: 0">',
    "css-linear-gradient": '<p style="background: linear-gradient(red, blue)">',
    "css-radial-gradient": '<p style="background: radial-gradient(red, blue)">',
    "css-margin-block-start-end": '<p style="margin-block-start: 0">',
    "css-margin-inline-block": '<p style="margin-inline: 0">',
    "css-margin-inline-start-end": '<p style="margin-inline-end: 0">',
    "css-modern-color": '<p style="color: oklch(1 0 0)">',
    "css-nesting": "<style>a { b { top: 0 } }</style>",
    "css-padding-block-start-end": '<p style="padding-block-end: 0">',
    "css-padding-inline-block": '<p style="padding-block: 0">',
    "css-padding-inline-start-end": '<p style="padding-inline-start: 0">',
    "css-rgb": '<p style="color: rgb(0, 0, 0)">',
    "css-rgba": '<p style="color: rgba(0, 0, 0, 1)">',
    "css-scroll-snap": '<p style="scroll-snap-type: x">',
    "css-selector-adjacent-sibling": "<style>a + b { top: 0 }</style>",
    "css-selector-attribute": "<style>[x] { top: 0 }</style>",
    "css-selector-chaining": "<style>.a.b { top: 0 }</style>",
    "css-selector-child": "<style>a > b { top: 0 }</style>",
    "css-selector-class": "<style>.a { top: 0 }</style>",
    "css-selector-descendant": "<style>a b { top: 0 }</style>",
    "css-selector-general-sibling": "<style>a ~ b { top: 0 }</style>",
    "css-selector-grouping": "<style>a, b { top: 0 }</style>",
    "css-selector-id": "<style>#a { top: 0 }</style>",
    "css-selector-type": "<style>a { top: 0 }</style>",
    "css-selector-universal": "<style>* { top: 0 }</style>",
    "css-sytem-ui": '<p style="font: 1px system-ui">',
    "css-unit-calc": '<p style="width: calc(1px + 1px)">',
    "css-unit-initial": '<p style="width: initial">',
    "css-unit-percent": '<p style="width: 1%">',
    "css-variables": '<p style="width: var(--a)">',
    "html-anchor-links": '<a href="#a">A</a>',
    "html-base": '<head><base href="https://www.example.org/"></head>',
    "html-body": "<body>A</body>",
    "html-comments": "<!-- A -->",
    "html-doctype": "<!DOCTYPE html>",
    "html-h1-h6": "<h4>A</h4>",
    "html-image-maps": '<map name="a"></map>',
    "html-link": '<head><link rel="stylesheet" href="a.css"></head>',
    "html-lists": "<ul></ul>",
    "html-loading-attribute": '<img loading="lazy">',
    "html-mailto-links": '<a href="mailto:a@example.org">A</a>',
    "html-meta-color-scheme": '<head><meta name="color-scheme" content="light dark"></head>',
    "html-semantics": "<main>A</main>",
    "html-srcset": '<img srcset="a.png 2x">',
    "html-style": "<style></style>",
    "image-base64": '<img src="data:image/png;base64,AA">',
    "image-heif": '<img src="a.heic">',
}


def probe(slug: str) -> str:
    if slug in SPECIAL:
        return SPECIAL[slug]
    for form, html in PROBES.items():
        before = form.partition("{}")[0]
        if slug.startswith(before):
            return html.format(slug.removeprefix(before))
    raise AssertionError(slug)


@pytest.mark.parametrize("slug", [slug for slug in support.features() if slug not in NOT_LOOKED_FOR])
def test_every_feature_that_bytes_can_tell_is_found_h23(slug: str) -> None:
    assert slug in slugs(probe(slug))


def test_what_is_not_looked_for_has_a_reason_and_is_not_found_by_chance() -> None:
    assert set(NOT_LOOKED_FOR) <= set(support.features())
    assert all(NOT_LOOKED_FOR.values())


@pytest.mark.parametrize(
    "html",
    [
        "<p style=\"font-family: '10rem 5vw calc('\">A</p>",
        '<p style="background: url(https://www.example.org/5vh/rgba(1)">A</p>',
        '<p style="color: #1e5c00; top-secret: 1; unit-px: 0; selector-child: 0">A</p>',
        "<x-video></x-video><lists></lists><doctype></doctype>",
        '<a name="a">A</a><a href="#">B</a><img src="https://www.example.org/webp">',
        '<!--[if mso]><div style="display: flex"></div><![endif]-->',
    ],
)
def test_nothing_is_found_that_is_not_there(html: str) -> None:
    usual = {"html-body", "css-background", "html-comments", "html-img", "html-p"}
    assert slugs(html) <= usual | {"css-background-image"}, slugs(html)


def test_what_is_only_for_some_programs_is_told_apart() -> None:
    assert "css-display-flex" not in unconditional("<style>@media print { a { display: flex } }</style>")
    assert "css-display-flex" not in unconditional("<style>[data-ogsc] a { display: flex }</style>")
    assert "css-display-flex" in unconditional("<style>a { display: flex }</style>")
    assert "css-rgba" not in unconditional('<p style="color: red; color: rgba(0,0,0,1)">')
    assert "css-rgba" in unconditional('<p style="color: rgba(0,0,0,1)">')
    assert "css-display-flex" not in unconditional('<p style="display: block; display: flex">')
    assert "html-srcset" not in unconditional('<img src="a.png" srcset="b.png 2x">')


def test_a_use_says_where_it_is_and_how_it_is_written() -> None:
    html = '<style>.a { border-radius: 3px }</style><p style="display: flex">A</p>'
    rounded = next(use for use in uses(html) if use.slug == "css-border-radius")
    assert (rounded.what, rounded.node, rounded.rule and rounded.rule.selector) == ("border-radius: 3px", None, ".a")
    flex = next(use for use in uses(html) if use.slug == "css-display-flex")
    assert flex.node is not None
    assert (flex.what, flex.node.tag, flex.rule) == ("display: flex", "p", None)


PIECES = st.sampled_from(
    [
        *SPECIAL.values(),
        "<style>",
        "</style>",
        "{",
        "}",
        "@media",
        "!important",
        "url(",
        "--",
        "rgb(",
        '"',
        "<table>",
        "\0",
    ]
)
PAGES = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=12).map("".join)


@given(html=PAGES)
@example(html="")
@example(html="<style>a{b{c{d:e}}}</style><p style='padding:{}' href style>")
@example(html='<img src="http://[" style="background:url(http://[)">')
@settings(deadline=None, max_examples=150)
def test_no_markup_stops_the_look_at_features(html: str) -> None:
    read = page.read(html)
    for use in features.used(read):
        assert support.of(use.slug, "outlook.windows") is not None
        for client in DEFAULT:
            grace.needed(use, client)
            for note in getattr(support.of(use.slug, client), "notes", ()):
                grace.concerns(note, use, client, read)
    for one in score.score(read, DEFAULT):
        assert one.used == len({use.slug for use in features.used(read)})


@given(name=st.text(max_size=20), value=st.text(max_size=40))
@settings(deadline=None, max_examples=100)
def test_no_name_and_no_value_stops_the_names_of_features(name: str, value: str) -> None:
    known = {*support.features(), None}
    assert features.slug_of_property(name, value) in known
    assert features.slug_of_element(name) in known
    assert features.slug_of_attribute(name) in known
    assert features.slug_of_image(value) in known
    assert {*features.slugs_of_value(name, value), *features.slugs_of_selector(value)} <= known


# ---------------------------------------------------------------- what readers can do without


def test_what_is_called_harmless_is_a_feature_and_has_a_reason() -> None:
    assert set(grace.HARMLESS) <= set(support.features())
    assert all(len(reason) > 20 for reason in grace.HARMLESS.values())


def test_what_shows_or_arranges_something_is_never_called_harmless() -> None:
    shown = [
        slug for slug in support.features() if slug.startswith(("image-", "css-display", "html-input", "css-unit"))
    ]
    assert not {*shown, "css-float", "css-position", "html-video", "html-form", "css-rgba"} & set(grace.HARMLESS)


def test_every_line_on_a_note_is_about_a_note_that_was_written() -> None:
    notes = {
        note
        for slug in support.features()
        for client in support.clients()
        for note in getattr(support.of(slug, client), "notes", ())
    }
    assert [pattern.pattern for pattern, _ in grace.NOTES if not any(map(pattern.search, notes))] == []


# ---------------------------------------------------------------- the real issue


def test_the_real_issue_serves_all_programs_of_the_settings_h01_h23() -> None:
    home = open_publication(Path(__file__).parent.parent, {})
    file = home.read_issue("2024-05")
    rendered = tuple(flow.render(home, "2024-05"))
    material = Material(file=file, config=home.config, today=file.issue.date, rendered=rendered)
    found = [
        str(finding) for check in all_checks() if check.code.startswith("CLI") for finding in check.findings(material)
    ]
    assert rendered
    assert found == []


def test_every_program_gets_its_score_with_the_days_of_the_tests() -> None:
    html = '<p style="display: flex; color: rgb(0, 0, 0)">A</p>'
    outlook, apple = score.score(page.read(html), ["outlook.windows", "pigeon.post", "apple-mail.ios"])
    assert (outlook.name, apple.client) == ("classic Outlook for Windows", "apple-mail.ios")
    assert outlook.lacking == ("css-display-flex",)
    assert outlook.partly == ("css-rgb",)
    assert apple.lacking == ()
    assert outlook.used == apple.used == 4
    assert json.loads(json.dumps(outlook.as_data()))["newest"] == "2021-11-30"


def test_the_same_mail_gives_the_same_uses() -> None:
    pieces = list(SPECIAL.values())
    random.Random(1).shuffle(pieces)  # noqa: S311 - an order, no secret
    html = "".join(pieces)
    first = [(use.slug, use.what, use.conditional) for use in uses(html)]
    assert [(use.slug, use.what, use.conditional) for use in uses(html)] == first
