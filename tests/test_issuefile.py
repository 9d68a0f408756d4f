"""The issue file: bad input is told in one line with place and remedy, and edits keep what they need not touch."""

from __future__ import annotations

import datetime as dt
import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from bulletin import issuefile
from bulletin.errors import BulletinError, FileProblems, Problem
from bulletin.issuefile import Vocabulary, _write, edit
from bulletin.issuefile._yaml import parse
from bulletin.model import Candidate, Event, Image, Issue, Item

PATH = "issues/2024-05/issue.yaml"
KNOWN = Vocabulary(sections=("news", "events"), topics=("online-csa", "stalking"), audiences=("forces", "partners"))

HEAD = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
"""
WHOLE = (
    HEAD
    + """\
sections:
  - id: news
    items:
      - id: first
        title: First story
"""
)


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(FileProblems) as caught:
        issuefile.read(text, PATH, KNOWN)
    return caught.value.problems


def problems_or_none(text: str) -> tuple[Problem, ...]:
    try:
        issuefile.read(text, PATH, KNOWN)
    except FileProblems as error:
        return error.problems
    return ()


# ---------------------------------------------------------------- bad input

BAD = [
    ("a misspelt key", HEAD + "subjct: News\n", 5, 'there is no key "subjct" here.', 'Did you mean "subject"?'),
    (
        "a misspelt key of an item",
        WHOLE + "        sumary: Words\n",
        10,
        'there is no key "sumary" here.',
        'Did you mean "summary"?',
    ),
    (
        "a quotation mark that the next quotation closes",
        WHOLE.replace("First story", '"First story') + '      - id: second\n        title: "Second story"\n',
        9,
        "a quotation mark is opened here and never closed.",
        "Add the closing one, or remove the opening one.",
    ),
    (
        "31 November",
        HEAD.replace("2024-05-30", "2024-11-31"),
        4,
        '"date" "2024-11-31" is not a date (day is out of range).',
        "Write year-month-day, such as 2024-05-30.",
    ),
    (
        "a date in words",
        HEAD.replace("2024-05-30", "30 May 2024"),
        4,
        '"date" "30 May 2024" is not a date',
        "Write year-month-day, such as 2024-05-30.",
    ),
    (
        "a date the other way round",
        WHOLE + "        published: 08-05-2024\n",
        10,
        '"published" "08-05-2024" is not a date',
        "Write year-month-day",
    ),
    (
        "a time without a day",
        WHOLE + "        event: {starts: 11:00}\n",
        10,
        '"starts" "11:00" is not a date and time',
        "Write it as 2024-05-30T11:00.",
    ),
    (
        "two items with one id",
        WHOLE + "      - id: first\n        title: Second story\n",
        10,
        'two items have the id "first".',
        'Change one; the other is "First story".',
    ),
    (
        "a section that the settings do not know",
        WHOLE.replace("id: news", "id: newz"),
        6,
        'there is no section "newz" in bulletin.toml.',
        'Did you mean "news"?',
    ),
    (
        "one section twice",
        WHOLE + "  - id: news\n",
        10,
        'the section "news" stands here twice.',
        "Move its items into the first one.",
    ),
    (
        "a topic that the settings do not know",
        WHOLE + "        topics: [stalkng]\n",
        10,
        'there is no topic "stalkng" in bulletin.toml.',
        'Did you mean "stalking"?',
    ),
    (
        "an audience that the settings do not know",
        WHOLE + "        audience: [police]\n",
        10,
        'there is no audience "police" in bulletin.toml.',
        "Known here: everyone, forces, partners.",
    ),
    (
        "one topic without brackets",
        WHOLE + "        topics: stalking\n",
        10,
        '"topics" "stalking" should be a list.',
        'Write each entry on its own line after "- ", or [one, two].',
    ),
    (
        "a tab",
        HEAD + "sections:\n\t- id: news\n",
        6,
        "this line starts with a tab.",
        "Use spaces to move a line in; two for each step.",
    ),
    (
        "a tab behind spaces",
        WHOLE + "      \t  summary: Words\n",
        10,
        "this line starts with a tab.",
        "Use spaces",
    ),
    (
        "the country code of Norway",
        WHOLE.replace("First story", "No"),
        9,
        "YAML programs disagree about what No without quotes means.",
        'For the word, write "No" in quotes',
    ),
    (
        "yes for true",
        HEAD + "public: yes\n",
        5,
        "YAML programs disagree about what yes without quotes means.",
        "for a switch, write true or false",
    ),
    (
        "True with a capital",
        HEAD + "public: True\n",
        5,
        '"public" "True" is neither true nor false.',
        "Write true or false.",
    ),
    (
        "a switch in quotes",
        HEAD + 'public: "true"\n',
        5,
        '"public" "true" is neither true nor false.',
        "Write true or false.",
    ),
    (
        "a key twice",
        HEAD + "title: Another\n",
        5,
        '"title" stands here twice.',
        "Keep one of the two.",
    ),
    (
        "keys under a value",
        HEAD.replace("id: 2024-05\n", "id: 2024-05\n  name: images/lines.png\n"),
        3,
        "this line stands further in than the one above, which has a value already.",
        "Line it up with its neighbours, or delete the value above it.",
    ),
    (
        "a colon in a title",
        HEAD.replace("Sample Bulletin,", "Sample Bulletin:"),
        3,
        "there is a colon in the middle of this text.",
        'Put the text in quotes: title: "One: two".',
    ),
    (
        "a quotation mark that is never closed",
        HEAD.replace("title: Sample", 'title: "Sample'),
        3,
        "a quotation mark is opened here and never closed.",
        "Add the closing one",
    ),
    (
        "a bracket that is never closed",
        HEAD + "sections: [\n",
        5,
        "a bracket is opened here and never closed.",
        "Add the closing ] or }.",
    ),
    (
        "a sign that YAML keeps for itself",
        HEAD.replace("Sample Bulletin", "@Sample Bulletin"),
        3,
        "text cannot start with this sign.",
        "Put the text in quotes.",
    ),
    (
        "a text that starts with a star",
        HEAD.replace("Sample Bulletin", "*Sample"),
        3,
        "text cannot start with *.",
        "Put the text in quotes.",
    ),
    (
        "a backslash in double quotes",
        HEAD + 'signed: "C:\\Users"\n',
        5,
        "a backslash stands inside double quotes.",
        "Use single quotes around this text.",
    ),
    (
        "a line that does not line up",
        WHOLE + "       summary: Words\n",
        10,
        "this line does not line up with the ones around it.",
        "Give it the same number of spaces as its neighbours.",
    ),
    (
        "text without a key",
        HEAD + "Welcome to the bulletin.\n",
        5,
        "this line has no key.",
        'Write "key: value"',
    ),
    (
        "CR and LF in the subject (M-10)",
        HEAD + 'subject: "News\\r\\nBcc: everyone@example.org"\n',
        5,
        '"subject" must be a single line.',
        "Write it on one line",
    ),
    (
        "a subject over two lines (M-10)",
        HEAD + "subject: |\n  News\n  and more\n",
        5,
        '"subject" must be a single line.',
        'without "|" or ">" before it',
    ),
    (
        "a headline over two lines (M-10)",
        WHOLE.replace("title: First story", 'title: "First\\nstory"'),
        9,
        '"title" must be a single line.',
        "Write it on one line",
    ),
    (
        "a control character",
        HEAD + "signed: The\x00editors\n",
        5,
        "this character (U+0000) cannot stand in a text file.",
        "Delete it; it is invisible, so retype the word it is in.",
    ),
    ("an empty file", "", 1, "this is not an issue file.", 'It should start with "schema: 1".'),
    ("only a comment", "# nothing yet\n", 1, "this is not an issue file.", 'It should start with "schema: 1".'),
    ("a list at the top", "- id: news\n", 1, "this is not an issue file.", 'It should start with "schema: 1".'),
    ("two documents", HEAD + "---\nschema: 1\n", 5, "a second document starts here.", "Delete the line with ---"),
    (
        "a format of the future",
        HEAD.replace("schema: 1", "schema: 9"),
        1,
        "this file is of format 9.",
        "This version of bulletin reads format 1.",
    ),
    (
        "an id with a path in it",
        HEAD.replace("id: 2024-05", "id: ../2024-05"),
        2,
        '"../2024-05" cannot be the name of an issue.',
        "Use letters, digits and hyphens, such as 2024-05.",
    ),
    (
        "an id with capitals",
        WHOLE.replace("id: first", "id: First"),
        8,
        '"First" cannot be the id of an item.',
        "Use small letters, digits and hyphens.",
    ),
    (
        "an address without https",
        WHOLE + "        url: www.example.org/a\n",
        10,
        '"www.example.org/a" is not a web address.',
        "It should start with https://.",
    ),
    (
        "an address that is a program",
        WHOLE + "        url: javascript:alert(1)\n",
        10,
        '"javascript:alert(1)" is not a web address.',
        "It should start with https://.",
    ),
    (
        "an address with a space",
        WHOLE + "        url: https://www.example.org/a b\n",
        10,
        "there is a space inside this web address.",
        "Remove it, or write %20.",
    ),
    (
        "an address with half a bracket",
        WHOLE + '        url: "https://[2001:db8::1/a"\n',
        10,
        '"https://[2001:db8::1/a" is not a whole web address.',
        "Open the page and copy its address again.",
    ),
    (
        "an address with a port that cannot be",
        WHOLE + "        url: https://www.example.org:99999/a\n",
        10,
        "is not a whole web address.",
        "copy its address again",
    ),
    (
        "a picture outside the folder",
        WHOLE + "        image: {file: ../../secret.png, alt: A key}\n",
        10,
        "a picture must lie in the issue's own folder.",
        "Copy it to images/.",
    ),
    (
        "an event that ends before it starts",
        WHOLE + "        event: {starts: 2024-06-12T11:00, ends: 2024-06-12T10:00}\n",
        10,
        "the event ends before it starts.",
        "Check both times.",
    ),
    (
        "a missing key",
        WHOLE.replace("        title: First story\n", ""),
        8,
        '"title" is missing.',
        "The headline, in sentence case, the main words first.",
    ),
    (
        "a quotation mark inside a web address",
        WHOLE + "        url: https://www.example.org/a<b\n",
        10,
        "a web address cannot hold <.",
        "Open the page and copy its address again, or write %3C.",
    ),
    (
        "a headline without words",
        WHOLE.replace("First story", '" "'),
        9,
        "the headline is empty.",
        "Write one.",
    ),
    (
        "text where a section should be",
        HEAD + "sections:\n  - news\n",
        6,
        '"sections 1" "news" should hold keys with values.',
        "Write each key on its own line, further in than this one.",
    ),
]


@pytest.mark.parametrize(("text", "line", "message", "remedy"), [pytest.param(*rest, id=name) for name, *rest in BAD])
def test_bad_input_gets_one_line_with_place_and_remedy(text: str, line: int, message: str, remedy: str) -> None:
    (problem,) = problems(text)
    assert message in problem.message
    assert remedy in problem.hint
    assert (problem.place.path, problem.place.line) == (PATH, line)
    assert problem.place.column > 0
    assert "\n" not in str(problem)


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = WHOLE.replace("date: 2024-05-30", "date: tomorrow") + "        sumary: Words\n        expires: soon\n"
    assert [problem.place.line for problem in problems(text)] == [4, 10, 11]


def test_the_error_of_a_file_lists_its_problems_for_people() -> None:
    with pytest.raises(FileProblems) as caught:
        issuefile.read(HEAD + "subjct: News\npublic: maybe\n", PATH, KNOWN)
    first, second = str(caught.value).split(": ", 1)[1].split("\n")[-2:]
    assert str(caught.value).startswith(f"{PATH} has 2 problems:")
    assert first.endswith(f'{PATH}:5:1: there is no key "subjct" here. Did you mean "subject"?')
    assert second.startswith(f"{PATH}:6:9: ")


def test_aliases_that_would_grow_without_bound_are_refused() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = "\n".join(["a0: &a0 [x]", *levels]) + "\n"
    found = problems(HEAD + bomb)
    assert len(found) < 100
    assert found[0].message == "anchors and aliases (& and *) are not used here."
    assert found[0].place.line == 5


@pytest.mark.parametrize("depth", [50, 500, 5000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_deep_nesting_ends_in_a_message(depth: int, opening: str, closing: str) -> None:
    text = HEAD + "signed:\n  " + opening * depth + "x" + closing * depth + "\n"
    (problem,) = problems(text)
    assert problem.message.endswith(".")
    assert "\n" not in problem.message
    assert len(problem.message) < 200


@given(st.text(max_size=300))
@example("{")
@example("%YAML 9.9\n---\n")
@example("!!python/object/apply:os.system ['true']")
@example("? [a, b]\n: c\n")
@example("<<: {a: b}\n")
@example("a: !!binary x\n")
@example("\ud800")
@example("\x850")
@example('signed: "\\e[31m"\nurl: "a\\nb"')
@settings(deadline=None)
def test_no_text_whatever_ends_in_anything_but_problems_or_an_issue(text: str) -> None:
    for candidate in (text, HEAD + text, WHOLE + textwrap.indent(text, "        ")):
        told = problems_or_none(candidate)
        assert all(problem.place.line >= 1 and "\n" not in str(problem) for problem in told)


# ---------------------------------------------------------------- what is read


SNIPPETS = st.sampled_from(
    [
        *("title: One\n", "date: 2024-05-30\n", "summary: |\n  Two\n  lines.\n", "welcome: >-\n  Folded\n  words.\n"),
        *("sections:\n  - id: news\n    items:\n      - id: a\n        topics: [x, 'y']\n", "# a note\n", "\n", "  "),
        *('"', "'", ":", ": ", "- ", "#", " #", "[", "]", "{", "}", ",", "\n", "|", ">", "@", "`", "=", "<<: ", "~"),
        *("true", "no", "é", "😀", "\\", "\u00a0", "a:b", "{a: 1, b: c}", "[a:b, c]", "|-\n", ">+\n", "0x1f", "1:20"),
    ]
)


@given(st.lists(SNIPPETS, max_size=14).map("".join))
@settings(deadline=None, max_examples=300)
def test_the_quick_reader_of_yaml_reads_what_the_exact_one_reads(text: str) -> None:
    assert read_or_refused(text, exact=False) == read_or_refused(text, exact=True)


def read_or_refused(text: str, *, exact: bool) -> tuple[Any, ...]:
    try:
        document = parse(text, "issue.yaml", exact=exact)
    except FileProblems as error:
        return error.problems
    return document.data, document.places, document.keys


def test_values_stay_as_they_were_typed() -> None:
    text = (
        WHOLE.replace("First story", "01633").replace("Sample Bulletin, May 2024", "1.10") + "        source: 12:30\n"
    )
    issue = issuefile.read(text, PATH).issue
    (item,) = issue.items
    assert (issue.title, item.title, item.source) == ("1.10", "01633", "12:30")


def test_a_key_with_nothing_behind_it_counts_as_not_given() -> None:
    issue = issuefile.read(HEAD + "subject:\ninbox:\nsections:\n", PATH).issue
    assert (issue.subject, issue.inbox, issue.sections) == ("", (), ())


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_places_count_lines_and_columns_as_an_editor_shows_them(mark: str, end: str) -> None:
    file = issuefile.read(mark + WHOLE.replace("\n", end), PATH, KNOWN)
    place = file.place_of("sections", 0, "items", 0, "title")
    assert (place.line, place.column) == (9, 16)
    assert file.place_of("sections", 0, "items", 0, "image", "alt") == file.place_of("sections", 0, "items", 0)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("|\n  One\n  two\n", "One\ntwo\n"),
        (">\n  One\n  two\n\n  three\n", "One two\nthree\n"),
        (">-\n  One ŵ\n  two 🎉", "One ŵ two 🎉"),
        ("One\n  two", "One two"),
        ('"One\n  two"', "One two"),
    ],
)
def test_text_over_several_lines_is_the_words_alone(written: str, means: str) -> None:
    """The YAML reader marks each fold of a folded text with a bell, which no page can show."""
    for text in (written, written.replace("\n", "\r\n")):
        assert issuefile.read(HEAD + f"welcome: {text}\n", PATH, KNOWN).issue.welcome == means


# ---------------------------------------------------------------- edits: awkward files, written by hand

CANDIDATE = Candidate(
    title="A report: what's new? #1",
    url="https://www.example.org/report?a=1&b=2",
    source="Home Office",
    published=dt.date(2024, 5, 8),
    summary="Two paragraphs.\n\n- and a list: of two\n- points",
    topics=("stalking", "online-csa"),
    section="news",
    why="New in the feed of the Home Office.",
)
ITEM = Item(
    id="new-item",
    title='"Quoted" & starred: *yes*',
    url="https://www.example.org/item",
    summary="No",
    image=Image(file="images/a.png", alt=""),
    event=Event(starts=dt.datetime(2024, 6, 12, 11, 0), place="Online"),  # noqa: DTZ001 - in the publication's zone
    audience=("forces",),
)

INBOX = """\
inbox:
  # Newest first.

  # Perhaps for the front page.
  - title: "Offered: one"   # good
    url: https://www.example.org/one
    # the source's own words
    summary: |
      First line.

        Indented line.
    why: New in a feed.

  - url: https://www.example.org/two
    title: Offered two
    published: 2024-05-09
