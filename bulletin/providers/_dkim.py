"""DKIM signatures (RFC 6376) of the copies of a mailing: what all copies share is worked out once."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bulletin.errors import BulletinError

SMALLEST_RSA_KEY = 2048
"""Bits (K-02)."""

_SIGNED = (
    *("from", "date", "subject", "to", "reply-to", "message-id", "mime-version", "content-type"),
    *("feedback-id", "auto-submitted", "content-language"),
)
"""Headers under the signature where they stand, beside all that start with List- (K-01, L-04)."""
_ONCE_MORE = ("from", "subject")
"""Named once more than they stand, so that nobody can add another (K-01)."""
_LONG_PIECE = 256
"""Octets from which on the relaxed form of a piece of the body is kept for the next copy."""


@dataclass(frozen=True, slots=True)
class Key:
    """A private key with its name in the DNS."""

    selector: str
    algorithm: str
    """rsa-sha256 or ed25519-sha256: a= of the signature."""
    sign: Callable[[bytes], bytes] = field(repr=False)
    """The raw signature of the canonical header."""


def read_key(selector: str, pem: str, *, where: str, second: bool = False) -> Key:
    """A key from its PEM text: RSA, or Ed25519 as a second one beside it (K-02, K-03).

    Raises `BulletinError` if there is no such key at `where`, or a weaker one; it tells nothing of the key.
    """
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
    except ModuleNotFoundError:
        raise BulletinError(
            "signing mail needs a part that is not installed.", hint="Run: pip install 'bulletin[signing]'"
        ) from None
    try:
        key = serialization.load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        raise BulletinError(
            f"{where} holds no private key for DKIM.",
            hint="It must be PEM without a password: -----BEGIN PRIVATE KEY-----",
        ) from None
    if isinstance(key, rsa.RSAPrivateKey) and not second:
        if key.key_size < SMALLEST_RSA_KEY:
            raise BulletinError(
                f"the DKIM key in {where} has {key.key_size} bits, which is too weak.",
                hint=f"Make one with {SMALLEST_RSA_KEY}: openssl genrsa {SMALLEST_RSA_KEY}",
            )
        scheme, digest = padding.PKCS1v15(), hashes.SHA256()
        return Key(selector, "rsa-sha256", lambda data: key.sign(data, scheme, digest))
    if isinstance(key, ed25519.Ed25519PrivateKey) and second:
        return Key(selector, "ed25519-sha256", lambda data: key.sign(hashlib.sha256(data).digest()))
    kind = "an Ed25519 key" if second else "an RSA key"
    raise BulletinError(
        f"the DKIM key in {where} is of another kind than expected.",
        hint=f"Here it must be {kind}: receivers know RSA, and some of them Ed25519 beside it.",
    )


def read_key_file(path: str) -> str:
    """The text of a key's file. Raises `BulletinError` if it is not there, or others may read it."""
    try:
        mode = Path(path).stat().st_mode
        text = Path(path).read_text("ascii")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise BulletinError(
            f"the DKIM key in {path} cannot be read: {reason}.", hint="Correct it under [providers.smtp]."
        ) from None
    if os.name == "posix" and mode & 0o077:
        raise BulletinError(f"others on this machine may read the DKIM key in {path}.", hint=f"Run: chmod 600 {path}")
    return text


class Signer:
    """Signs messages for a domain with one key, or with each of two."""

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        self._domain, self._keys = domain, tuple(keys)
        self._relaxed: dict[bytes, bytes] = {}
        self._header = lru_cache(maxsize=256)(_relaxed_header)

    def signatures(self, head: bytes, body: Sequence[bytes], *, date: dt.datetime) -> bytes:
        """The lines to put before the header of a message, which is as `render.message.Message.pieces` gives it."""
        headers = dict(self._header(line) for line in re.split(rb"\r\n(?![ \t])", head) if line)
        names = [name for name in headers if name in _SIGNED or name.startswith("list-")]
        canonical = b"".join([headers[name] for name in names])
        named = _folded_names([*names, *_ONCE_MORE])
        digest = b64encode(self._body_digest(body)).decode()
        lines = []
        for key in self._keys:
            start = (
                f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed; d={self._domain};\r\n"
                f" s={key.selector}; t={int(date.timestamp())};\r\n h={named};\r\n bh={digest};\r\n b="
            ).encode()
            own = _relaxed_header(start)[1].removesuffix(b"\r\n")
            signature = b64encode(key.sign(canonical + own))
            lines.append(
                start + b"\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72)) + b"\r\n"
            )
        return b"".join(lines)

    def _body_digest(self, body: Sequence[bytes]) -> bytes:
        digest = hashlib.sha256()
        for piece in body:
            digest.update(self._relaxed_piece(piece))
        return digest.digest()

    def _relaxed_piece(self, piece: bytes) -> bytes:
        """White space in its relaxed form (RFC 6376 3.4.4)."""
        if len(piece) < _LONG_PIECE:
            return _relaxed_body(piece)
        known = self._relaxed.get(piece)
        if known is None:
            known = self._relaxed[piece] = _relaxed_body(piece)
        return known


def _relaxed_body(piece: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", re.sub(rb"[ \t]+(?=\r\n)", b"", piece))


def _relaxed_header(line: bytes) -> tuple[str, bytes]:
    """Its name, and the header in its relaxed form (RFC 6376 3.4.2)."""
    name, _, value = line.partition(b":")
    low = name.strip().lower()
    flat = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return low.decode("ascii"), low + b":" + flat + b"\r\n"


def _folded_names(names: Sequence[str]) -> str:
    lines = [""]
    for number, name in enumerate(names):
        if len(lines[-1]) + len(name) > 70:
            lines.append("")
        lines[-1] += name + (":" if number < len(names) - 1 else "")
    return "\r\n  ".join(lines)
