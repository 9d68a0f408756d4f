"""SPF: which servers may send for a domain (RFC 7208).

Nothing is decided about one server here. The record is read as a whole, with all it points to, because one fault
anywhere in it makes receivers throw it all away.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bulletin.domains._line import Line, Look, State, shown

MOST_LOOKUPS: Final = 10
"""Terms that make a receiver ask the DNS, in the record and all it includes (RFC 7208 4.6.4, K-06)."""
MOST_VOID: Final = 2
"""Of those, how many may lead to nothing (RFC 7208 4.6.4)."""

_MECHANISM: Final = re.compile(r"([+~?-]?)([A-Za-z][A-Za-z0-9]*)(?::([^/]*))?((?:/\d+)?(?://\d+)?)\Z")
_IP: Final = re.compile(r"([+~?-]?)(ip4|ip6):(\S+)\Z", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)\Z", re.DOTALL)
_TARGET: Final = re.compile(r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9-]+\.?\Z")
_MACRO: Final = re.compile(r"%(?:\{[slodiphcrtv]\d*r?[.+,/_=-]*\}|[%_-])", re.IGNORECASE)
_ASKING: Final = ("include", "a", "mx", "ptr", "exists")
_MOST_SIGNS: Final = 4000


@dataclass(frozen=True, slots=True)
class Term:
    """One mechanism: `-all`, `include:example.org`, `ip4:192.0.2.0/24`."""

    sign: str
    name: str
    value: str


@dataclass(slots=True)
class Record:
    """One record, read. `faults` says what receivers would stumble over."""

    terms: list[Term] = field(default_factory=list)
    redirect: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def ending(self) -> str:
        """`-all`, `~all`, `?all`, `+all`; nothing if the record has none."""
        return next((f"{term.sign}all" for term in self.terms if term.name == "all"), "")


@dataclass(slots=True)
class Reach:
    """All that a record leads to."""

    lookups: int = 0
    void: int = 0
    included: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    ending: str = ""
    uses_ptr: bool = False


def is_spf(record: str) -> bool:
    """Whether a text record is an SPF record (RFC 7208 4.5)."""
    return bool(re.match(r"v=spf1(?: |\Z)", record, re.IGNORECASE))


def read(record: str) -> Record:
    """A record taken apart. Never raises."""
    found = Record()
    names: set[str] = set()
    for word in record[:_MOST_SIGNS].split(" ")[1:]:
        if not word:
            continue
        modifier = _MODIFIER.match(word)
        if modifier:
            name = modifier[1].lower()
            if name in names and name in ("redirect", "exp"):
                found.faults.append(f'"{name}" stands twice')
            names.add(name)
            if name == "redirect":
                found.redirect = modifier[2]
                if not _is_target(modifier[2]):
                    found.faults.append(f'"{shown(word)}" names no domain')
            continue
        term, fault = _term(word)
        if term:
            found.terms.append(term)
        else:
            found.faults.append(fault)
    return found


def _term(word: str) -> tuple[Term | None, str]:
    """A mechanism, or what is wrong with it."""
    address = _IP.match(word)
    if address:
        return _address(word, address[1] or "+", address[2].lower(), address[3])
    parts = _MECHANISM.match(word)
    if not parts:
        return None, f'"{shown(word)}" is not a term that SPF knows'
    sign, name, target, length = parts[1] or "+", parts[2].lower(), parts[3], parts[4]
    known = name in _ASKING or (name == "all" and target is None)
    fault = ""
    if not known or (length and name not in ("a", "mx")):
        fault = "is not a term that SPF knows"
    elif (name in ("include", "exists") and not target) or (target is not None and not _is_target(target)):
        fault = "names no domain"
    elif any(int(bits[:4]) > most for bits, most in zip(re.findall(r"\d+", length), _lengths(length), strict=True)):
        fault = 'has a number that is too big after the "/"'
    return (None, f'"{shown(word)}" {fault}') if fault else (Term(sign, name, target or ""), "")


def _address(word: str, sign: str, kind: str, value: str) -> tuple[Term | None, str]:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None, f'"{shown(word)}" holds no address'
    if network.version != int(kind[2]):
        return None, f'"{shown(word)}" holds an address of the other kind'
    return Term(sign, kind, value), ""


def _lengths(length: str) -> list[int]:
    return [128] if length.startswith("//") else [32, 128][: len(re.findall(r"\d+", length))]


def _is_target(text: str) -> bool:
    return bool(_TARGET.match(_MACRO.sub("x", text))) or (bool(_MACRO.search(text)) and " " not in text)


def follow(domain: str, record: str, look: Look) -> Reach:
    """All that a record leads to, counted as a receiver would count. Raises `NotAskedError` only."""
    reach = Reach()
    reach.ending = _follow(domain, record, look, reach, (domain.lower(),))
    return reach


def _follow(domain: str, record: str, look: Look, reach: Reach, way: tuple[str, ...]) -> str:
    """Add what this record leads to; gives its ending."""
    found = read(record)
    place = "" if len(way) == 1 else f"{domain}: "
    reach.faults += [f"{place}{fault}" for fault in found.faults]
    for term in found.terms:
        if term.name == "all":
            return f"{term.sign}all"  # what comes after it is never read
        if term.name not in _ASKING or reach.lookups > MOST_LOOKUPS:
            continue
        reach.lookups += 1
        reach.uses_ptr = reach.uses_ptr or term.name == "ptr"
        target = (term.value or domain).rstrip(".").lower()
        if "%" in target:
            continue  # it depends on the message
        if term.name == "include":
            reach.included.add(target)
            _into(target, look, reach, way)
        elif term.name in ("a", "mx"):
            reach.void += not _anything(target, term.name.upper(), look)
    if found.redirect and "%" not in found.redirect and reach.lookups <= MOST_LOOKUPS:
        reach.lookups += 1
        return _into(found.redirect.rstrip(".").lower(), look, reach, way)
    return ""


def _into(target: str, look: Look, reach: Reach, way: tuple[str, ...]) -> str:
    if reach.lookups > MOST_LOOKUPS:
        return ""
    if target in way:
        reach.faults.append(f"{target} leads back to itself")
        return ""
    answer = look(target, "TXT")
    records = [text for text in answer.records if is_spf(text)]
    if not records:
        reach.void += not answer.records
        reach.faults.append(f"{target} is pointed to and has no SPF record")
        return ""
    if len(records) > 1:
        reach.faults.append(f"{target} has {len(records)} SPF records")
        return ""
    return _follow(target, records[0], look, reach, (*way, target))


def _anything(name: str, kind: str, look: Look) -> bool:
    return bool(look(name, kind).records) or (kind == "A" and bool(look(name, "AAAA").records))


def lines(domain: str, look: Look, *, include: str = "") -> Iterator[Line]:
    """How the SPF of the domain in the envelope stands. `include` is what the mail service wants included, if known."""
    answer = look(domain, "TXT")
    records = [text for text in answer.records if is_spf(text)]
    wanted = f"v=spf1 include:{include} -all" if include else "v=spf1 mx -all"
    rule = "B-02 SPF"
    if not records:
        near = next((text for text in answer.records if re.match(r"\W*v\W*spf", text, re.IGNORECASE)), "")
        what = f'SPF: {domain} has "{shown(near)}", which is not an SPF record.' if near else f"SPF: {domain} has none."
        yield Line(State.FAIL, what, f'Ask who runs the domain to add the text record "{wanted}", made to fit.', rule)
        return
    if len(records) > 1:
        hint = "Make one of them: receivers throw all of them away."
        yield Line(State.FAIL, f"SPF: {domain} has {len(records)} records.", hint, rule)
        return
    reach = follow(domain, records[0], look)
    fault = _worst(reach)
    if fault:
        yield Line(State.FAIL, f"SPF: {domain}: {fault}.", _hint(reach), rule)
        return
    if reach.ending == "+all":
        yield Line(State.FAIL, f"SPF: {domain} lets anybody send (+all).", "End the record with -all or ~all.", rule)
        return
    if include and include not in reach.included:
        hint = f"Add include:{include} to the record, before its last term."
        yield Line(State.FAIL, f"SPF: {domain} does not let your mail service send.", hint, rule)
        return
    counted = f"{reach.lookups} of {MOST_LOOKUPS} look-ups"
    yield Line(State.PASS, f"SPF: {domain} says who may send for it ({counted}).", rule=rule)
    if reach.ending in ("", "?all"):
        said = (
            "does not say what to do with mail of others" if not reach.ending else "ends in ?all, which forbids nobody"
        )
        yield Line(State.LOOK, f"SPF ending: {domain} {said}.", "End the record with -all, or ~all while you test.")
    else:
        yield Line(State.PASS, f"SPF ending: {reach.ending}.")
    if reach.uses_ptr:
        yield Line(State.LOOK, f"SPF: {domain} uses ptr, which is slow and given up.", "Use ip4, ip6, a or mx instead.")


def _worst(reach: Reach) -> str:
    if reach.lookups > MOST_LOOKUPS:
        return f"it needs more than {MOST_LOOKUPS} look-ups, so receivers throw it away"
    if reach.faults:
        return reach.faults[0]
    if reach.void > MOST_VOID:
        return f"{reach.void} of the names in it lead to nothing, and {MOST_VOID} are allowed"
    return ""


def _hint(reach: Reach) -> str:
    if reach.lookups > MOST_LOOKUPS:
        return "Take out services that are no longer used, or write their addresses with ip4 and ip6."
    return "Ask who runs the domain to correct the record: one fault makes receivers throw all of it away."
