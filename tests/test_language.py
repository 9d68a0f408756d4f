"""The word checks beyond their cases: any text, long texts, earlier issues in number, and the lists they go by."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from test_checks import CHECKS, material

from bulletin.checks import plainness, spelling
from bulletin.checks._alike import alike, essence
from bulletin.model import Finding

DATA = Path(spelling.__file__).parent / "data"
OWN = ("SPL", "LNG", "SUB", "PRE", "DAT", "DUP")


def found(code: str, **issue: object) -> list[Finding]:
    return list(CHECKS[code].findings(material({"issue": issue})))


def lines_of(name: str) -> list[str]:
    text = (DATA / name).read_text("utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


PIECES = st.sampled_from(
    (
        *(
            "vunerable",
            "Homocide",
            "organize",
            "ŵyl",
            "don’t",
            "'s",
            "-",
            "--",
            "a-b-c-",
            "’",
            "```",
            "`",
            "](",
            "[x](y)",
        ),
        *(
            "12:00pm",
            "99/99/99",
            "31 June",
            "by 31 June",
            "June 0th",
            "4.4.2024",
            "2024-13-40",
            "closes on 31 February",
        ),
        *("**", "*a b c d e.*", "(ABC)", "ABC (", "((", "{{", "in order to", "Re:", "🚨", "\n", "\n\n", ". ", '"', "“"),
    )
)
TEXTS = st.lists(st.one_of(PIECES, st.text(st.characters(categories=["L", "P", "N", "S"]), max_size=6)), max_size=12)


@given(parts=TEXTS, space=st.sampled_from([" ", ""]))
@settings(deadline=None, max_examples=40)
def test_any_words_are_judged_without_a_fall_and_every_finding_says_what_to_do(parts: list[str], space: str) -> None:
    text = space.join(parts)
    line = " ".join(text.split()) or "-"
    case = {
        "issue": {"subject": line, "welcome": text},
        "item": {"summary": text, "title": line},
        "earlier": [{"subject": line}],
    }
    looked_at = material(case)
    for code, check in CHECKS.items():
        if code.startswith(OWN):
            for finding in check.findings(looked_at):
                assert finding.hint
                assert "\n" not in finding.message


@given(before=st.text("abc d.", max_size=30), after=st.text("abc d.", max_size=30))
@settings(deadline=None, max_examples=50)
def test_the_place_of_a_misspelt_word_is_where_it_stands_in_the_file(before: str, after: str) -> None:
    looked_at = material({"issue": {"welcome": f"{before} vunerable {after}"}})
    lines = looked_at.file.text.splitlines()
    for finding in CHECKS["SPL01"].findings(looked_at):
        word = re.search(r'says "([^"]+)"', finding.message)
        assert word
        assert lines[finding.place.line - 1][finding.place.column - 1 :].startswith(word[1])


def test_a_long_list_of_slips_is_reported_in_full() -> None:
    slips = [f"vunerable{'x' * number}" for number in range(1, 31)]
    text = " ".join(f"The word {slip} is in a sentence of its own here." for slip in slips)
    assert len(found("SPL01", welcome=text)) == len(slips)


def test_the_dictionary_travels_with_its_licence() -> None:
    licence = (DATA / "en_GB.licence.txt").read_text("utf-8")
    assert "Kevin Atkinson" in licence
    assert "Permission to use, copy, modify, distribute and sell" in licence
    assert (DATA / "en_GB.aff").is_file()
    assert (DATA / "en_GB.dic").is_file()


def test_words_that_the_list_calls_right_are_not_spelt_the_american_way() -> None:
    words = [line.split()[0] for line in lines_of("words.txt")]
    assert len(words) == len(set(words))
    american = found("SPL02", welcome="\n\n".join(words))
    assert american == []


def test_every_phrase_to_avoid_is_found_as_it_stands_with_its_plainer_words() -> None:
    for line in lines_of("plain_words.txt"):
        phrase, _, better = line.partition(" = ")
        assert better.strip(), line
        words = re.sub(r"\(([^()|]*)\|[^()]*\)", r"\1", phrase.replace("[- ]?", " ").replace("[- ]", " ")).strip()
        findings = found("LNG06", welcome=f"We {words} it.")
        assert len(findings) == 1, line


def test_no_phrase_to_avoid_is_suggested_as_the_plainer_one() -> None:
    better = [line.partition(" = ")[2] for line in lines_of("plain_words.txt")]
    assert found("LNG06", welcome=". ".join(better)) == []


def test_the_reading_age_rises_with_longer_sentences_and_words() -> None:
    """C-02: a text for children scores low, a text for lawyers high, and a short one is not judged."""
    easy = "The cat sat on the mat. It was a big cat. It had a red hat. " * 3
    hard = (
        "Notwithstanding considerable administrative difficulties, multidisciplinary organisations "
        "necessarily prioritise proportionate interventions. " * 4
    )
    assert plainness.reading_age(easy) <= 7
    assert plainness.reading_age(hard) > 20
    assert plainness.reading_age("Notwithstanding considerable administrative difficulties.") == 0


def test_months_and_numbers_do_not_make_two_lines_differ() -> None:
    assert essence("Stalking guidance: 12 May 2024") == essence("Stalking guidance: 3 March 2023")
    assert alike("New stalking guidance is out: May", "New stalking guidance is out: June", fewest=4)
    assert not alike("New stalking guidance is out", "Two reports on missing children", fewest=4)
