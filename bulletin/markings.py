"""Protective markings and traffic light labels: reading them, and which of several is the strictest (S-01 to S-12).

A marking is a tier, perhaps -SENSITIVE, then handling instructions, then descriptors (S-02):
`OFFICIAL-SENSITIVE - RECIPIENTS ONLY - PERSONAL DATA`. What people type comes close to that, so much is understood and
said to be unusual; only what nobody could be sure of is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bulletin.door import closest
from bulletin.errors import BulletinError
from bulletin.model import Issue, Item

DESCRIPTORS: Final = (
    "PERSONAL DATA",
    "LEGAL PROFESSIONAL PRIVILEGE",
    "LEGAL",
    "MARKET SENSITIVE",
    "COMMERCIAL",
    "HR/MANAGEMENT",
)
"""S-07; organisations may add their own."""
FOR_PUBLIC_RELEASE: Final = "FOR PUBLIC RELEASE"
RECIPIENTS_ONLY: Final = "RECIPIENTS ONLY"
EMBARGOED: Final = "EMBARGOED"
USE_ONLY: Final = "USE ONLY"
TLP: Final = ("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")
"""The labels of TLP 2.0, the strictest last (S-11)."""

_TIER = re.compile(r"(?P<tier>TOP SECRET|SECRET|OFFICIAL)(?P<sensitive>\s*[-‐‑–—/]?\s*SENSITIVE)?(?![^\W_])\s*")
_TOP = re.compile(r"\b(?:TOP[ -])?SECRET\b")
_BETWEEN = re.compile(r"\s*(?:\s[-‐‑–—]|[-‐‑–—]\s|[–—]|//|[,;|]|:(?!\d))\s*")
_STRAY = "-‐‑–—/,;:|*. "


class Weight(Enum):
    """How much a flaw of a marking matters."""

    REFUSED = "refused"
    """Nobody can tell who may read it, or nobody may in this tool."""
    WRONG = "wrong"
    """Understood, and against the rules."""
    UNUSUAL = "unusual"
    """Understood, and written in another way than the rules write it."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a marking, and what to do."""

    weight: Weight
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Marking:
    """A marking as understood. As text it is written the way S-02 has it."""

    sensitive: bool = False
    handling: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()

    def __str__(self) -> str:
        tier = "OFFICIAL-SENSITIVE" if self.sensitive else "OFFICIAL"
        return " - ".join((tier, *self.handling, *self.descriptors))

    @property
    def for_everyone(self) -> bool:
        """Whether anybody may read it: OFFICIAL, alone or FOR PUBLIC RELEASE (S-21). An embargo ends of itself."""
        return not self.sensitive and not self.descriptors and set(self.handling) <= {FOR_PUBLIC_RELEASE, EMBARGOED}

    @property
    def embargoed(self) -> bool:
        """Whether it says EMBARGOED."""
        return EMBARGOED in self.handling

    @property
    def strictness(self) -> tuple[int, int, int]:
        """Greater for the stricter of two: by tier, then by how few may read it, then by descriptors."""
        few = max((_FEW.get(words, 1) for words in self.handling), default=0)
        return int(self.sensitive), few, len(self.descriptors)


PLAIN: Final = Marking()
_FEW: Final = {FOR_PUBLIC_RELEASE: -1, EMBARGOED: 0, RECIPIENTS_ONLY: 2}
"""How few may read what has a handling instruction, by its words; [ORGANISATION] USE ONLY counts 1."""


def parse(text: str) -> tuple[Marking | None, tuple[Flaw, ...]]:
    """The marking a text means, and what is wrong with it. None for what is refused: then a flaw says why."""
    words = " ".join(text.replace("_", "-").upper().split()).strip(" []().*")
    found = _TIER.match(words)
    if _TOP.search(words):
        return None, (
            Flaw(
                Weight.REFUSED,
                f'"{text.strip()}" may not be in this tool, which is for OFFICIAL material only.',
                "Delete it here, and tell whoever looks after information security.",
            ),
        )
    if not found:
        return None, (Flaw(Weight.REFUSED, f'"{text.strip()}" is no protective marking.', _how_to_write(words)),)
    flaws: list[Flaw] = []
    handling: list[str] = []
    descriptors: list[str] = []
    rest = words[found.end() :].strip(_STRAY)
    for piece in _BETWEEN.split(rest):
        part = re.sub(r"^[\[(]([^\])]*)[\])]$", r"\1", piece.strip(_STRAY)).strip()
        if not part:
            continue
        kind, known, flaw = _part(part)
        flaws += [flaw] if flaw else []
        if known not in (*handling, *descriptors):
            (handling if kind == "handling" else descriptors).append(known)
    marking = Marking(bool(found["sensitive"]), tuple(handling), tuple(descriptors))
    flaws += _against_the_rules(marking)
    if not flaws and text != str(marking):
        flaws.append(Flaw(Weight.UNUSUAL, f'"{text.strip()}" is not how this marking is written.', f"Write {marking}."))
    return marking, tuple(flaws)