skipped:
  - url: https://www.example.org/old
# The end.
"""
TIGHT = """\
schema: 1
id: 2024-05
title: Sample Bulletin, May 2024
date: 2024-05-30
sections:
- id: news
  items:
  - id: first
    title: First story
    summary: >-
      Folded
      words
- id: events
inbox:
- title: Offered one
  url: https://www.example.org/one
- title: Offered two
  url: https://www.example.org/two
"""
WIDE = """\
# yaml-language-server: $schema=../issue.schema.json
---
schema: 1
id: 2024-05
title:   'Sample Bulletin, May 2024'   # the title
date: 2024-05-30


inbox:
    -   title: Offered one
        url: https://www.example.org/one
        summary: plain words
            over two lines

    -
        title: Offered two
        url: https://www.example.org/two


sections:
    -   id: news
        intro: |+
            Words with blank lines after them.


        items:
            -   id: first
                title: First story
                summary: |
                    Words.

                    # no comment, but a heading
            # A comment behind the last item.

    # A comment behind the last section.
"""
FLOW_ENTRIES = (
    WHOLE
    + """\
inbox:
  - {title: Offered one, url: "https://www.example.org/one", why: New}
  - {title: "Offered, two", url: https://www.example.org/two, topics: [stalking]}
allow: [{code: LNK02, why: It is old, by: J. Editor}]
"""
)
EMPTY_LISTS = WHOLE + "  - id: events\n    items:\ninbox: []   # nothing yet\nskipped:\nallow: []"
REAL = (Path(__file__).parent.parent / PATH).read_text("utf-8")
MISSING = HEAD + "welcome: |\n  Words.\n\n  More words."
AWKWARD = {
    "comments and blank lines": WHOLE + INBOX,
    "no indentation": TIGHT,
    "indentation of four, dashes on lines of their own": WIDE,
    "entries in braces": FLOW_ENTRIES,
    "empty lists, and no line break at the end": EMPTY_LISTS,
    "no lists at all, and no line break at the end": MISSING,
}
FORMS = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "byte order mark": lambda text: "\ufeff" + text,
    "line break at the end": lambda text: text.rstrip("\n") + "\n",
    "no line break at the end": lambda text: text.rstrip("\n"),
    "blank lines at the end": lambda text: text.rstrip("\n") + "\n\n\n",
}
FILES = [pytest.param(form(text), id=f"{name}: {how}") for name, text in AWKWARD.items() for how, form in FORMS.items()]
FILES.append(pytest.param(REAL, id="the first real issue"))
WITH_INBOX = [param for param in FILES if "Offered" in param.values[0]]


def words_of(text: str) -> list[str]:
    """The lines that hold something, without their line ends."""
    return [line for line in text.removeprefix("\ufeff").splitlines() if line.strip()]


def assert_kept(before: str, after: str, *, gone: tuple[str, ...] = ()) -> None:
    """Every line of `before` stands in `after`, unchanged and in order, but for those that hold one of `gone`."""
    rest = iter(words_of(after))
    for line in words_of(before):
        if line.strip() != "-" and not any(word in line for word in gone):
            assert line in rest, f"{line!r} was lost or moved"
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    ends = set(re.findall("\r\n|\n|\r", before))
    assert set(re.findall("\r\n|\n|\r", after)) <= (ends or {"\n"})


def ended(issue: Issue) -> Issue:
    """The issue, whether or not the file's last line had its line break."""
    return replace(issue, welcome=issue.welcome.rstrip("\n"))


EMPTIED = ("inbox: []", "skipped: []")


@pytest.mark.parametrize("text", FILES)
def test_candidates_go_to_the_top_of_the_inbox_and_nothing_else_changes(text: str) -> None:
    before = issuefile.read(text, PATH).issue
    after = edit.add_candidates(text, PATH, [CANDIDATE, replace(CANDIDATE, url="https://www.example.org/b")])
    issue = issuefile.read(after, PATH).issue
    assert [entry.url for entry in issue.inbox[:2]] == [CANDIDATE.url, "https://www.example.org/b"]
    assert replace(issue.inbox[0], summary="") == replace(CANDIDATE, summary="")
    assert issue.inbox[0].summary.strip() == CANDIDATE.summary
    assert ended(replace(issue, inbox=issue.inbox[2:])) == ended(before)
    assert_kept(text, after, gone=EMPTIED)


@pytest.mark.parametrize("section", ["news", "events"])
@pytest.mark.parametrize("text", FILES)
def test_an_item_goes_to_the_end_of_its_section_which_is_made_if_missing(text: str, section: str) -> None:
    before = issuefile.read(text, PATH).issue
    after = edit.add_item(text, PATH, section, ITEM)
    issue = issuefile.read(after, PATH).issue
    (found,) = [found for found in issue.sections if found.id == section]
    assert replace(found.items[-1], summary="") == replace(ITEM, summary="")
    assert found.items[-1].summary.strip() == "No"
    assert [item for item in issue.items if item.id != "new-item"] == list(before.items)
    assert ended(replace(issue, sections=())) == ended(replace(before, sections=()))
    assert_kept(text, after)


@pytest.mark.parametrize("url", ["https://www.example.org/one", "https://www.example.org/two"])
@pytest.mark.parametrize("section", ["news", "events"])
@pytest.mark.parametrize("text", WITH_INBOX)
def test_a_placed_candidate_takes_its_words_along(text: str, section: str, url: str) -> None:
    before = issuefile.read(text, PATH).issue
    (entry,) = [entry for entry in before.inbox if entry.url == url]
    after = edit.place_candidate(text, PATH, url, section, Item(id="placed", title=entry.title, link="Read it"))
    issue = issuefile.read(after, PATH).issue
    (found,) = [found for found in issue.sections if found.id == section]
    item = found.items[-1]
    assert (item.id, item.title, item.url, item.link) == ("placed", entry.title, url, "Read it")
    assert (item.summary, item.topics, item.published) == (entry.summary, entry.topics, entry.published)
    assert issue.inbox == tuple(other for other in before.inbox if other.url != url)
    assert [other for other in issue.items if other.id != "placed"] == list(before.items)
    assert_kept(text, after, gone=MOVED[url])
    for comment in re.findall(r"#.*", text):
        assert comment.strip() in after


MOVED = {
    "https://www.example.org/one": (
        *(
            "Offered one",
            "Offered: one",
            "/one",
            "First line",
            "Indented",
            "summary: |",
            "why: New in a feed",
            "plain words",
        ),
        *("over two", "the source's own words", "front page"),
    ),
    "https://www.example.org/two": ("Offered two", "Offered, two", "/two", "2024-05-09"),
}


@pytest.mark.parametrize("url", ["https://www.example.org/one", "https://www.example.org/two"])
@pytest.mark.parametrize("text", WITH_INBOX)
def test_a_skipped_candidate_is_remembered_with_its_reason(text: str, url: str) -> None:
    before = issuefile.read(text, PATH).issue
    after = edit.skip_candidate(text, PATH, url, "ran in March: see there")
    issue = issuefile.read(after, PATH).issue
    assert issue.inbox == tuple(other for other in before.inbox if other.url != url)
    assert issue.skipped[:-1] == before.skipped
    assert (issue.skipped[-1].url, issue.skipped[-1].why) == (url, "ran in March: see there")
    assert (issue.sections, issue.allow, issue.title) == (before.sections, before.allow, before.title)


@pytest.mark.parametrize("text", FILES)
def test_nothing_to_add_changes_no_byte(text: str) -> None:
    assert edit.add_candidates(text, PATH, []) == text


def test_a_list_that_cannot_be_changed_line_by_line_is_left_with_a_remedy() -> None:
    text = WHOLE + 'inbox: [{title: One, url: "https://www.example.org/one"}]\n'
    with pytest.raises(BulletinError) as caught:
        edit.add_candidates(text, PATH, [CANDIDATE])
    assert str(caught.value) == (
        f'{PATH}:10:8: "inbox" is written in a form that cannot be changed line by line. '
        'Write each entry on its own lines, starting with "- ".'
    )


def test_an_unknown_address_is_said_plainly() -> None:
    with pytest.raises(BulletinError, match=r"holds no entry with the address https://www\.example\.org/none"):
        edit.skip_candidate(WHOLE + INBOX, PATH, "https://www.example.org/none", "")


def test_an_edit_of_the_middle_of_a_file_reads_well() -> None:
    after = edit.place_candidate(
        WHOLE + INBOX, PATH, "https://www.example.org/one", "news", Item(id="one", title="Offered: one")
    )
    expected = """\
      - id: first
        title: First story

      - id: one
        # Perhaps for the front page.
        title: "Offered: one"   # good
        url: https://www.example.org/one
        # the source's own words
        summary: |
          First line.

            Indented line.
inbox:
  # Newest first.

  - url: https://www.example.org/two
"""
    assert expected in after


# ---------------------------------------------------------------- edits: any words, one after another

# What a feed may hold: all of Unicode, and the signs that YAML and Markdown keep for themselves more often than chance.
SPECIAL = "\n\r\t :#-'\"[]{}&*!|>%@`,?=~0123456789.\\/\x85\u2028\ufeff\x00"
ANY_TEXT = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters()), max_size=60)
TITLES = ANY_TEXT.filter(lambda text: bool(cleaned(text)))
OFFERED = st.builds(
    Candidate,
    title=TITLES,
    url=st.integers(0, 99).map("https://www.example.org/{}".format),
    source=st.none() | TITLES,
    published=st.none() | st.dates(dt.date(1990, 1, 1)),
    summary=ANY_TEXT,
    why=ANY_TEXT,
    topics=st.lists(st.sampled_from(["stalking", "online-csa", "no", "2024-05-30"]), max_size=2).map(tuple),
    section=st.none() | st.just("news"),
)
Step = tuple[str, Candidate, str]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "place", "skip", "item"]), OFFERED, st.sampled_from(["news", "events", "other"])),
    min_size=1,
    max_size=4,
)


