"""Plain English: reading age, words to avoid, abbreviations, main words first, and sparing stress."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from bulletin.checks._reading import (
    Passage,
    clipped,
    count_words,
    is_english,
    item_passages,
    passages,
    plain_key,
    sentences,
)
from bulletin.checks._rule import Found, Material, check
from bulletin.checks._stress import shouted, without_markings
from bulletin.checks.links import VAGUE
from bulletin.model import Item, Severity

DATA: Final = Path(__file__).parent / "data"

# ---------------------------------------------------------------- reading age

TARGET_AGE: Final = 9
_HARD_AGE: Final = 16
_FEWEST_WORDS: Final = 30
_GROWN_UP: Final = 21
_NAMED: Final = 3


@check("LNG05", Severity.LOOK)
def hard_to_read(material: Material) -> Iterator[Found]:
    """Summaries need a reading age above 16; the hardest are named, with their ages (C-02).

    *Why*: people read more slowly on a phone, under stress, or in a second language. The target in public writing is
    a reading age of 9. Items about law and research seldom reach it, so this speaks up only above 16, once an issue.

    *Instead of*: "Multidisciplinary consideration of the proportionality of interventions is recommended."

    *Write*: "Ask other agencies whether what you plan is fair." Short sentences and short words bring the age down.
    It is worked out by the Flesch-Kincaid formula, from the words in a sentence and the syllables in a word; it does
    not know what the words mean.
    """
    if not is_english(material):
        return
    aged = [
        (age, number, at, item)
        for number, (at, item) in enumerate(material.items())
        if (age := _summary_age(item)) > _HARD_AGE
    ]
    if aged:
        aged.sort(key=lambda entry: (-entry[0], entry[1]))
        named = "; ".join(f'"{clipped(item.title, 40)}": {_said(age)}' for age, _, _, item in aged[:_NAMED])
        more = f"; and {len(aged) - _NAMED} more" if len(aged) > _NAMED else ""
        _, _, at, _ = aged[0]
        yield Found(
            (*at, "summary"),
            f"the reading age is above {_HARD_AGE} for {named}{more}.",
            f"Aim for {TARGET_AGE}: shorter sentences first, then shorter words.",
        )


def _said(age: int) -> str:
    return str(age) if age <= _GROWN_UP else f"over {_GROWN_UP}"


def reading_age(words: str) -> int:
    """The age at which a text is easily read: its school grade by Flesch-Kincaid and five years. 0 for too few words.

    In a text of fewer than thirty words one long name would decide.
    """
    from readability import getmeasures

    lines = [" ".join(re.findall(r"\w[\w'’-]*", sentence)) for sentence in sentences(words)]
    lines = [line for line in lines if line]
    if sum(len(line.split()) for line in lines) < _FEWEST_WORDS:
        return 0
    grade: float = getmeasures(lines)["readability grades"]["Kincaid"]
    return max(5, round(grade + 5))


def _summary_age(item: Item) -> int:
    """The reading age of an item's summary."""
    return next((reading_age(passage.words) for passage in item_passages((), item) if passage.loc == ("summary",)), 0)


# ---------------------------------------------------------------- words to avoid


@check("LNG06", Severity.LOOK)
def words_to_avoid(material: Material) -> Iterator[Found]:
    """A word or phrase is longer or vaguer than it needs to be (C-08).

    *Why*: officials' words slow readers down and hide who does what. Quoted words and names are left alone.

    *Instead of*: "We will utilise robust processes going forward, in order to facilitate dialogue."

    *Write*: "From June we will test each case and talk to families." Add words of your own under `[checking]` in
    `bulletin.toml`: `plain_words = {signpost = "send"}`.
    """
    if not is_english(material):
        return
    pattern, plainer = _avoided(tuple(sorted(material.config.checking.plain_words.items())))
    seen: set[str] = set()
    for passage in passages(material):
        if passage.loc[-1] in {"signed", "source", "place"}:
            continue
        text = _QUOTED.sub(lambda match: "0" * len(match.group()), passage.words)
        for match in pattern.finditer(text):
            key = match.group().casefold()
            if key in seen or (match.group()[:1].isupper() and not _opens(text, match.start())):
                continue
            seen.add(key)
            better = plainer[(match.lastindex or 1) - 1]
            yield Found(
                passage.loc,
                f'{passage.name} says "{clipped(match.group())}".',
                "Leave it out." if better == "nothing" else f"Plainer: {better}.",
            )


_QUOTED: Final = re.compile(r"“[^”]*”|\"[^\"\n]*\"|(?<!\w)‘[^’\n]*’(?!\w)")


