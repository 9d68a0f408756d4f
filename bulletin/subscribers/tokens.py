"""Signed tokens in personal links. The link alone names the reader and cannot be made up by anybody else (L-03)."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bulletin.addresses import mailto
from bulletin.errors import BulletinError

UNSUBSCRIBE = "unsubscribe"
PREFERENCES = "preferences"
LONGEST_LINK = 250
"""Characters in a link, so that its header needs no fold inside the angle brackets (L-15)."""

LONGEST_LOCAL_PART = 64
"""Octets before the @ of an address (M-09)."""

_BOUNCE = re.compile(r"\+[bB]([A-Za-z0-9]{1,40})-([A-Za-z2-7]{16})(?:-([A-Za-z0-9._-]+))?\Z")
_LENGTH = 52
_BLOCK = hashlib.sha512().block_size
_TO_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_TOKEN = re.compile(r"([A-Za-z0-9]{1,40})_([a-z2-7]{52})\Z")


def make_token(secret: bytes, purpose: str, subscriber: str) -> str:
    """A token for one purpose and one subscriber, of letters, digits and one underscore (Z-08, G-06).

    It does not expire: a link in an old bulletin must still let its reader leave (L-10).
    """
    both = _signatures_of_links(secret, subscriber)
    return f"{subscriber}_{both[:_LENGTH] if purpose == UNSUBSCRIBE else both[_LENGTH:]}"


def read_token(secret: bytes, purpose: str, token: str) -> str | None:
    """The subscriber's id, if the token was made for this purpose with this secret; else None."""
    found = _TOKEN.match(token)
    if found is None:
        return None
    # Before, each link had a signature of its own; those links stand in mails that were sent.
    good = (make_token(secret, purpose, found[1]), f"{found[1]}_{_signature(secret, purpose, found[1])}")
    return found[1] if any(hmac.compare_digest(token, known) for known in good) else None


def bounce_address(secret: bytes, mailbox: str, key: str) -> str:
    """The envelope sender of one delivery, where its bounces arrive: signed, without the reader's address (V-01).

    `mailbox` is the setting `[sender] bounces`, `key` the delivery's. The name of the mailing is left out where it does
    not fit into the `LONGEST_LOCAL_PART` octets that stand before the @.
    """
    local, _, domain = mailbox.rpartition("@")
    mailing, _, subscriber = key.rpartition(":")
    for named in (mailing, ""):
        after = f"-{named}" if named else ""
        made = f"{local}+b{subscriber}-{_bounce_signature(secret, subscriber, named)}{after}"
        if len(made) <= LONGEST_LOCAL_PART and re.fullmatch(r"[A-Za-z0-9._-]*", named):
            return f"{made}@{domain}"
    raise BulletinError(
        f"the envelope of a mail would be longer than {LONGEST_LOCAL_PART} characters before its @; nothing was sent.",
        hint="Use a shorter mailbox for bounces under [sender].",
    )


def read_bounce(secret: bytes, local_part: str) -> tuple[str, str] | None:
    """The mailing (empty where it was left out) and the subscriber of a bounce, by what stands before the @.

    None unless `bounce_address` made it with this secret (V-03). Letter case does not matter, as some mail servers
    change it; the mailing comes as it is written there.
    """
    found = _BOUNCE.search(local_part)
    if not found:
        return None
    subscriber, signature, mailing = found[1].lower(), found[2].lower(), found[3] or ""
    if hmac.compare_digest(signature, _bounce_signature(secret, subscriber, mailing)):
        return mailing, subscriber
    return None


def new_token() -> str:
    """A random token of letters and digits with 160 bits, for a link that works once (Z-08)."""
    return b32encode(secrets.token_bytes(20)).decode().lower()