def cleaned(text: str) -> str:
    """A text as the file keeps it on one line: signs nobody sees are spaces, and spaces are single."""
    seen = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]", " ", text)
    return " ".join(seen.split())


def kept(entry: Candidate) -> Candidate:
    """What of a candidate must be read back."""
    return replace(
        entry,
        title=cleaned(entry.title),
        source=cleaned(entry.source) if entry.source else entry.source,
        summary=cleaned(entry.summary),
        why=cleaned(entry.why),
    )


def kept_items(issue: Issue, but: str) -> list[Item]:
    return [replace(item, summary=cleaned(item.summary)) for item in issue.items if item.id != but]


@given(start=st.sampled_from([str(param.values[0]) for param in FILES if len(param.values[0]) < 2000]), steps=STEPS)
@settings(deadline=None, max_examples=50)
def test_any_words_survive_any_edits_and_nothing_else_moves(start: str, steps: list[Step]) -> None:
    text = start
    for number, (step, offered, section) in enumerate(steps):
        before = issuefile.read(text, PATH).issue
        name = f"step-{number}"
        item = Item(id=name, title=cleaned(offered.title), url=offered.url, summary=offered.summary)
        text = taken((step, offered, section), text, before, item)
        after = issuefile.read(text, PATH).issue
        same = ("title", "date", "subject", "preheader", "notice", "signed", "allow", "public")
        assert [getattr(after, key) for key in same] == [getattr(before, key) for key in same]
        assert after.welcome.rstrip("\n") == before.welcome.rstrip("\n")
        assert kept_items(after, name) == kept_items(before, name)
        if step == "add":
            assert kept(after.inbox[0]) == kept(offered)
            assert (after.inbox[1:], after.skipped) == (before.inbox, before.skipped)
        if step in {"place", "item"}:
            (found,) = [found for found in after.sections if found.id == section]
            assert found.items[-1].id == name


