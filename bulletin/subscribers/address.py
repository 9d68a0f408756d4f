"""Mail addresses: what is accepted at the door, and the one form in which an address is kept."""

from __future__ import annotations

import re

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")

_PLAIN = re.compile(
    r"[A-Za-z0-9_'+-]+(?:\.[A-Za-z0-9_'+-]+)*@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+"
    r"(?!(?:arpa|alt|internal|invalid|local|localhost|onion|test)\Z)[A-Za-z]{2,}\Z",
    re.IGNORECASE,
)
"""Addresses that need no judge; a test holds that the judge agrees."""
_PLAIN_LENGTH = 64
"""A whole address this short keeps within every limit of its parts (M-09)."""


class AddressRefused(ValueError):  # noqa: N818 - the address is refused; nothing went wrong
    """Says why an address cannot be mailed, without repeating it."""


def normalise(raw: str) -> str:
    """An address in small letters, its domain in ASCII (M-08), within the limits of RFC 5321 4.5.3.1 (M-09).

    Raises `AddressRefused` with a reason for people. A line break or NUL is refused, not cleaned away (M-10). Plain
    addresses are taken at once; of all others email-validator has the last word.
    """
    if len(raw) <= _PLAIN_LENGTH and _PLAIN.match(raw):
        return raw.lower()
    if re.search("[\r\n\0]", raw):
        raise AddressRefused("the address holds a line break or a NUL")
    local, at, domain = raw.strip(" \t").rpartition("@")
    if not at or not local or not domain:
        raise AddressRefused("this is not a mail address")
    if not local.isascii():
        raise AddressRefused("letters before the @ must be plain (a to z): the mail system cannot carry others")
    if not _LOCAL.match(local):
        raise AddressRefused("the part before the @ holds a sign that cannot be mailed")
    if len(local) > 64:
        raise AddressRefused("the part before the @ is longer than 64 characters")
    domain = _ascii_domain(domain)
    if len(local) + 1 + len(domain) > 254:
        raise AddressRefused("the address is longer than 254 characters")
    return _judged(f"{local.lower()}@{domain}")


def _judged(address: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        # Nothing is asked on the network; domains for tests may be there.
        judged = validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        if "reserved" in str(error) or "special-use" in str(error):
            raise AddressRefused("the part after the @ is a name that no mail reaches") from None
        raise AddressRefused("the part after the @ is not a domain name") from None
    return f"{judged.local_part}@{judged.ascii_domain}".lower()


def _ascii_domain(domain: str) -> str:
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            raise AddressRefused("the part after the @ is not a domain name") from None
    domain = domain.lower()
    if not _DOMAIN.match(domain) or len(domain) > 253 or domain.rpartition(".")[2].isdigit():
        raise AddressRefused("the part after the @ is not a domain name")
    return domain


def masked(address: str) -> str:
    """An address as bystanders may see it, and whoever knows it can tell it: j***@example.com (Z-20)."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
