"""Protective markings and traffic light labels: written as they should be, and obeyed (S-01 to S-21)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from bulletin import markings
from bulletin.checks._reading import passages
from bulletin.checks._rule import Found, Material, check
from bulletin.door import Loc
from bulletin.markings import Marking, Weight
from bulletin.model import Issue, Item, Severity

_LABEL = re.compile(r"\bTLP[\s:_-]*(?:RED|AMBER(?:\s*\+?\s*STRICT)?|GREEN|CLEAR|WHITE)\b", re.IGNORECASE)
_MARKING = re.compile(
    r"^\W{0,2}OFFICIAL(?=\s*(?:[:.|–—-]|$))(?:[ –-]{1,3}SENSITIVE\b)?|\bOFFICIAL[ –-]{1,3}SENSITIVE\b", re.MULTILINE
)


def _owners(material: Material) -> Iterator[tuple[Loc, Issue | Item]]:
    """The issue and every item that has a marking, each with its path."""
    if material.issue.marking:
        yield (), material.issue
    for at, item in material.items():
        if item.marking:
            yield at, item


def _marked(material: Material) -> Iterator[tuple[Loc, Item, Marking]]:
    for at, item in material.items():
        marking = markings.marking_of(item)
        if marking:
            yield at, item, marking


def _flaws(material: Material, weight: Weight) -> Iterator[Found]:
    for at, owner in _owners(material):
        for flaw in markings.parse(owner.marking or "")[1]:
            if flaw.weight is weight:
                yield Found((*at, "marking"), flaw.message, flaw.hint)


_NEVER = re.compile(r"\b(?:TOP )?SECRET\b")
_NOT_FOR_ALL = re.compile(
    r"\bOFFICIAL[ –-]{1,3}SENSITIVE\b|\bRECIPIENTS ONLY\b|\b[A-Z]+ USE ONLY\b"
    r"|\bTLP:\s?(?:RED|AMBER(?:\+STRICT)?|GREEN)\b"
)


@check("MRK01", Severity.MUST_FIX)
def marked(material: Material) -> Iterator[Found]:
    """A text that everyone reads carries a protective marking, or any text is marked SECRET (S-01, S-21).

    *Why*: what is marked OFFICIAL-SENSITIVE, RECIPIENTS ONLY or TLP:AMBER may not be published. SECRET material may
    not be in this tool at all.

    *Instead of*: an item copied from a marked document, open to everyone.

    *Write*: an item from the public version, or keep it for an audience that may read it.
    """
    for passage in passages(material):
        never = _NEVER.search(passage.words)
        marking = None if passage.item and passage.item.restricted else _NOT_FOR_ALL.search(passage.words)
        if never:
            yield Found(
                passage.loc,
                f"{passage.name} is marked {never.group()}; this tool is for OFFICIAL material only.",
                "Delete it here, and tell whoever looks after information security.",
            )
        elif marking:
            yield Found(
                passage.loc,
                f"{passage.name} is marked {marking.group()}, and everyone would read it.",
                "Take it out, or keep the item for an audience that may read it.",
            )


@check("MRK02", Severity.MUST_FIX)
def against_the_rules(material: Material) -> Iterator[Found]:
    """A marking joins parts that exclude each other, or does not say for whom it is (S-03, S-04, S-05).

    *Why*: nobody can obey such a marking. FOR PUBLIC RELEASE goes with OFFICIAL only, RECIPIENTS ONLY with
    OFFICIAL-SENSITIVE only, and USE ONLY needs the name of an organisation.

    *Instead of*: OFFICIAL - RECIPIENTS ONLY

    *Write*: OFFICIAL-SENSITIVE - RECIPIENTS ONLY
    """
    yield from _flaws(material, Weight.WRONG)


@check("MRK03", Severity.LOOK)
def unusual(material: Material) -> Iterator[Found]:
    """A marking is written in an unusual way: its order, its signs, small letters, or an unknown word (S-02, S-07).

    *Why*: readers know a marking by its looks. One that looks different is taken for ordinary words.

    *Instead of*: Official sensitive, personal data, recipients only

    *Write*: OFFICIAL-SENSITIVE - RECIPIENTS ONLY - PERSONAL DATA
    """
    yield from _flaws(material, Weight.UNUSUAL)


@check("MRK04", Severity.MUST_FIX)
def open_to_everyone(material: Material) -> Iterator[Found]:
    """An item marked for some readers only is open to everyone (S-21).

    *Why*: everyone's mail goes to all readers and into the public archive. What is OFFICIAL-SENSITIVE, USE ONLY or
    TLP:GREEN and above may not be there, so no mail is made until this is settled.

    *Instead of*: marking: OFFICIAL-SENSITIVE, without an audience

    *Write*: marking: OFFICIAL-SENSITIVE and audience: [forces]
    """
    whole = markings.marking_of(material.issue)
    if whole and not whole.for_everyone:
        yield Found(
            ("marking",),
            f"the issue is marked {whole}, and its welcome and headings go to everyone.",
            "Mark the items it is about, and keep each for an audience that may read it.",
        )
    for at, item in material.items():
        if item.restricted:
            continue
        hint = 'Name who may read it under "audience", or write the item from the public version, without a marking.'
        marking = markings.marking_of(item)
        if marking and not marking.for_everyone:
            yield Found((*at, "marking"), f'"{item.id}" is marked {marking} and open to everyone.', hint)
        if item.tlp and item.tlp != markings.TLP[0]:
            yield Found((*at, "tlp"), f'"{item.id}" is labelled {item.tlp} and open to everyone.', hint)


@check("MRK05", Severity.MUST_FIX)
def government_only(material: Material) -> Iterator[Found]:
    """An item marked HMG USE ONLY goes to partners outside government (S-05).

    *Why*: HMG USE ONLY means departments and agencies of His Majesty's Government. Partners outside are not among them.

    *Instead of*: marking: OFFICIAL - HMG USE ONLY with audience: [forces, partners]

    *Write*: the audiences that may read it, or a marking agreed with whoever wrote the text.
    """
    partners = [
        audience.id
        for audience in material.config.audiences
        if "partner" in f"{audience.id} {audience.title}".casefold()
    ]
    for at, item, marking in _marked(material):
        reached = [audience for audience in item.audience if audience in partners]
        if item.restricted and reached and any(re.search(r"\bHMG\b.*USE ONLY", words) for words in marking.handling):
            yield Found(
                (*at, "audience"),
                f'"{item.id}" is marked HMG USE ONLY and goes to {" and ".join(reached)}.',
                "Take the audience out, or ask the author for a version that partners may read.",
            )


@check("MRK06", Severity.MUST_FIX)
def before_the_embargo(material: Material) -> Iterator[Found]:
    """An item comes before the end of its embargo, or is EMBARGOED and does not say until when (S-06).

    *Why*: news that is out before its time harms whoever trusted you with it. Nothing is sent or published before the
    time under "embargo", and nothing at all that is marked EMBARGOED without one.

    *Instead of*: an issue of 30 May with an item under embargo until 3 June

    *Write*: a later date for the issue, or keep the item for the next one.
    """
    zone = material.config.zone
    for at, item in material.items():
        end, marking = markings.embargo_of(item, zone), markings.marking_of(item)
        if end and material.issue.date < end.date():
            yield Found(
                (*at, "embargo"),
                f'"{item.id}" is under embargo until {_when(end)}, after the day of the issue.',
                "Move the issue's date, or keep the item for the next issue. Before that time nothing is sent.",
            )
        if end is None and marking and marking.embargoed:
            yield Found(
                (*at, "marking"),
                f'"{item.id}" is marked EMBARGOED, and nothing says until when.',
                'Write the date and time under "embargo": 2024-05-30T09:30.',
            )


@check("MRK07", Severity.LOOK)
def held_back(material: Material) -> Iterator[Found]:
    """The issue cannot go out before a certain time, because an item is under embargo (S-06).

    *Why*: bulletin send and bulletin archive refuse until then. It is better to know before you plan your morning.

    *Instead of*: sending at 9:00 what is under embargo until 9:30

    *Write*: nothing; send after that time.
    """
    for at, item in material.items():
        end = markings.embargo_of(item, material.config.zone)
        if end and material.today <= end.date() <= material.issue.date:
            yield Found(
                (*at, "embargo"),
                f'"{item.id}" is under embargo, so this issue cannot go out before {_when(end)}.',
                "Send it after that time.",
            )


@check("MRK08", Severity.LOOK)
def lower_than_its_items(material: Material) -> Iterator[Found]:
    """The marking of the whole issue is lower than that of an item in it (S-08).

    *Why*: a mail is marked as strictly as the strictest item in it. You can raise that for the whole issue, not lower
    it, so what you wrote will not be what those readers see.

    *Instead of*: marking: OFFICIAL - FOR PUBLIC RELEASE over an OFFICIAL-SENSITIVE item

    *Write*: no marking for the issue; it is worked out.
    """
    whole = markings.marking_of(material.issue)
    above = [] if whole is None else [found for found in _marked(material) if found[2].strictness > whole.strictness]
    if whole and above:
        _, item, marking = max(above, key=lambda found: found[2].strictness)
        yield Found(
            ("marking",),
            f'the issue is marked {whole}, but "{item.id}" is marked {marking}.',
            "Leave the issue's marking out: each mail gets the strictest of what it holds.",
        )


@check("MRK09", Severity.LOOK)
def label_misspelt(material: Material) -> Iterator[Found]:
    """A text holds a traffic light label that is not written as one (S-11).

    *Why*: the labels are exact: capitals, a colon, no spaces, never translated. People and programs look for just
    that. TLP:WHITE has been TLP:CLEAR since version 2.0.

    *Instead of*: TLP GREEN, TLP: amber, TLP:WHITE

    *Write*: TLP:GREEN, TLP:AMBER, TLP:CLEAR, and best under "tlp" of the item.
    """
    for passage in passages(material):
        for found in _LABEL.finditer(passage.words):
            flaw = markings.parse_tlp(found.group())
            if flaw and not passage.words.startswith("+STRICT", found.end()):
                said = " ".join(found.group().split())
                yield Found(passage.loc, f'{passage.name} says "{said}", which is no traffic light label.', flaw.hint)


@check("MRK10", Severity.LOOK)
def typed_into_text(material: Material) -> Iterator[Found]:
    """A marking stands in a text, and not in the field that is there for it (S-08, S-09).

    *Why*: only from the field does the program know to put it first and last in the mail, into the subject, and to keep
    the item from those who may not read it.

    *Instead of*: title: OFFICIAL-SENSITIVE - Guides for reviews

    *Write*: title: Guides for reviews, and marking: OFFICIAL-SENSITIVE
    """
    for passage in passages(material):
        owner = passage.item or material.issue
        marking = None if owner.marking else _MARKING.search(passage.words)
        label = None if passage.item is None or passage.item.tlp else _LABEL.search(passage.words)
        if label and markings.parse_tlp(label.group()):
            label = None  # misspelt, which MRK09 tells
        for field, typed in (("marking", marking), ("tlp", label)):
            # What everyone would read in spite of it is MRK01's to tell.
            if typed and (passage.item is None or passage.item.restricted or not _keeps(typed.group())):
                said = typed.group().strip(" :.-")
                yield Found(
                    passage.loc, f'{passage.name} holds the marking "{said}".', f'Move it into the field "{field}".'
                )


def _keeps(typed: str) -> bool:
    """Whether a marking or label keeps what it stands in from anybody."""
    return "SENSITIVE" in typed or (typed.upper().startswith("TLP") and not typed.upper().endswith(("CLEAR", "WHITE")))


def _when(end: dt.datetime) -> str:
    return f"{end.day} {end:%B %Y} at {end:%H:%M}"