def taken(what: Step, text: str, before: Issue, item: Item) -> str:
    step, offered, section = what
    if step == "add":
        return edit.add_candidates(text, PATH, [offered])
    if step == "item" or (step == "place" and not before.inbox):
        return edit.add_item(text, PATH, section, item)
    if not before.inbox:
        return text
    if step == "skip":
        return edit.skip_candidate(text, PATH, before.inbox[-1].url, offered.why)
    return edit.place_candidate(text, PATH, before.inbox[0].url, section, item)


SIGNS = ["word", "-", "+", "*", ">", "#", "1.", "2)", "=", "---", "```", "and", "|", "longer_words_that_break_lines"]


@given(st.lists(st.sampled_from(SIGNS), max_size=60))
@settings(deadline=None, max_examples=50)
def test_breaking_long_lines_never_changes_what_the_words_mean(words: list[str]) -> None:
    summary = " ".join(words)
    after = edit.add_candidates(HEAD, PATH, [replace(CANDIDATE, summary=summary)])
    read_back = issuefile.read(after, PATH).issue.inbox[0].summary
    assert MarkdownIt().render(read_back).split() == MarkdownIt().render(summary).split()


@pytest.mark.parametrize("headline", ["Yes", "No", "Null", "On", "1984", "2024-05-01"])
def test_a_headline_of_one_odd_word_can_be_placed(headline: str) -> None:
    """Its id is that word too, and goes into quotes as the headline does."""
    url = "https://example.org/odd"
    text = edit.add_candidates(HEAD, PATH, [Candidate(title=headline, url=url)])
    for section in ("national", "on"):
        placed = edit.place_candidate(text, PATH, url, section, Item(id=headline.lower(), title=headline, url=url))
        (item,) = issuefile.read(placed, PATH).issue.items
        assert (item.id, item.title) == (headline.lower(), headline)


PLAINEST = st.text("aZ0 ,.()/?=_+'’–;:-#é&", max_size=20) | st.sampled_from(
    ["yes", "1e3", "2024-05-08", "a:b", "x\ny\n", "a\n"]
)


@given(st.dictionaries(st.sampled_from(["title", "url", "why"]), PLAINEST | st.lists(PLAINEST, max_size=3), min_size=1))
@settings(max_examples=500)
def test_entries_written_the_short_way_are_the_same_lines(entry: dict[str, Any]) -> None:
    quick = _write._quick_lines(entry)
    assert quick is None or quick == _write._exact_lines(entry)


def test_addresses_in_brackets_are_read_by_every_yaml_program() -> None:
    """Another YAML program takes a bare colon in brackets for the end of a key."""
    also = ("https://wire.example.com/x", "https://wire.example.com/y?a=1,2#z")
    text = edit.add_candidates(HEAD, PATH, [Candidate(title="One", url="https://example.org/1", also=also)])
    assert parse(text, PATH).data["inbox"][0]["also"] == list(also)
    assert YAML(typ="safe").load(text)["inbox"][0]["also"] == list(also)
