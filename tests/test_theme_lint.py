"""Templates are looked at too: words that do nothing are named with their place, and made-up issues try them out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config import GOOD
from test_markings import issue_text

from bulletin import flow
from bulletin.errors import Problem
from bulletin.publication import Publication, open_publication, starter_templates
from bulletin.render import worst
from bulletin.render._words import ATTRIBUTES, NEEDED, PASSED_OVER
from bulletin.render.lint import lint

PUBLICATION = open_publication(Path(__file__).resolve().parent.parent, {})


def linted(folder: Path, text: str, name: str = "own.mjml") -> tuple[Problem, ...]:
    path = folder / "templates" / "mail" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return lint((folder / "templates", starter_templates()))


def test_the_starters_templates_have_no_fault_and_bear_everything() -> None:
    assert lint((starter_templates(),)) == ()
    assert worst.try_out((starter_templates(),), PUBLICATION.config) == ()


def test_what_the_tables_say_fits_together() -> None:
    for tag, attributes in PASSED_OVER.items():
        assert attributes <= ATTRIBUTES[tag]
    for tag, needed in NEEDED.items():
        assert set(needed) <= ATTRIBUTES[tag]


FAULTS = {
    "unknown attribute": (
        '<mj-text colour="#1d3557">a</mj-text>',
        10,
        '<mj-text> has no attribute "colour"',
        '"color"',
    ),
    "unknown tag": ("<mj-texx>a</mj-texx>", 1, "there is no MJML tag <mj-texx>.", 'Did you mean "mj-text"?'),
    "attribute of another tag": ('<mj-text width="9px">a</mj-text>', 10, 'has no attribute "width"', ""),
    "no colour": ('<mj-text color="reddish">a</mj-text>', 17, '"reddish" is not a colour.', 'Did you mean "red"?'),
    "half a colour": ('<mj-text color="#12345">a</mj-text>', 17, '"#12345" is not a colour.', "six digits"),
    "no unit": ('<mj-text padding="0 12">a</mj-text>', 21, "padding 12 has no unit.", "Write 12px."),
    "no alternative text": ('<mj-image src="a" />', 1, "this <mj-image> has no alt.", "in one sentence"),
    "a button to nowhere": ("<mj-button>a</mj-button>", 1, "this <mj-button> has no href.", "nowhere"),
    "passed over": (
        '<mj-button href="a" title="b">c</mj-button>',
        21,
        "title of <mj-button> is passed over",
        "Take it",
    ),
    "twice": ('<mj-text color="red" color="blue">a</mj-text>', 22, "has color twice", "only the last"),
    "unknown class": ('<mj-text mj-class="quiett">a</mj-text>', 20, 'no template defines the mj-class "quiett".', ""),
    "unknown style": ('<mj-text><p style="colr: red">a</p></mj-text>', 20, 'there is no style "colr"', '"color"'),
    "style sheet": ("<mj-style>.a { margn: 0 }</mj-style>", 16, 'there is no style "margn"', '"margin"'),
    "no colon": ("<mj-style>.a { margin 0; color: red }</mj-style>", 16, '"margin 0" is no style', "Mend"),
    "no colour in a style": ("<mj-style>.a { color: gren }</mj-style>", 23, '"gren" is not a colour.', '"green"'),
    "no unit in a style": ("<mj-style>.a { margin: 0 12 }</mj-style>", 26, "margin 12 has no unit.", "12px"),
    "a font from the web": ('<mj-font name="A" href="b" />', 1, "tells its server who opens the mail", "bulletin.toml"),
    "after an expression": ('<mj-text color="{{ a > "b" }}" colour="c">d</mj-text>', 32, '"colour"', '"color"'),
    "in a branch": ("<mj-text {% if a %}colour{% endif %}='c'>d</mj-text>", 0, "", ""),
}


@pytest.mark.parametrize(("text", "column", "says", "hint"), FAULTS.values(), ids=FAULTS)
def test_a_word_that_does_nothing_is_named_with_its_place(
    tmp_path: Path, text: str, column: int, says: str, hint: str
) -> None:
    found = linted(tmp_path, f"{{# A comment. #}}\n<!-- {text} -->\n{text}\n")
    if not column:
        assert found == ()
        return
    (problem,) = found
    assert str(problem.place) == f"templates/mail/own.mjml:3:{column}"
    assert says in problem.message
    assert hint in problem.hint


GOOD_TEMPLATES = {
    "expressions": '<mj-text color="{{ light.ink }}" padding="{{ 1 if a else \'2\' }}px 12px">a</mj-text>',
    "branches": '<mj-image src="a" {% if a %}alt="b"{% else %}alt-text{% endif %} />',
    "attributes made elsewhere": "<mj-image {{ attributes }} />",
    "made by a class": '<mj-attributes><mj-class name="q" color="red" /></mj-attributes><mj-text mj-class="q" />',
    "given to all of a kind": '<mj-attributes><mj-image alt="" src="b" /></mj-attributes><mj-image />',
    "makers' own styles": '<p style="mso-line-height-rule: exactly; -webkit-text-size-adjust: 100%; --own: 3">a</p>',
    "a zero": '<mj-text padding="0">a</mj-text><p style="margin:0;line-height:1.5;z-index:3;">b</p>',
    "colours": '<mj-text color="rgb(1, 2, 3)">a</mj-text><p style="color: RebeccaPurple !important">b</p>',
    "media queries": "<mj-style>@media (max-width: 9px) { .a:hover, td > a { color: #fff !important } }</mj-style>",
    "made-up properties": "<mj-style>.a { margin-{{ start }}: 2px; {% if a %}color: red;{% endif %} }</mj-style>",
    "strings with signs": "<mj-style>.a::before { content: \"; }\"; background: url(data:a;b:c) }</mj-style>",
    "text": "<mj-text>colour: red; a &lt; b</mj-text>",
}  # fmt: skip


@pytest.mark.parametrize("text", GOOD_TEMPLATES.values(), ids=GOOD_TEMPLATES)
def test_what_is_right_or_not_known_is_left_alone(tmp_path: Path, text: str) -> None:
    assert linted(tmp_path, text) == ()


def test_style_sheets_are_read_too(tmp_path: Path) -> None:
    (problem,) = linted(tmp_path, "{# A note. #}\n/* colr: x */\n.a {\n  colr: red;\n}\n", "own.css")
    assert str(problem) == (
        'templates/mail/own.css:4:3: there is no style "colr", so this does nothing. Did you mean "color"?'
    )


@given(
    st.lists(
        st.sampled_from(["<mj-text ", 'color="', "{{", "}}", "{%", "%}", "{", "}", ":", ";", '"', "<", ">", "\n", "é"])
    )
)
def test_no_text_stops_the_reading_of_templates(pieces: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("own.mjml", "own.css"):
            for problem in linted(Path(folder), "".join(pieces), name):
                assert problem.place.line > 0


# ---------------------------------------------------------------- trying out


def own(folder: Path, name: str, old: str, new: str) -> Publication:
    """A publication that has changed one template of the starter's."""
    (folder / "bulletin.toml").write_text(GOOD, "utf-8")
    text = (starter_templates() / "mail" / name).read_text("utf-8")
    assert old in text
    path = folder / "templates" / "mail" / name
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(old, new), "utf-8")
    return open_publication(folder, {})


