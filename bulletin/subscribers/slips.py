"""Domains that look like a slip of the finger: one letter wrong, missing, too many, or two changed about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_USUAL: Final = (
    *("gmail.com", "googlemail.com", "hotmail.com", "hotmail.co.uk", "outlook.com", "outlook.co.uk", "live.co.uk"),
    *("yahoo.com", "yahoo.co.uk", "icloud.com", "btinternet.com", "sky.com", "talktalk.net", "virginmedia.com"),
    *("protonmail.com", "ntlworld.com", "blueyonder.co.uk", "tiscali.co.uk", "parliament.uk", "homeoffice.gov.uk"),
    *("justice.gov.uk", "cps.gov.uk", "college.police.uk", "npcc.police.uk"),
)
_REAL: Final = frozenset({"mail.com", "ymail.com", "email.com", "live.com", "gmx.com", "hotmail.fr", "yahoo.com.au"})
"""Close to a usual one, and real."""
_ENDS: Final = ("police.uk", "gov.uk", "nhs.net", "nhs.uk")


def meant(domain: str, known: tuple[str, ...] = ()) -> str:
    """The known domain somebody may have meant; empty if a domain is one of them, or like none of them."""
    exact, near = _index(known)
    if domain in exact or domain in _REAL:
        return ""
    found = next((near[key] for key in _keys(domain) if key in near and _slip(domain, near[key])), "")
    if found or domain.count(".") < 1:
        return found
    for end in _ENDS:
        parts = end.count(".") + 1
        labels = domain.split(".")
        tail = ".".join(labels[-parts:])
        if len(end) > 8 and tail != end and len(labels) > parts and _slip(tail, end):
            return ".".join([*labels[:-parts], end])
    return ""


@lru_cache(maxsize=8)
def _index(known: tuple[str, ...]) -> tuple[frozenset[str], dict[str, str]]:
    from bulletin.subscribers.forces import force_domains

    exact = frozenset({*_USUAL, *_ENDS, *known, *force_domains()})
    long = sorted(name for name in exact if len(name) > 8)
    return exact, {key: name for name in long for key in _keys(name)}


def _keys(domain: str) -> Iterator[str]:
    """The domain, and it with each sign left out: two that share one of these are close."""
    yield domain
    for place in range(len(domain)):
        yield domain[:place] + domain[place + 1 :]


def _slip(one: str, two: str) -> bool:
    """Whether one slip leads from one to the other: a sign wrong, missing or too many, or two neighbours changed."""
    if one == two or abs(len(one) - len(two)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    if len(one) != len(two):
        longer, shorter = (one, two) if len(one) > len(two) else (two, one)
        return longer[start + 1 :] == shorter[start:]
    swapped = one[start + 1 : start + 2] + one[start : start + 1] + one[start + 2 :]
    return one[start + 1 :] == two[start + 1 :] or swapped == two[start:]
