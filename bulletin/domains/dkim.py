"""DKIM: the keys that a domain's signatures are checked with (RFC 6376, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bulletin.domains._line import Line, Look, State, shown, tags

LEAST_BITS: Final = 1024
"""Shorter RSA keys are refused (RFC 8301 3.2, K-02)."""
GOOD_BITS: Final = 2048
"""What an RSA key should have (K-02)."""
_ED25519_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """A key record, read. With a `fault` no signature passes; `notes` are worth a look."""

    kind: str = "rsa"
    bits: int = 0
    fault: str = ""
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether receivers can check signatures with it."""
        return not self.fault


def read(record: str) -> Key:
    """A key record taken apart. Never raises."""
    found = tags(record)
    if found is None or "p" not in found:
        return Key(fault="is not a key")
    kind = found.get("k", "rsa").lower()
    fault = _fault(found, kind)
    if fault:
        return Key(kind=kind, fault=fault)
    bits = _bits(kind, found["p"])
    if not bits:
        return Key(kind=kind, fault="is damaged: there is no key in it")
    if kind == "rsa" and bits < LEAST_BITS:
        return Key(kind=kind, bits=bits, fault=f"has {bits} bits, and fewer than {LEAST_BITS} are refused")
    notes = []
    if kind == "rsa" and bits < GOOD_BITS:
        notes.append(f"has {bits} bits; {GOOD_BITS} are recommended")
    if "y" in _parts(found.get("t", "")):
        notes.append("says that it is only being tested (t=y)")
    return Key(kind=kind, bits=bits, notes=tuple(notes))


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.lower().split(":")]


def _fault(found: dict[str, str], kind: str) -> str:
    """Why receivers would not use the key, whatever it is."""
    if "v" in found and (found["v"] != "DKIM1" or next(iter(found)) != "v"):
        return 'does not start with "v=DKIM1"'
    if kind not in ("rsa", "ed25519"):
        return f'is of the kind "{shown(kind, 20)}", which receivers do not know'
    if "h" in found and "sha256" not in _parts(found["h"]):
        return "does not allow sha256, and older ways are refused"
    if not {"*", "email"} & set(_parts(found.get("s", "*"))):
        return "is not for mail"
    return "" if found["p"] else "was withdrawn: the record has no key in it any more"


def _bits(kind: str, text: str) -> int:
    """How long a key is; 0 if there is none."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return 0
    if kind == "ed25519":
        return 256 if len(data) == _ED25519_BYTES else 0
    from dkim.crypto import UnparsableKeyError, parse_public_key

    try:
        return int(parse_public_key(data)["modulus"]).bit_length()
    except (UnparsableKeyError, ValueError, TypeError, LookupError):
        return 0


def lines(domain: str, selectors: Sequence[str], look: Look) -> Iterator[Line]:
    """How the keys stand that the settings name. The first line answers B-02."""
    rule = "B-02 DKIM"
    if not selectors:
        hint = (
            "Send yourself a test, find DKIM-Signature in the message's source, "
            'and put what stands after "s=" into [sender], "dkim_selectors".'
        )
        yield Line(State.FAIL, f"DKIM: nobody named the key at {domain}, so none was looked at.", hint, rule)
        return
    keys = {selector: _key_at(f"{selector}._domainkey.{domain}", look) for selector in selectors}
    usable = {selector: key for selector, key in keys.items() if key.usable}
    rsa = {selector: key for selector, key in usable.items() if key.kind == "rsa"}
    first, worst = next(iter(keys.items()))
    if not rsa:
        only = "is an Ed25519 key; many receivers can only check RSA keys" if usable else worst.fault
        name = next(iter(usable or keys))
        hint = "Ask who runs your mail server or service for the right record, and who runs the domain to put it there."
        yield Line(State.FAIL, f"DKIM: the key {name or first}._domainkey.{domain} {only}.", hint, rule)
    else:
        named = ", ".join(f"{selector} ({key.bits} bits)" for selector, key in rsa.items())
        yield Line(State.PASS, f"DKIM: {domain} has the key {named}.", rule=rule)
    for selector, key in keys.items():
        name = f"{selector}._domainkey.{domain}"
        if key.fault and rsa:
            hint = 'Take it out of [sender], "dkim_selectors", or have the record corrected.'
            yield Line(State.LOOK, f"DKIM key {name}: it {key.fault}.", hint)
        for note in key.notes:
            hint = (
                "Have a new key of 2048 bits made." if "bits" in note else "Take out t=y when your tests have passed."
            )
            yield Line(State.LOOK, f"DKIM key {name}: it {note}.", hint)


def _key_at(name: str, look: Look) -> Key:
    records = look(name, "TXT").records
    if not records:
        return Key(fault="does not exist")
    if len(records) > 1:
        return Key(fault=f"has {len(records)} records, where only one may be")
    return read(records[0])