def hash_of_token(token: str) -> str:
    """What is stored in place of a random token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class AddressHashes:
    """Makes the keyed hashes under which suppressed addresses are kept (P-22): HMAC-SHA-256, with a key of its own."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"bulletin suppression list", hashlib.sha256)
        self.key_id = hmac.digest(self._key, b"name of this key", hashlib.sha256).hex()[:16]
        """Tells which secret was used without telling the secret."""

    def of(self, email: str) -> str:
        """The hash of a normalised address, in hexadecimal."""
        return hmac.digest(self._key, email.encode(), hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class Links:
    """Makes a reader's personal links. `service_url` ends in a slash; its host comes from the settings only (Z-06)."""

    service_url: str
    secret: bytes = field(repr=False)
    mailbox: str = ""
    """Where there are no pages: readers write here, with their token in the subject."""

    def __post_init__(self) -> None:
        if not self.mailbox and not self.service_url.startswith("https://"):
            raise BulletinError(
                f"personal links would start with {self.service_url}, which is not secure.",
                hint="One-click unsubscribe needs https:// (RFC 8058). Correct service_url under [web].",
            )
        length = len(self.personal("x" * 40, "")["unsubscribe_url"])
        if length > LONGEST_LINK:
            raise BulletinError(
                f"unsubscribe links would be up to {length} characters long; {LONGEST_LINK} is the limit.",
                hint="Use a shorter service_url under [web].",
            )

    def personal(self, subscriber: str, address: str) -> Mapping[str, str]:
        """A value for each of `model.PERSONAL_FIELDS`."""
        both = _signatures_of_links(self.secret, subscriber)
        return {
            "unsubscribe_url": self._link(UNSUBSCRIBE, f"{subscriber}_{both[:_LENGTH]}"),
            "preferences_url": self._link(PREFERENCES, f"{subscriber}_{both[_LENGTH:]}"),
            "address": address,
        }

    def personal_of_all(self, subscribers: Sequence[str], addresses: Sequence[str]) -> dict[str, Sequence[str]]:
        """The same for many readers, as columns."""
        signed = _signatures_of_all(self.secret, subscribers)
        leaving = [f"{subscriber}_{both[:_LENGTH]}" for subscriber, both in zip(subscribers, signed, strict=True)]
        choosing = [f"{subscriber}_{both[_LENGTH:]}" for subscriber, both in zip(subscribers, signed, strict=True)]
        return {
            "unsubscribe_url": self._links(UNSUBSCRIBE, leaving),
            "preferences_url": self._links(PREFERENCES, choosing),
            "address": addresses,
        }

    def _links(self, purpose: str, tokens: Sequence[str]) -> list[str]:
        if self.mailbox:
            return [self._link(purpose, token) for token in tokens]
        start = self._link(purpose, "")
        return [start + token for token in tokens]

    def _link(self, purpose: str, token: str) -> str:
        return mailto(self.mailbox, f"{purpose} {token}") if self.mailbox else f"{self.service_url}{purpose}/{token}"


def _signature(secret: bytes, purpose: str, subscriber: str) -> str:
    message = f"bulletin link\0{purpose}\0{subscriber}".encode()
    return b32encode(hmac.digest(secret, message, hashlib.sha256)).decode().rstrip("=").lower()


def _signatures_of_links(secret: bytes, subscriber: str) -> str:
    """Of both links at once, one after the other: 208 bits each of one HMAC-SHA-512, so that neither tells the other.

    In the letters a to p, four bits each: to write it in base 32 would take longer than to work it out.
    """
    made = hmac.digest(secret, b"bulletin links\0" + subscriber.encode(), "sha512")
    return made.hex()[: 2 * _LENGTH].translate(_TO_LETTERS)


def _signatures_of_all(secret: bytes, subscribers: Iterable[str]) -> list[str]:
    """The same for many. What does not differ of HMAC (RFC 2104) is worked out once, which takes less than half."""
    key = (secret if len(secret) <= _BLOCK else hashlib.sha512(secret).digest()).ljust(_BLOCK, b"\0")
    inner, outer = (hashlib.sha512(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))
    inner.update(b"bulletin links\0")
    made: list[bytes] = []
    for subscriber in subscribers:
        inside, around = inner.copy(), outer.copy()
        inside.update(subscriber.encode())
        around.update(inside.digest())
        made.append(around.digest()[:_LENGTH])
    signs = b"".join(made).hex().translate(_TO_LETTERS)
    return [signs[start : start + 2 * _LENGTH] for start in range(0, len(signs), 2 * _LENGTH)]


def _bounce_signature(secret: bytes, subscriber: str, mailing: str) -> str:
    message = f"bulletin bounce\0{subscriber}\0{mailing.lower()}".encode()
    return b32encode(hmac.digest(secret, message, hashlib.sha256)[:10]).decode().lower()


FORM_WITHIN_S = 12 * 3600
"""How long a page with a form may stand open."""


def make_form_token(secret: bytes, path: str, now: dt.datetime) -> str:
    """Says that the form of this path was ours, and when it was shown (Z-02)."""
    shown = f"{now.timestamp():.0f}"
    return f"{shown}_{_signature(secret, f'form {path}', shown)}"


def form_token_is_good(secret: bytes, path: str, token: str, now: dt.datetime) -> bool:
    """Whether a form of this path carries our own word, and not too old a one."""
    found = _TOKEN.match(token)
    if found is None or not found[1].isdigit():
        return False
    good = hmac.compare_digest(found[2], _signature(secret, f"form {path}", found[1]))
    return good and -60 <= now.timestamp() - int(found[1]) <= FORM_WITHIN_S


def token_of_mail(secret: bytes, mail: str) -> str:
    """The token in the link of one mail: 160 bits that nobody else can make, and that need not be kept (Z-08)."""
    digest = hmac.digest(secret, f"bulletin link\0of a mail\0{mail}".encode(), hashlib.sha256)
    return b32encode(digest[:20]).decode().lower()
