"""Spelling: words that the British dictionary does not know, and words spelt the American way.

The dictionary is Hunspell's, in the folder `data/`, where its licence stands beside it. Words that are right and
missing from it stand in `data/words.txt`; those of a publication in its own `issues/words.txt`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulletin.checks._reading import Passage, clipped, passages, place_within
from bulletin.checks._rule import Found, Material, check
from bulletin.errors import Place
from bulletin.model import Severity

if TYPE_CHECKING:
    from hunspell import Hunspell

DATA: Final = Path(__file__).parent / "data"


@check("SPL01", Severity.LOOK)
def misspelt(material: Material) -> Iterator[Found]:
    """A word is in no British dictionary, nor among the publication's own words.

    *Why*: a wrong letter costs trust, most of all in a headline. Names, abbreviations, web addresses and sentences in
    other languages are left alone; a name is reported only if it looks like a slip in an ordinary word.

    *Instead of*: "Homocide review: safegaurding of vunerable adults".

    *Write*: "Homicide review: safeguarding of vulnerable adults". If the word is right, add it on a line of its own to
    `issues/words.txt`, with a note after # on what it is. It is then right in every issue.
    """
    asked = 0
    for doubt in _doubts(material):
        if _british(doubt.word):
            continue
        # The library needs a twentieth of a second for its suggestions; a long list of slips does without.
        asked += 1
        others = _suggestions(doubt.word) if asked <= _MOST_SUGGESTIONS else _one_slip_away(doubt.word)
        near = tuple(dict.fromkeys((*doubt.near, *others)))[:3]
        perhaps = f"Perhaps {_either(near)}. " if near else ""
        yield Found(
            doubt.passage.loc,
            f'{doubt.passage.name} says "{doubt.word}"{_times(doubt.times)}: {doubt.around}.',
            f"{perhaps}If it is right, add it to issues/words.txt.",
            place=doubt.place(material),
        )


@check("SPL02", Severity.LOOK)
def american_spelling(material: Material) -> Iterator[Found]:
    """A word is spelt the American way.

    *Why*: two spellings in one issue look careless, and the readers' own documents use the British one. The name of an
    American body keeps its spelling.

    *Instead of*: "organize a program at the center", "behavior".

    *Write*: "organise a programme at the centre", "behaviour". In quoted words leave it, and accept the finding under
    `allow`.
    """
    for doubt in _doubts(material):
        british = _british(doubt.word)
        if british:
            yield Found(
                doubt.passage.loc,
                f'{doubt.passage.name} says "{doubt.word}"{_times(doubt.times)}: {doubt.around}.',
                f'British spelling: "{british}".',
                place=doubt.place(material),
            )


_MOST_SUGGESTIONS: Final = 5
_NOT_PROSE: Final = frozenset({"source", "place"})
"""Names of bodies and places, which begin with a capital without beginning a sentence."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A word that may be wrong, at the first place where it stands."""

    word: str
    passage: Passage
    start: int
    near: tuple[str, ...]
    """Words of the publication that may have been meant."""
    times: int = 1

    @property
    def around(self) -> str:
        """The word with what stands beside it, in quotation marks."""
        end_at = self.start + len(self.word)
        before = self.passage.typed[max(0, self.start - 100) : self.start]
        after = self.passage.typed[end_at : end_at + 100]
        begin = re.search(r"(?:\S+\s+){0,3}\S*\Z", before)
        end = re.match(r"\S*(?:\s+\S+){0,3}", after)
        whole = f"{begin.group() if begin else ''}{self.word}{end.group() if end else ''}"
        return f'"{clipped(whole).replace(chr(34), chr(39))}"'

    def place(self, material: Material) -> Place:
        """Line and column of the word itself."""
        return place_within(material, self.passage, self.start, self.word)


