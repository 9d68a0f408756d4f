"""What `check --fix` does to a text: exactly the change wanted, in the way the value is written, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulletin.issuefile import edit
from bulletin.issuefile._yaml import parse
from bulletin.model import Mend

TEXT = """\
schema: 1
# it’s mine  https://www.example.org/a
title:   It’s  here  # kept  as  it  is
quoted: "He said ‘x’ \\u00e9 https://www.example.org/a https://www.example.org/a/b"
single: 'It’s  so'
welcome: |
  See [a](https://www.example.org/a) and <https://www.example.org/a?b>.
  Then  more\x20\x20\x20

# behind  it
folded: >-
  one  two
  three
sections:
  - id: news
    items:
      - id: story
        image: {file: a.png, alt: iStock}
"""


@pytest.mark.parametrize(
    ("key", "old", "new", "before", "after"),
    [
        ("title", "It’s  here", "It's here", "title:   It’s  here  #", "title:   It's here  #"),
        ("quoted", "‘x’", '"x"', "He said ‘x’", 'He said \\"x\\"'),
        (
            *("quoted", "https://www.example.org/a", "https://www.example.com/"),
            *("\\u00e9 https://www.example.org/a ", "\\u00e9 https://www.example.com/ "),
        ),
        ("single", "It’s  so", "It's so", "'It’s  so'", "'It''s so'"),
        (
            *("welcome", "https://www.example.org/a", "https://www.example.com/"),
            *("[a](https://www.example.org/a)", "[a](https://www.example.com/)"),
        ),
        ("welcome", "more   \n", "more\n", "more   \n", "more\n"),
        ("folded", "one  two", "one two", "  one  two\n", "  one two\n"),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_value_is_mended_where_it_stands_and_nothing_else_is_touched(
    *, key: str, old: str, new: str, before: str, after: str, line_break: str, mark: str
) -> None:
    text = mark + TEXT.replace("\n", line_break)
    before, after = before.replace("\n", line_break), after.replace("\n", line_break)
    assert text.count(before) == 1
    mended = edit.mend(text, "issue.yaml", [Mend(loc=(key,), old=old, new=new)])
    assert mended.text == text.replace(before, after)
    assert mended.left == ()
    ((line, _),) = mended.done
    found = before.splitlines()[0].strip()
    assert found in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    "wish",
    [
        Mend(loc=("folded",), old="two three", new="two or three"),
        Mend(loc=("quoted",), old="é", new="e"),
        Mend(loc=("title",), old="It’s  here", new="here: this"),
        Mend(loc=("title",), old="not there", new="b"),
        Mend(loc=("nothing",), old="a", new="b"),
        Mend(loc=("sections", 7, "id"), old="a", new="b"),
        Mend(loc=("sections",), old="a", new="b"),
        Mend(loc=("title",), old="", new="b"),
    ],
    ids=str,
)
def test_what_cannot_be_mended_as_it_is_written_is_named_and_spoils_nothing_else(wish: Mend) -> None:
    good = Mend(loc=("single",), old="It’s  so", new="It's so")
    mended = edit.mend(TEXT, "issue.yaml", [wish, good])
    assert mended.left == (wish,)
    assert mended.text == edit.mend(TEXT, "issue.yaml", [good]).text != TEXT


def test_a_suggestion_is_a_comment_above_the_picture_and_is_made_once() -> None:
    loc = ("sections", 0, "items", 0, "image", "alt")
    wish = Mend(loc=loc, old="", new="alt found on the page: A cat\n# sits", suggestion=True)
    mended = edit.mend(TEXT, "issue.yaml", [wish])
    image = "        image: {file"
    assert mended.text == TEXT.replace(image, "        # alt found on the page: A cat # sits\n" + image)
    assert edit.mend(mended.text, "issue.yaml", [wish]).text == mended.text


WORDS = st.text(st.sampled_from("ab ’'\"\\:#-\u00a0\n"), max_size=12)


@given(
    old=WORDS,
    new=WORDS,
    key=st.sampled_from(["title", "quoted", "single", "welcome", "folded"]),
    more=st.sampled_from([" ", "a", "’", "o", "\n"]),
)
@example(old="’", new="'", key="single", more="’")
@settings(deadline=None, max_examples=150)
def test_any_change_is_made_exactly_or_not_at_all(old: str, new: str, key: str, more: str) -> None:
    before = parse(TEXT, "issue.yaml").data
    mends = [Mend(loc=(key,), old=old, new=new), Mend(loc=("title",), old=more, new=new)]
    mended = edit.mend(TEXT, "issue.yaml", mends)
    after = parse(mended.text, "issue.yaml").data
    expected = dict(before)
    for _, wish in mended.done:
        (name,) = wish.loc
        expected[name] = expected[name].replace(wish.old, wish.new)
    assert after == expected
    comments = [line for line in TEXT.splitlines() if line.startswith("#")]
    assert [line for line in mended.text.splitlines() if line.startswith("#")] == comments