def _how_to_write(words: str) -> str:
    near = closest(words.partition(" - ")[0], ["OFFICIAL", "OFFICIAL-SENSITIVE"]) if words else ""
    if words.replace(" ", "").startswith("TLP"):
        return 'A traffic light label has a field of its own: "tlp".'
    return near if near.startswith("Did you mean") else "Begin with OFFICIAL or OFFICIAL-SENSITIVE."


def _part(part: str) -> tuple[str, str, Flaw | None]:
    """What kind of part it is, the part as it is written, and what is odd about it."""
    if part in (FOR_PUBLIC_RELEASE, RECIPIENTS_ONLY, EMBARGOED):
        return "handling", part, None
    if part.startswith("EMBARGO"):
        hint = 'Write EMBARGOED here, and the time under "embargo": 2024-05-30T09:30.'
        return "handling", EMBARGOED, Flaw(Weight.UNUSUAL, f'"{part}" holds more than the marking should.', hint)
    if part == "RECIPIENT ONLY":
        return "handling", RECIPIENTS_ONLY, Flaw(Weight.UNUSUAL, f'"{part}" is not quite it.', "Write RECIPIENTS ONLY.")
    if part == USE_ONLY or re.fullmatch(r"\W*(?:ORG|ORGANISATION|NAME)\W* USE ONLY", part):
        hint = "Write the name of at least one organisation before USE ONLY: EXAMPLE POLICE USE ONLY."
        return "handling", part, Flaw(Weight.WRONG, f'"{part}" does not say whose use.', hint)
    if part.endswith(USE_ONLY) or part in DESCRIPTORS:
        return ("descriptor" if part in DESCRIPTORS else "handling"), part, None
    near = closest(part, (FOR_PUBLIC_RELEASE, RECIPIENTS_ONLY, EMBARGOED, *DESCRIPTORS))
    hint = near if near.startswith("Did you mean") else "If it is a descriptor of your own, accept this under allow."
    return "descriptor", part, Flaw(Weight.UNUSUAL, f'"{part}" is not in the list of markings.', hint)


def _against_the_rules(marking: Marking) -> Iterator[Flaw]:
    tier = "OFFICIAL-SENSITIVE" if marking.sensitive else "OFFICIAL"
    if marking.sensitive and FOR_PUBLIC_RELEASE in marking.handling:
        hint = "Ask whoever marked it which of the two holds. Until then leave it out."
        yield Flaw(Weight.WRONG, f"{FOR_PUBLIC_RELEASE} never goes with {tier}.", hint)
    if not marking.sensitive and RECIPIENTS_ONLY in marking.handling:
        hint = "Write OFFICIAL-SENSITIVE - RECIPIENTS ONLY, or leave the instruction out. It changed in August 2024."
        yield Flaw(Weight.WRONG, f"{RECIPIENTS_ONLY} no longer goes with plain {tier}.", hint)
    if FOR_PUBLIC_RELEASE in marking.handling and any(words.endswith(" ONLY") for words in marking.handling):
        hint = "Ask whoever marked it which of the two holds. Until then leave it out."
        yield Flaw(Weight.WRONG, f"{FOR_PUBLIC_RELEASE} and an instruction for few readers exclude each other.", hint)


