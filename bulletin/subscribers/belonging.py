"""Which audience a reader belongs to, and why. Pure but for the packaged list of forces.

For one reader at a time; `audience` asks the same of all of them at once, and a test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import lru_cache

from bulletin.config import AudienceSetting, Config
from bulletin.model import EVERYONE, Subscriber

_SMALL = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def audience_of(person: Subscriber, lists: Collection[str], config: Config) -> str:
    """The first audience, in the order of the settings, that a reader with these lists belongs to; else everyone."""
    return next((known.id for known in config.audiences if why_member(person, lists, known, config)), EVERYONE)


def audience_of_address(address: str, config: Config) -> str:
    """The audience of an address of which nothing else is known."""
    return audience_of(Subscriber(id="", email=address), (), config)


def why_member(person: Subscriber, lists: Collection[str], audience: AudienceSetting, config: Config) -> str:
    """Why a reader belongs to an audience, for people; empty if they do not.

    Everything that the setting names has to fit; of several domains, lists, roles and so on, one is enough. A suffix of
    a domain never is: commissioners and national bodies hold names under police.uk too (S-26).
    """
    reasons = list(_reasons(person, lists, audience, config))
    return "; ".join(reasons) if all(reasons) else ""


def goes_with_address(person: Subscriber, lists: Collection[str], email: str, config: Config) -> bool:
    """Whether a reader may take what they get to another address by their own word.

    Not what is kept for an audience that goes by no domain: nobody would have looked at the new address (S-26).
    """
    moved = replace(person, email=email)
    known = next((one for one in config.audiences if why_member(moved, lists, one, config)), None)
    same_domain = domain_of(email) == domain_of(person.email)
    return known is None or bool(known.domains or known.forces) or same_domain


def domains_of(audience: AudienceSetting) -> frozenset[str]:
    """Every exact domain of an audience, the packaged ones of police forces included if its setting says so."""
    return _domains(audience.domains, audience.forces)


def domain_of(address: str) -> str:
    """What stands after the @, in small letters."""
    return address.rpartition("@")[2].lower()


def folded(text: str) -> str:
    """With the letters A to Z made small, and no others: the databases agree on nothing more."""
    return text.translate(_SMALL)


def tongue(language: str, config: Config) -> str:
    """The first part of a reader's language, en of en-GB; the publication's own if they named none."""
    return folded(language or config.language).partition("-")[0]


def _reasons(person: Subscriber, lists: Collection[str], audience: AudienceSetting, config: Config) -> Iterator[str]:
    """For each thing that the setting names, why it fits, or an empty text."""
    if audience.domains or audience.forces:
        yield _why_domain(domain_of(person.email), audience)
    if audience.lists:
        yield next((f"on the list {name}" for name in audience.lists if name in lists), "")
    if audience.organisations:
        yield _why_one("organisation", person.organisation, audience.organisations)
    if audience.roles:
        yield _why_one("role", person.role, audience.roles)
    if audience.topics:
        yield next((f"chose the topic {topic}" for topic in audience.topics if topic in person.topics), "")
    if audience.languages:
        reads = tongue(person.language, config)
        yield next((f"reads {tag}" for tag in audience.languages if tongue(tag, config) == reads), "")


def _why_domain(domain: str, audience: AudienceSetting) -> str:
    if domain in audience.domains:
        return f"exact domain {domain}, named in the settings"
    if audience.forces:
        from bulletin.subscribers.forces import force_domains

        if force := force_domains().get(domain):
            return f"exact domain {domain}, {force}"
    return ""


def _why_one(field: str, value: str, wanted: Collection[str]) -> str:
    return f"{field} {value}" if folded(value) in map(folded, wanted) else ""


@lru_cache(maxsize=64)
def _domains(named: tuple[str, ...], forces: bool) -> frozenset[str]:
    if not forces:
        return frozenset(named)
    from bulletin.subscribers.forces import force_domains

    return frozenset({*named, *force_domains()})