def test_a_field_that_may_be_missing_is_found_with_the_line(tmp_path: Path) -> None:
    home = own(tmp_path, "item.txt", "{{ item.title|wrapped(width) }}", "{{ item.title }}\n{{ item.event.place }}")
    (problem, *_) = worst.try_out(home.template_dirs, home.config)
    assert problem.place.path == "templates/mail/item.txt"
    assert problem.place.line > 1
    assert problem.message.startswith("with no optional field filled: ")


def test_a_headline_left_out_of_the_text_is_found(tmp_path: Path) -> None:
    (tmp_path / "bulletin.toml").write_text(GOOD, "utf-8")
    (tmp_path / "templates/mail").mkdir(parents=True)
    (tmp_path / "templates/mail/issue.txt").write_text("Leave: {{ personal.unsubscribe_url }}\n", "utf-8")
    home = open_publication(tmp_path, {})
    (problem, *_) = worst.try_out(home.template_dirs, home.config)
    assert str(problem.place) == "templates/mail/issue.txt:1:1"
    assert "headlines of the cards and compact and events and lead and list sections cannot be read" in problem.message


def test_markup_that_comes_through_is_found(tmp_path: Path) -> None:
    (tmp_path / "bulletin.toml").write_text(GOOD, "utf-8")
    mail = tmp_path / "templates" / "mail"
    mail.mkdir(parents=True)
    (mail / "issue.mjml").write_text(
        "<mjml><mj-body><mj-section><mj-column><mj-text>{% for section in edition.sections %}"
        "{% for item in section.items %}<h2>{{ item.title|safe }}</h2>{% endfor %}{% endfor %}"
        '<a href="{{ personal.unsubscribe_url }}">Leave</a></mj-text></mj-column></mj-section></mj-body></mjml>',
        "utf-8",
    )
    home = open_publication(tmp_path, {})
    found = [str(problem) for problem in worst.try_out(home.template_dirs, home.config)]
    assert found
    assert all("templates/mail/issue.mjml:1" in text for text in found)


def test_checking_an_issue_names_the_faults_of_its_templates(tmp_path: Path) -> None:
    title = "{{ edition.title|wrapped(width) }}"
    home = own(tmp_path, "issue.txt", title, title + "\n{{ edition.sections[0].id }}")
    (tmp_path / "templates/mail/own.mjml").write_text('<mj-text\n  colour="red">a</mj-text>', "utf-8")
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    home.issue_path("2024-05").write_text(issue_text(), "utf-8")
    found = {finding.code: finding for finding in flow.check(home, "2024-05").findings}
    assert str(found["THM01"].place) == "templates/mail/own.mjml:2:3"
    assert found["THM02"].place.path == "templates/mail/issue.txt"
    assert found["THM02"].message.startswith("with no item at all: ")


def test_the_starters_own_templates_cost_a_check_nothing(tmp_path: Path) -> None:
    (tmp_path / "bulletin.toml").write_text(GOOD, "utf-8")
    (tmp_path / "issues/2024-05").mkdir(parents=True)
    home = open_publication(tmp_path, {})
    home.issue_path("2024-05").write_text(issue_text(), "utf-8")
    assert [finding for finding in flow.check(home, "2024-05").findings if finding.code.startswith("THM")] == []