def _doubts(material: Material) -> Iterator[_Doubt]:
    """Every distinct word that may be wrong, in the order of the file. Nothing if the issue is not in British English.

    A word with a capital is taken for a name unless one slip of the finger would make it an ordinary word.
    """
    if material.config.language.lower() not in _BRITISH:
        return
    speller = _speller(material.words, _names(material))
    first: dict[str, _Doubt] = {}
    times: Counter[str] = Counter()
    for passage in passages(material):
        if passage.loc[-1] == "signed":
            continue
        for sentence in _sentences(passage.typed, prose=passage.loc[-1] not in _NOT_PROSE):
            unknown = [token for token in sentence if not speller.knows(token.word)]
            if _foreign(sum(not _british(token.word) for token in unknown), len(sentence)):
                continue
            for token in unknown:
                times[token.word] += 1
                if token.word not in first and _is_slip(token, speller):
                    first[token.word] = _Doubt(token.word, passage, token.start, speller.near(token.word))
    for word, doubt in first.items():
        # A name that is spelt the same way again and again is meant.
        if word.islower() or times[word] == 1 or times[word.lower()]:
            yield replace(doubt, times=times[word])


def _foreign(unknown: int, words: int) -> bool:
    """Whether a sentence is in another language, such as Welsh (W-06): most of its words are unknown."""
    return words >= _FEWEST_WORDS and unknown > 0.5 * words


_BRITISH: Final = frozenset({"en", "en-gb", "en-ie"})
_FEWEST_WORDS: Final = 4


# ---------------------------------------------------------------- words of a text


@dataclass(frozen=True, slots=True)
class _Token:
    """A word as typed, without a possessive ending; where it starts, and what stands before it."""

    word: str
    start: int
    opens: bool
    """Whether it begins a sentence, where every word has a capital."""
    before: str
    """The word before it in the same sentence."""


