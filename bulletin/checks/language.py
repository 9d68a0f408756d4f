"""Plain language: long sentences, known slips, signs and capitals."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bulletin.checks._reading import clipped, count_words, passages, sentences
from bulletin.checks._rule import Found, Material, check
from bulletin.checks._stress import shouted
from bulletin.model import Severity

_LONG_SENTENCE = 25


@check("LNG01", Severity.LOOK)
def long_sentence(material: Material) -> Iterator[Found]:
    """A sentence has more than 25 words (C-01).

    *Why*: long sentences are hard to follow, most of all on a phone and for people whose first language is another.

    *Instead of*: one sentence with three clauses and a list.

    *Write*: two or three sentences, each with one thought.
    """
    for passage in passages(material):
        if not passage.markdown:
            continue
        for sentence in sentences(passage.words):
            count = count_words(sentence)
            if count > _LONG_SENTENCE:
                yield Found(
                    passage.loc,
                    f'a sentence of {passage.name} has {count} words: "{clipped(sentence)}"',
                    f"Split it; aim for {_LONG_SENTENCE} at most.",
                )


SLIPS: tuple[tuple[str, str], ...] = (
    (r"\b(?:14|fourteen) stands\b", "14 strands"),
    (r"\bpubic (?:protection|sector|service|body|bodies|consultation|health|inquiry)\b", "public"),
    (r"\bsafe[- ]?gaurd\w*", "safeguard"),
    (r"\bvunerab\w+|\bvulnerabil(?:ty|ites)\b|\bvulnarab\w+", "vulnerable, vulnerability"),
    (r"\bharrass\w*", "harass"),
    (r"\bconstabul(?:ery|lary)\b", "constabulary"),
    (r"\bmanslaugter\b", "manslaughter"),
    (r"\bwitnes\b", "witness"),
    (r"\bdomestic violance\b", "domestic violence"),
    (r"\bseperat\w+", "separate"),
    (r"\boccured\b|\boccuring\b", "occurred, occurring"),
    (r"\brecieve\w*", "receive"),
    (r"\bpublically\b", "publicly"),
    (r"\bgoverment\b", "government"),
    (r"\b(?:of|in|on|with|from|under|launched|published|updated|opened|held) it['’]s\b", "its"),
    (r"\b(?:could|should|would|must|might) of\b(?! course)", '"have" for "of"'),
    (r"\b(?:the the|of of|and and|to to|is is|in in|a a)\b", "the word once"),
)
"""Slips seen in bulletins like this one, each as a pattern with what was meant."""


@check("LNG02", Severity.LOOK)
def known_slip(material: Material) -> Iterator[Found]:
    """A text holds a slip that a spelling program does not see, or one that is often made in this field.

    *Why*: "the 14 stands of public protection" stood on a home page for months, because "stands" is a word.

    *Instead of*: "14 stands", "pubic protection", "the the".

    *Write*: "14 strands", "public protection", "the".
    """
    for passage in passages(material):
        for pattern, meant in SLIPS:
            for match in re.finditer(pattern, passage.words, re.IGNORECASE):
                yield Found(passage.loc, f'{passage.name} says "{match.group()}".', f"Write {meant}.")


_AMPERSAND = re.compile(r"(?<!\S)(\S+) & (\S+)")


@check("LNG03", Severity.LOOK)
def ampersand(material: Material) -> Iterator[Found]:
    """ "&" stands between ordinary words (C-06).

    *Why*: it is harder to read than "and". In a name, such as Marks & Spencer, it stays.

    *Instead of*: "women & girls".

    *Write*: "women and girls".
    """
    for passage in passages(material):
        for match in _AMPERSAND.finditer(passage.words):
            before, after = match.groups()
            if not (before[:1].isupper() and after[:1].isupper()):
                yield Found(passage.loc, f'{passage.name} says "{match.group()}".', 'Write "and".')
                break


@check("LNG04", Severity.LOOK)
def capitals(material: Material) -> Iterator[Found]:
    """A heading or text of an item stresses words by capitals (C-05).

    *Why*: capitals are harder to read, look like shouting, and are kept for markings. Abbreviations are fine.

    *Instead of*: "NEW guidance: READ BEFORE USE".

    *Write*: "New guidance: read it before you use the tool".
    """
    for passage in passages(material):
        if passage.loc[0] in {"title", "subject", "preheader"}:
            continue
        loud = shouted(passage.words)
        if loud:
            yield Found(passage.loc, f'{passage.name} has "{loud}" in capitals.', "Write it in small letters.")
