"""Which audience an address belongs to. Pure but for the packaged list of forces."""

from __future__ import annotations

from functools import lru_cache

from bulletin.config import AudienceSetting, Config
from bulletin.model import EVERYONE


def audience_of(address: str, config: Config) -> str:
    """The first audience, in the order of the settings, that names the address's exact domain; else everyone.

    A suffix is never enough: commissioners and national bodies hold names under police.uk too (S-26).
    """
    domain = domain_of(address)
    return next((audience.id for audience in config.audiences if domain in domains_of(audience)), EVERYONE)


def domains_of(audience: AudienceSetting) -> frozenset[str]:
    """Every exact domain of an audience, the packaged ones of police forces included if its setting says so."""
    return _domains(audience.domains, audience.forces)


def why_member(domain: str, audience: AudienceSetting) -> str:
    """Why a domain belongs to an audience, for people; empty if it does not."""
    if domain in audience.domains:
        return f"exact domain {domain}, named in the settings"
    if audience.forces:
        from bulletin.subscribers.forces import force_domains

        if force := force_domains().get(domain):
            return f"exact domain {domain}, {force}"
    return ""


def domain_of(address: str) -> str:
    """What stands after the @, in small letters."""
    return address.rpartition("@")[2].lower()


@lru_cache(maxsize=64)
def _domains(named: tuple[str, ...], forces: bool) -> frozenset[str]:
    if not forces:
        return frozenset(named)
    from bulletin.subscribers.forces import force_domains

    return frozenset({*named, *force_domains()})
