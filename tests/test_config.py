"""The settings: all problems at once, each at its line with a remedy, and no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulletin import config
from bulletin.errors import FileProblems, Problem

GOOD = """\
name = "Sample Bulletin"

[organisation]
name = "Sample Programme"
postal_address = "1 Example Street, Exampleton EX1 1EX"

[sender]
name = "Sample Bulletin"
address = "bulletin@example.org"

[web]
archive_url = "https://bulletin.example.org"

[[sections]]
id = "news"
title = "News"

[[topics]]
id = "stalking"
title = "Stalking and harassment"

[[audiences]]
id = "forces"
title = "Police forces"
domains = ["force.example.org"]

[[sources]]
id = "home-office"
title = "Home Office"
url = "https://www.example.org/feed"
section = "news"
"""


def read(folder: Path, text: str, name: str = "bulletin.toml") -> config.Config:
    path = folder / name
    path.write_text(text, "utf-8")
    return config.read(path)


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(FileProblems) as caught:
        read(folder, text)
    return caught.value.problems


BAD = [
    ("a misspelt key", ('name = "Sample Bulletin"', 'nmae = "Sample Bulletin"'), 1, "there is no key", '"name"?'),
    ("a misspelt table", ("[sender]", "[sendr]"), 7, 'there is no key "sendr" here.', 'Did you mean "sender"?'),
    (
        "a key of another table",
        ('address = "bulletin', 'adress = "bulletin'),
        9,
        'there is no key "adress" here.',
        'Did you mean "address"?',
    ),
    ("text without quotes", ('"Sample Programme"', "Sample Programme"), 4, "this line cannot be read", "quotes"),
    (
        "no mail address",
        ("bulletin@example.org", "bulletin at example.org"),
        9,
        '"bulletin at example.org" is not a mail address.',
        "Write it as name@example.org.",
    ),
    (
        "a line break in the sender's name (M-10)",
        ('[sender]\nname = "Sample Bulletin"', '[sender]\nname = "Sample\\r\\nBcc: all@example.org"'),
        8,
        '"name" must be a single line.',
        "Write it on one line.",
    ),
    (
        "no web address",
        ('"https://bulletin.example.org"', '"bulletin.example.org"'),
        12,
        "is not a web address.",
        "https://",
    ),
    (
        "a proxy that would be anybody (Z-16)",
        (
            'archive_url = "https://bulletin.example.org"',
            'archive_url = "https://b.example"\ntrusted_proxies = ["*"]',
        ),
        13,
        '"*" is not an address or a network.',
        "127.0.0.1",
    ),
    (
        "no page and no mailbox for readers who leave (L-16)",
        ('archive_url = "https://bulletin.example.org"', 'archive_url = "https://example.org"\nservice_url = ""'),
        13,
        "readers would have no way to leave.",
        "unsubscribe_mailbox",
    ),
    (
        "a mailbox for bounces whose name is too long (V-01)",
        ('address = "bulletin@example.org"', f'address = "a@example.org"\nbounces = "{"b" * 26}@example.org"'),
        10,
        "there are too many characters before the @.",
        "at most 25",
    ),
    (
        "two sections with one id",
        ("[[topics]]", '[[sections]]\nid = "news"\ntitle = "Old"\n\n[[topics]]'),
        19,
        "two",
        "",
    ),
    (
        "an id with a space",
        ('id = "stalking"', 'id = "Stalking orders"'),
        19,
        '"Stalking orders" cannot be an id.',
        "Use small letters, digits and hyphens.",
    ),
    (
        "a whole suffix as an audience's domain (S-26)",
        ('["force.example.org"]', '["*.example.org"]'),
        25,
        '"*.example.org" is not an exact mail domain.',
        "Write each domain in full",
    ),
    (
        "an ending with a dot before it as an audience's domain (S-26)",
        ('["force.example.org"]', '[".police.uk"]'),
        25,
        '".police.uk" is not an exact mail domain.',
        "commissioners, for one, are at names that end in police.uk too",
    ),
    (
        "what many organisations' domains end in (S-26)",
        ('["force.example.org"]', '["police.uk"]'),
        25,
        '"police.uk" is what many organisations\' domains end in, not one of them.',
        "forces = true",
    ),
    (
        "a part of a role",
        ('domains = ["force.example.org"]', 'roles = ["Detective*"]'),
        25,
        '"Detective*" does not name one of the roles.',
        "Write each in full",
    ),
    (
        "an audience of a list that does not exist",
        ('domains = ["force.example.org"]', 'lists = ["board"]'),
        25,
        'there is no list "board".',
        "Describe it under [[lists]] first.",
    ),
    (
        "an audience of a topic that does not exist",
        ('domains = ["force.example.org"]', 'topics = ["stalkin"]'),
        25,
        'there is no topic "stalkin".',
        'Did you mean "stalking"?',
    ),
    (
        "an audience of a language that is none",
        ('domains = ["force.example.org"]', 'languages = ["Welsh!"]'),
        25,
        '"Welsh!" is not a language tag.',
        "For Welsh write cy",
    ),
    (
        "everyone as an audience of its own",
        ('id = "forces"', 'id = "everyone"'),
        23,
        'there are two audiences with the id "everyone".',
        "Change one of them.",
    ),
    (
        "a source for a section that does not exist",
        ('section = "news"', 'section = "newz"'),
        31,
        'there is no section "newz".',
        'Did you mean "news"?',
    ),
    (
        "a time zone that does not exist",
        ('name = "Sample Bulletin"\n\n', 'name = "Sample Bulletin"\ntimezone = "Europe/Londn"\n'),
        2,
        'there is no time zone "Europe/Londn".',
        "Europe/London",
    ),
    (
        "a colour by name",
        ("[[sections]]", '[brand]\ncolour = "blue"\n\n[[sections]]'),
        15,
        '"blue" is not a colour.',
        "Write # and six digits, such as #1d3557.",
    ),
    (
        "fonts that would leave their place in a style",
        ("[[sections]]", '[brand]\nfont = "Arial; } body { display: none"\n\n[[sections]]'),
        15,
        "this font list holds a sign that cannot stand in a style.",
        "Use single quotes and commas only.",
    ),
    (
        "a number as text",
        ("[[sections]]", '[collecting]\ndays = "many"\n\n[[sections]]'),
        15,
        '"days" "many" should be a whole number',
        "",
    ),
    (
        "a secret (Z-23)",
        ('address = "bulletin@example.org"', 'address = "bulletin@example.org"\npassword = "hunter2"'),
        10,
        'there is no key "password" here.',
        "",
    ),
]


@pytest.mark.parametrize(("change", "line", "message", "remedy"), [pytest.param(*rest, id=name) for name, *rest in BAD])
def test_bad_settings_are_told_at_their_line_with_a_remedy(
    tmp_path: Path, change: tuple[str, str], line: int, message: str, remedy: str
) -> None:
    assert change[0] in GOOD
    told = [problem for problem in problems(tmp_path, GOOD.replace(*change, 1)) if message in problem.message]
    assert [problem.place.line for problem in told] == [line]
    assert remedy in told[0].hint
    assert told[0].place.path == "bulletin.toml"


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    bad = (
        GOOD.replace("postal_address", "postaladdress").replace('title = "News"', "title = 7").replace("url =", "uri =")
    )
    told = problems(tmp_path, bad)
    assert [problem.place.line for problem in told] == sorted(problem.place.line for problem in told)
    said = " ".join(str(problem) for problem in told)
    for part in ('Did you mean "postal_address"?', '"postal_address" is missing.', '"title" "7" should be text'):
        assert part in said
    assert 'Did you mean "url"?' in said


def test_a_secret_never_stands_in_the_error(tmp_path: Path) -> None:
    """Z-23: secrets come from the environment; one in the file is refused, and not repeated."""
    bad = GOOD.replace('address = "bulletin@example.org"', 'address = "bulletin@example.org"\npassword = "hunter2"')
    assert "hunter2" not in " ".join(str(problem) for problem in problems(tmp_path, bad))


@pytest.mark.parametrize("text", [b'name = "\xff"', b"\xff\xfe n\x00a\x00"])
def test_a_file_that_is_not_utf8_is_told_so(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bulletin.toml"
    path.write_bytes(text)
    with pytest.raises(FileProblems) as caught:
        config.read(path)
    assert "this file is not UTF-8 text" in str(caught.value)


def test_an_empty_file_says_what_is_missing_and_what_it_is_for(tmp_path: Path) -> None:
    said = [str(problem) for problem in problems(tmp_path, "")]
    assert 'bulletin.toml:1:1: "name" is missing. Name of the publication.' in said
    assert len(said) == 4


def test_good_settings_with_their_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeff" + GOOD)
    assert (found.language, found.timezone, found.sending.provider) == ("en-GB", "Europe/London", "outbox")
    assert found.archive_url == found.service_url == "https://bulletin.example.org/"
    assert found.vocabulary.sections == ("news",)
    assert (found.section_title("news"), found.section_title("have-your-say")) == ("News", "Have your say")


def test_settings_may_live_in_a_pyproject_file(tmp_path: Path) -> None:
    tables = (
        GOOD.replace("[[", "[[tool.bulletin.")
        .replace("\n[", "\n[tool.bulletin.")
        .replace("[tool.bulletin.[tool.bulletin.", "[[tool.bulletin.")
    )
    text = '[project]\nname = "other"\n\n[tool.bulletin]\n' + tables
    assert read(tmp_path, text, "pyproject.toml").name == "Sample Bulletin"
    with pytest.raises(FileProblems) as caught:
        read(tmp_path, text.replace("archive_url", "archiv_url"), "pyproject.toml")
    assert caught.value.problems[-1].place.line == 16


def test_mistakes_of_both_kinds_are_shown_at_once(tmp_path: Path) -> None:
    """What the schema forbids does not hide what the rules forbid."""
    text = GOOD.replace("[web]", '[brand]\nstraplin = "x"\ncolour = "blue"\n\n[web]')
    (tmp_path / "bulletin.toml").write_text(text, "utf-8")
    with pytest.raises(FileProblems) as caught:
        config.read(tmp_path / "bulletin.toml")
    said = "\n".join(map(str, caught.value.problems))
    assert 'Did you mean "strapline"?' in said
    assert '"blue" is not a colour' in said


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "Sample Programme"', 'name = "Sample Programme"\nprivacy_url = "javascript:alert(1)"', 5),
        ('name = "Sample Programme"', 'name = "Sample Programme"\nwebsite = "www.example.org"', 5),
        ('"https://bulletin.example.org"', '"https://bulletin.example.org/\\r\\nBcc: all@example.org"', 12),
        ('"https://bulletin.example.org"', '"https://bulletin.example.org/a b"', 12),
        ("[[sections]]", '[collecting]\ncontact = "https://example.org/\\r\\nX: 1"\n[[sections]]', 15),
    ],
)
def test_m10_an_address_of_ours_is_a_web_address_to_its_end(tmp_path: Path, old: str, new: str, line: int) -> None:
    """M-10, Z-39: readers follow these addresses and headers hold them, so nothing hides behind a good beginning."""
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert [(problem.place.line, "is not a web address" in problem.message) for problem in found] == [(line, True)]


@pytest.mark.parametrize(
    "address",
    ["l" * 65 + "@example.org", "a@" + "label." * 42 + "example.org", "wŷn@example.org", "news@tŷ.example.org"],
)
def test_m09_a_sender_that_no_server_carries_is_refused_by_the_settings(tmp_path: Path, address: str) -> None:
    """M-08, M-09: at once and at its line, not when the first message is made."""
    found = problems(tmp_path, GOOD.replace("bulletin@example.org", address))
    assert [problem.place.line for problem in found] == [9]
    assert "is not a mail address" in found[0].message


def test_a_language_that_is_no_language_tag_is_refused(tmp_path: Path) -> None:
    """It becomes part of the names of files and stands in a header."""
    found = problems(tmp_path, 'language = "../../en"\n' + GOOD)
    assert "language tag" in found[0].message


@pytest.mark.parametrize(
    ("brand", "said", "hint"),
    [
        (
            'colour = "#ffcc00"',
            '"colour" #ffcc00 on "paper" #ffffff has a contrast of 1.5; text needs 4.5.',
            "The nearest shade that would do is #",
        ),
        ('accent = "#777777"', '"accent" #777777 on "paper" #ffffff has a contrast of 4.4; text needs 4.5.', "shade"),
        ('ink = "#aaaaaa"', '"ink" #aaaaaa on "paper" #ffffff has a contrast of 2.3; text needs 4.5.', "shade"),
        ('surround = "#333333"', '"ink" #1b1f24 on "surround" #333333 has a contrast of 1.3;', "No shade of it"),
    ],
)
def test_x13_a_brand_that_is_hard_to_read_is_refused_with_its_ratio(
    tmp_path: Path, brand: str, said: str, hint: str
) -> None:
    (problem,) = problems(tmp_path, f"{GOOD}\n[brand]\n{brand}\n")
    assert said in problem.message
    assert hint in problem.hint
    assert problem.place.line >= len(GOOD.splitlines()) + 2


def test_x13_the_shade_that_is_named_is_then_accepted(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, GOOD + '\n[brand]\ncolour = "#ffcc00"\n')
    shade = problem.hint.rstrip(".").rpartition(" ")[2]
    assert read(tmp_path, f'{GOOD}\n[brand]\ncolour = "{shade}"\n').brand.colour == shade


def test_x13_a_dark_brand_is_welcome_if_its_text_is_light(tmp_path: Path) -> None:
    text = '[brand]\npaper = "#101010"\nsurround = "#000000"\nink = "#eeeeee"\ncolour = "#9ecbff"\naccent = "#7fd6c2"\n'
    assert read(tmp_path, f"{GOOD}\n{text}").brand.paper == "#101010"