_NOT_WORDS: Final = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`"  # code
    r"|\]\([^)\s]*(?:\s+\"[^\"]*\")?\)|<?https?://[^\s>)\]]+>?"  # addresses
    r"|[^\s()<>\[\]]+@[^\s()<>\[\]]+|(?<!\w)[#@]\w+"
    r"|\b[\w-]+(?:\.[\w-]+)*\.(?:uk|org|com|net|police|io|eu|int|info|jpe?g|png|gif|svg|pdf|docx?|xlsx?|pptx?|csv)\b\S*"
    r"|&#?\w+;|\{\{.*?\}\}|\*\|.*?\|\*|\(\(.*?\)\)"  # entities and placeholders
    r"|[^\W_]*\d[^\W_]*"  # words with digits
    r"|\b[^\W\d_]+(?:['’][^\W\d_]+)?(?=[*_]*\s+[*_]*\[sic\])",  # the slips of others
    re.DOTALL,
)
_ENDLESS: Final = re.compile(r"[^\s()\[\]<>]{400,}")
"""What is no word and no address, such as a picture pasted as text. To look for words in it would take a minute."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_STOP: Final = re.compile(r"[.!?:][\"'”’)*_]*\s|\n\s*(?:\n|[-*+>]\s|#)|\Z")
_EDGE: Final = " \t\n\"'“‘(*_>-–—[#+"


def _zeros(match: re.Match[str]) -> str:
    return "0" * len(match.group())


def _sentences(typed: str, *, prose: bool) -> Iterator[list[_Token]]:
    """The words of each sentence of a text, addresses and code left out."""
    # Signs of the same number keep every place as it is; a zero is neither a letter nor a space.
    text = _NOT_WORDS.sub(_zeros, _ENDLESS.sub(_zeros, typed))
    begin = 0
    for stop in _STOP.finditer(text):
        tokens: list[_Token] = []
        for match in _WORD.finditer(text, begin, stop.end()):
            opens = prose and not tokens and not text[begin : match.start()].strip(_EDGE)
            word = re.sub(r"['’][sS]$", "", match.group())
            tokens.append(_Token(word, match.start(), opens, tokens[-1].word if tokens else ""))
        if tokens:
            yield tokens
        begin = stop.end()


# ---------------------------------------------------------------- what is right


class _Speller:
    """Says whether a word is right, and answers for one that it was asked before."""

    def __init__(self, own: frozenset[str]) -> None:
        self._own = own
        self._seen: dict[str, bool] = {}

    def knows(self, word: str) -> bool:
        """Whether a word is right, or one that no dictionary can judge: an abbreviation or a maker's name."""
        if word not in self._seen:
            self._seen[word] = self._judged(word.replace("’", "'"))
        return self._seen[word]

    def near(self, word: str) -> tuple[str, ...]:
        """The words of the lists beside the dictionary that one slip makes of this one."""
        names = (slip.capitalize() if word[0].isupper() else slip for slip in _slips(word.lower()))
        return tuple(dict.fromkeys(name for name in names if name in self._own))

    def _judged(self, word: str) -> bool:
        if not 1 < len(word) <= _LONGEST_WORD or re.search(r"\w[A-Z]", word):  # PCCs, SafeLives
            return True
        if not _ENGLISH.fullmatch(word):
            return word[0].isupper()  # another alphabet, or a name with letters that English does not have
        return self._right(word) or (
            "-" in word
            and all(len(part) < 3 or part.lower() in _PREFIXES or self._right(part) for part in word.split("-"))
        )

    def _right(self, word: str) -> bool:
        return word in self._own or word.lower() in self._own or _dictionary().spell(word)


_PREFIXES: Final = frozenset(
    {"anti", "inter", "multi", "non", "post", "pre", "pseudo", "semi", "sub", "super", "ultra"}
)
_LONGEST_WORD: Final = 60
_ENGLISH: Final = re.compile(r"[A-Za-z'éèêâçïôûñ-]+")


@lru_cache(maxsize=4)
def _speller(words: frozenset[str], names: str) -> _Speller:
    own = (part for line in (*words, *_words_file(), names) for part in re.findall(r"[\w'’-]+", line))
    return _Speller(frozenset(part.replace("’", "'") for part in own))


@cache
def _dictionary() -> Hunspell:
    from hunspell import Hunspell

    return Hunspell("en_GB", hunspell_data_dir=str(DATA))


@cache
def _words_file() -> tuple[str, ...]:
    lines = (DATA / "words.txt").read_text("utf-8").splitlines()
    return tuple(word for line in lines if (word := line.partition("#")[0].strip()))


def _names(material: Material) -> str:
    """The names that the publication's settings spell."""
    config = material.config
    titles = [
        entry.title for kind in (config.sections, config.topics, config.audiences, config.sources) for entry in kind
    ]
    return "\n".join((config.name, config.organisation.name, config.sender.name, *titles))


# ---------------------------------------------------------------- what is wrong


def _is_slip(token: _Token, speller: _Speller) -> bool:
    """Whether an unknown word is a slip and not a name."""
    word = token.word
    if word.islower():
        return True
    if not word.istitle() or _is_name(token.before):
        return False
    if _british(word):
        return token.opens  # elsewhere it is part of an American body's name
    shortest = _SHORTEST_FIRST if token.opens else _SHORTEST_NAME
    if len(word) < shortest:
        return False
    return bool(_one_slip_away(word.lower()) or speller.near(word))


def _is_name(word: str) -> bool:
    """Whether the next word is likely to be a surname: after a first name, an initial or a rank."""
    if word in _RANKS or (len(word) == 1 and word.isupper() and word not in {"A", "I"}):
        return True
    return word.istitle() and not _dictionary().spell(word.lower())


_RANKS: Final = frozenset(
    {
        "Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Professor", "Sir", "Dame", "Lord", "Lady", "Baroness", "St", "Saint",
        "Constable", "Sergeant", "Inspector", "Superintendent", "Commander", "Commissioner", "Minister", "Judge",
        "Justice", "Insp", "Supt", "Sgt", "Operation", "Project",
    }
)  # fmt: skip
_SHORTEST_NAME: Final = 6
_SHORTEST_FIRST: Final = 3
"""Letters that an unknown word with a capital needs to be doubted, within a sentence and at its start."""


def _slips(word: str) -> Iterator[str]:
    """Every word that one slip of the finger makes of this one, the likeliest slips first."""
    cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    yield from (f"{a}{b[1]}{b[0]}{b[2:]}" for a, b in cuts if len(b) > 1)
    yield from (f"{a}{letter}{b}" for a, b in cuts for letter in _LETTERS)
    yield from (a + b[1:] for a, b in cuts if b)
    yield from (f"{a}{letter}{b[1:]}" for a, b in cuts if b for letter in _LETTERS)


@lru_cache(maxsize=2048)
def _one_slip_away(word: str) -> tuple[str, ...]:
    """Words of the dictionary that one slip makes of this one."""
    spell = _dictionary().spell
    return tuple(near for near in dict.fromkeys(_slips(word)) if spell(near))


_LETTERS: Final = "etaoinshrdlucmfwypvbgkjqxz"


@lru_cache(maxsize=256)
def _suggestions(word: str) -> tuple[str, ...]:
    """Up to three words that may have been meant, the likeliest first."""
    near = list(_dictionary().suggest(word.replace("’", "'")))
    whole = [other for other in near if " " not in other and other != word and (other.islower() or not word.islower())]
    return tuple((whole or near)[:3])


def _either(words: tuple[str, ...]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _times(times: int) -> str:
    return "" if times == 1 else f", {times} times in this issue"


@lru_cache(maxsize=2048)
def _british(word: str) -> str:
    """The British spelling of a word that is spelt the American way; nothing of any other word."""
    small = word.lower()
    found = _AMERICAN.get(small, "")
    for pattern, ending in _ENDINGS:
        if not found and pattern.search(small):
            changed = pattern.sub(ending, small, count=1)
            found = changed if _dictionary().spell(changed) and not _dictionary().spell(small) else ""
    return found.capitalize() if word[:1].isupper() else found


_ENDINGS: Final = tuple(
    (re.compile(pattern), ending)
    for pattern, ending in (
        (r"iz(?=(?:e[ds]?|ing|ers?|ations?|ational|able)$)", "is"),
        (r"yz(?=(?:e[ds]?|ing|ers?)$)", "ys"),
        (r"or(?=(?:s|ed|ing|er|ers|able|ably|ful|fully|ite|ites|al|ally|hood|hoods|less|ly|y)?$)", "our"),
        (r"ter(?=s?$)", "tre"),
        (r"ter(?=ed$)", "tr"),
        (r"(?<=[aeiou])l(?=(?:ed|ing|ers?|ings)$)", "ll"),
        (r"ll(?=(?:s|ment|ments|ful|fully)?$)", "l"),
        (r"ense(?=s?$)", "ence"),
        (r"og(?=(?:s|ed|ing)?$)", "ogue"),
        (r"^(?:ped)(?=i|o)", "paed"),
        (r"^gynec", "gynaec"),
        (r"^orthoped", "orthopaed"),
        (r"esthe", "aesthe"),
        (r"hem(?=o|at)", "haem"),
        (r"^skeptic", "sceptic"),
        (r"^maneuv", "manoeuv"),
    )
)
_AMERICAN: Final = {
    "gray": "grey",
    "mold": "mould",
    "moldy": "mouldy",
    "jewelry": "jewellery",
    "aluminum": "aluminium",
    "maneuver": "manoeuvre",
    "maneuvers": "manoeuvres",
    "artifact": "artefact",
    "artifacts": "artefacts",
    "mom": "mum",
    "moms": "mums",
    "math": "maths",
    "pajamas": "pyjamas",
    "plow": "plough",
    "airplane": "aeroplane",
    "gotten": "got",
    "mustache": "moustache",
    "cozy": "cosy",
}
