"""Which audience an address belongs to. Pure."""

from __future__ import annotations

from bulletin.config import Config
from bulletin.model import EVERYONE


def audience_of(address: str, config: Config) -> str:
    """The first audience, in the order of the settings, that names the address's exact domain; else everyone.

    A suffix is never enough: commissioners and national bodies hold names under police.uk too (S-26).
    """
    domain = domain_of(address)
    return next((audience.id for audience in config.audiences if domain in audience.domains), EVERYONE)


def domain_of(address: str) -> str:
    """What stands after the @, in small letters."""
    return address.rpartition("@")[2].lower()