def _opens(text: str, start: int) -> bool:
    """Whether a sentence begins there; elsewhere a capital begins a name."""
    return re.search(r"(?:\A|[.!?:\n])[\s\"'“‘(*_-]*\Z", text[:start]) is not None


@lru_cache(maxsize=4)
def _avoided(own: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """One pattern with a group for each phrase, and the plainer words in the same order, the publication's first."""
    phrases = [(re.escape(" ".join(words.split())), better) for words, better in own]
    phrases += [(re.sub(r"\((?!\?)", "(?:", words), better) for words, better in _built_in().items()]
    whole = "|".join(f"({words})".replace(r"\ ", " ").replace(" ", r"\s+") for words, _ in phrases)
    return re.compile(rf"\b(?:{whole})(?!\w)", re.IGNORECASE), tuple(better for _, better in phrases)


@cache
def _built_in() -> Mapping[str, str]:
    lines = (DATA / "plain_words.txt").read_text("utf-8").splitlines()
    parts = (line.rpartition(" = ") for line in lines if not line.startswith("#") and " = " in line)
    # The longer of two phrases that begin alike comes first.
    return dict(sorted(((words.strip(), better.strip()) for words, _, better in parts), key=lambda pair: -len(pair[0])))


# ---------------------------------------------------------------- abbreviations


@check("LNG07", Severity.LOOK)
def unexplained_abbreviation(material: Material) -> Iterator[Found]:
    """An abbreviation is not explained in the item that uses it (C-07).

    *Why*: readers jump to the item that concerns them, and a partner from another field does not know your
    abbreviations. Those that everyone knows, such as NHS and UK, and the publication's own name need no explaining.

    *Instead of*: "The NRM is under review."

    *Write*: "The National Referral Mechanism (NRM) is under review." If all your readers know one, list it under
    `[checking]` in `bulletin.toml`: `abbreviations = ["PCC"]`.
    """
    if not is_english(material):
        return
    known = {*_KNOWN, *material.config.checking.abbreviations}
    known |= set(_ABBREVIATION.findall(f"{material.config.name} {material.config.sender.name}"))
    texts: dict[tuple[object, ...], list[Passage]] = {}
    for passage in passages(material):
        if passage.loc[-1] in {"title", "summary", "link", "welcome", "notice", "intro"} and passage.loc != ("title",):
            texts.setdefault(passage.loc[:4] if passage.item else passage.loc, []).append(passage)
    for together in texts.values():
        yield from _unexplained(together, known)


def _unexplained(together: list[Passage], known: set[str]) -> Iterator[Found]:
    """The abbreviations of texts that are read together, each at its first place, if none of the texts explains it."""
    whole = "\n".join(passage.words for passage in together)
    seen = set(known)
    for passage in together:
        if shouted(passage.words):
            continue  # these capitals are another matter
        unknown = []
        for short in _ABBREVIATION.findall(_NEVER_EXPLAINED.sub(" ", without_markings(passage.words))):
            if short in seen or _ROMAN.fullmatch(short):
                continue
            seen.add(short)
            if not _explains(whole, short):
                unknown.append(short)
        if unknown:
            said = " and ".join(filter(None, (", ".join(f'"{one}"' for one in unknown[:-1]), f'"{unknown[-1]}"')))
            yield Found(
                passage.loc,
                f"{passage.name} says {said}, which {'is' if len(unknown) == 1 else 'are'} not explained here.",
                f"Write it in full at first, with ({unknown[0]}) after it. "
                "If all readers know it: abbreviations under [checking] in bulletin.toml."
                if len(unknown) == 1
                else f"Write each in full at first, with ({unknown[0]}) after it. "
                "Those that all readers know: abbreviations under [checking] in bulletin.toml.",
            )


def _explains(text: str, short: str) -> bool:
    """Whether a text holds "Full Name (ABC)" or "ABC (full name)", or the full name by itself."""
    exact = re.escape(short)
    if re.search(rf"\w\s+\((?:[^()]*\W)?{exact}s?\b[^()]*\)|\b{exact}s?(?:['’]s)?(?: \w+){{0,2}} \([^()]*[a-z]", text):
        return True
    initials = "".join(word[0].upper() for word in re.findall(r"[^\W\d_][\w'’]*", text) if word.lower() not in _SMALL)
    return len(short) > 2 and short.upper() in initials


_ABBREVIATION: Final = re.compile(r"(?<![\w./@&-])([A-Z]{2,}(?:&[A-Z]+)?)(?=s?\b)(?!\.\w|@|/\w)")
_NEVER_EXPLAINED: Final = re.compile(
    r"https?://\S+|\S+@\S+|\b\w+(?:\.\w+)+\b"
    r"|[\[(]\d{4}[\])] (?:\d+ )?[A-Z]{2,6}(?: (?:Civ|Crim|Admin|Fam|Ch))? \d+"
)
"""Addresses, and places in law reports: [2026] EWCA Crim 512, [1994] 1 AC 212."""
_ROMAN: Final = re.compile(r"[IVXL]+")
_SMALL: Final = frozenset({"of", "and", "the", "for", "in", "on", "to", "with", "a", "against"})
_KNOWN: Final = frozenset(
    {
        "AI", "AIDS", "AM", "BBC", "BSL", "BST", "CCTV", "CD", "COVID", "CV", "DNA", "DVD", "EU", "FAQ", "FM", "GB",
        "GCSE", "GMT", "GOV", "GP", "HIV", "HM", "HMRC", "HQ", "ID", "IT", "ITV", "KC", "LGBT", "LGBTQ", "MP", "NATO",
        "NHS", "NSPCC", "RNLI", "RSPCA", "CBE", "KBE", "MBE", "OBE", "QPM", "BEM", "OK",
        "PC", "PDF", "PIN", "PM", "QC", "QR", "RAF", "RSVP", "SMS", "SUV", "TBA", "TBC", "TBD", "TLP", "TV",
        "UK", "UN", "URL", "US", "USA", "USB", "VAT", "VIP",
    }
)  # fmt: skip
"""Abbreviations that need no explaining in British public writing."""


# ---------------------------------------------------------------- main words first


@check("LNG08", Severity.LOOK)
def empty_beginning(material: Material) -> Iterator[Found]:
    """A headline or a link begins with words that say nothing (C-04).

    *Why*: people scan the first two words of a line, and screen readers read out the links of a mail one after
    another. Ten links that all begin "Find out more" cannot be told apart.

    *Instead of*: "Find out more about the stalking guidance", "We are delighted to announce new guidance".

    *Write*: "Stalking guidance: what has changed".
    """
    if not is_english(material):
        return
    for at, item in material.items():
        for key, name, text in (("title", "the headline", item.title), ("link", "the link", item.link)):
            match = _EMPTY.match(text or "")
            if match and not (key == "link" and plain_key(text or "") in VAGUE):  # LNK01 tells of those
                yield Found(
                    (*at, key), f'{name} begins with "{match.group()}".', "Begin with the words that say what it is."
                )


_EMPTY: Final = re.compile(
    r"(?:please\s+)?(?:click|tap|press|follow)\s+(?:here|this|on|the)\b|please\b|here\b|this link\b|link to\b"
    r"|(?:find out|learn|read|see|discover)\s+more(?:\s+(?:about|on))?\b|(?:for\s+)?(?:more|further)\s+information\b"
    r"|information\s+(?:about|on)\b|we(?:'re|’re|\s+are)\s+(?:very\s+)?(?:pleased|delighted|excited|proud|happy)\b"
    r"|did you know\b|it is (?:with|our)\b|there (?:is|are) (?:now|a|an|some)\b|just (?:published|out|in)\b"
    r"|(?:important\s+)?(?:news|update|announcement|reminder)\s*[:–-]",
    re.IGNORECASE,
)

# ---------------------------------------------------------------- stress


@check("LNG09", Severity.LOOK)
def stressed_sentence(material: Material) -> Iterator[Found]:
    """A whole sentence is bold or in italics (C-05).

    *Why*: slanted letters are hard to read for many people, and where everything is bold nothing stands out.

    *Instead of*: "**Please note that the closing date for all responses has changed to 17 July.**"

    *Write*: "The closing date is now **17 July**." Bold is for a few words; what matters most comes first.
    """
    for passage in passages(material):
        if not passage.markdown:
            continue
        for match in _STRESSED.finditer(passage.typed):
            words = match[2]
            if count_words(words) >= _LONG_STRESS or (
                re.search(r"[.!?][\"'”’)]*$", words.strip()) and count_words(words) >= _SHORT_STRESS
            ):
                way = "bold" if len(match[1]) > 1 else "in italics"
                yield Found(
                    passage.loc,
                    f'a whole sentence of {passage.name} is {way}: "{clipped(words)}".',
                    "Stress a few words at most, by bold.",
                )


_STRESSED: Final = re.compile(
    r"(?<![\w*\\])(\*{1,3}|_{1,3})(?=[^\s*_])((?:(?!\n\n).){1,800}?)(?<=[^\s\\])\1(?![\w*])", re.DOTALL
)
_LONG_STRESS: Final = 12
_SHORT_STRESS: Final = 5