def parse_tlp(text: str) -> Flaw | None:
    """What is wrong with a traffic light label; None if it is one of the five, to the letter (S-11)."""
    if text in TLP:
        return None
    said = f'"{text.strip()}" is no traffic light label.'
    plain = re.sub(r"[^A-Z+]", "", text.upper()).removeprefix("TLP")
    if plain == "WHITE":
        return Flaw(Weight.REFUSED, "TLP:WHITE is no longer a label.", "Since version 2.0 it is called TLP:CLEAR.")
    meant = f"TLP:{plain.replace('AMBERSTRICT', 'AMBER+STRICT')}"
    return Flaw(Weight.REFUSED, said, f"Write {meant}." if meant in TLP else f"Write one of {', '.join(TLP)}.")


# ---------------------------------------------------------------- of items and issues


def marking_of(owner: Item | Issue) -> Marking | None:
    """The marking of an item or an issue as understood; None without one.

    One that cannot be understood is taken as OFFICIAL-SENSITIVE. Files with such a one are refused when they are read.
    """
    if not owner.marking or not owner.marking.strip():
        return None
    return parse(owner.marking)[0] or Marking(sensitive=True)


def strictest(markings: Iterable[Marking]) -> Marking | None:
    """What covers all of them (S-08): the highest tier, and every instruction and descriptor; None for none.

    FOR PUBLIC RELEASE holds only if all say so. An embargo is over when the mail leaves, so it is not carried on.
    """
    markings = tuple(markings)
    if not markings:
        return None
    handling = dict.fromkeys(words for marking in markings for words in marking.handling if words != EMBARGOED)
    if not all(FOR_PUBLIC_RELEASE in marking.handling for marking in markings):
        handling.pop(FOR_PUBLIC_RELEASE, None)
    return Marking(
        any(marking.sensitive for marking in markings),
        tuple(handling),
        tuple(dict.fromkeys(words for marking in markings for words in marking.descriptors)),
    )


def strictest_tlp(labels: Iterable[str]) -> str:
    """The strictest of the labels; empty for none. An unknown label counts as the strictest."""
    found = max((TLP.index(label) if label in TLP else len(TLP) - 1 for label in labels if label), default=-1)
    return TLP[found] if found >= 0 else ""


def kept_from_everyone(item: Item) -> str:
    """The marking or label for which an item may not be open to everyone (S-21); empty if it may."""
    marking = marking_of(item)
    if marking and not marking.for_everyone:
        return str(marking)
    return item.tlp if item.tlp and item.tlp != TLP[0] else ""


def open_but_marked(issue: Issue) -> Iterator[tuple[Item | None, str]]:
    """What everyone would read in spite of its marking: the item, or None for the issue itself, with the marking."""
    marking = marking_of(issue)
    if marking and not marking.for_everyone:
        yield None, str(marking)
    for item in issue.items:
        marked = "" if item.restricted else kept_from_everyone(item)
        if marked:
            yield item, marked


def embargo_of(item: Item, zone: dt.tzinfo) -> dt.datetime | None:
    """The moment an item's embargo ends, in the publication's zone; None if it names none.

    Of a time that a clock shows twice, or passes over, in the night it is changed, the later moment counts.
    """
    end = item.embargo
    if end is None:
        return None
    if end.tzinfo is None:
        both = (end.replace(tzinfo=zone), end.replace(tzinfo=zone, fold=1))
        return min(both, key=lambda moment: moment.utcoffset() or dt.timedelta())
    try:
        return end.astimezone(zone)
    except OverflowError:  # the last day of the calendar has no next one
        return end


def refuse_before_embargo(items: Iterable[Item], now: dt.datetime, zone: dt.tzinfo, *, what: str) -> None:
    """Refuse to let items out before their time (S-06), and one marked EMBARGOED without a time at any time.

    `what` says what may not happen yet: "this issue cannot be sent". Raises `BulletinError` naming item and time.
    """
    for item in items:
        end, marking = embargo_of(item, zone), marking_of(item)
        if end and now < end:
            day = f"{end:%A} {end.day} {end:%B %Y} at {end:%H:%M}"
            raise BulletinError(
                f'{what} yet: the item "{item.id}" is under embargo until {day} ({end.tzname()}).',
                hint="Wait until then, or take the item out.",
            )
        if end is None and marking and marking.embargoed:
            raise BulletinError(
                f'{what}: the item "{item.id}" is marked EMBARGOED, and nothing says until when.',
                hint='Write the date and time under "embargo": 2024-05-30T09:30. Or take the item out.',
            )
