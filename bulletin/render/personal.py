"""Markers: where a recipient's own values go in a rendered edition, and putting them there."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType

from bulletin.addresses import mailto
from bulletin.config import Config
from bulletin.errors import BulletinError
from bulletin.model import PERSONAL_FIELDS, Edition, RenderedEdition

_MARKER_DIGITS = 24
"""Hexadecimal digits of a marker: 96 bits, which nobody meets by accident or finds by trying."""
_LONGEST_LINK = 250


def markers(edition: Edition, secret: bytes) -> Mapping[str, str]:
    """A marker for each of `PERSONAL_FIELDS`: the same for the same content, and not to be guessed by who writes it."""
    content = json.dumps(asdict(edition), default=str, sort_keys=True, ensure_ascii=False).encode()
    digest = hashlib.sha256(content).hexdigest()
    made = {
        field: "px" + hmac.new(secret, f"marker:{field}:{digest}".encode(), hashlib.sha256).hexdigest()[:_MARKER_DIGITS]
        for field in PERSONAL_FIELDS
    }
    if any(marker.encode() in content for marker in made.values()):
        raise BulletinError(
            "the issue's text holds a marker of personal values.", hint="Change BULLETIN_SECRET and render again."
        )
    return MappingProxyType(made)


def fill(rendered: RenderedEdition, personal: Mapping[str, str]) -> tuple[str, str]:
    """One reader's HTML and text: `personal` gives a value for each of `PERSONAL_FIELDS`.

    Values are escaped for HTML, and put into the text as they are (H-26). A value that looks like a marker stays a
    value. Raises `BulletinError` if one is missing or holds a line break.
    """
    values = {rendered.markers[field]: _checked(field, personal) for field in PERSONAL_FIELDS}
    any_marker = re.compile("|".join(values))
    return (
        any_marker.sub(lambda found: html.escape(values[found[0]]), rendered.html),
        any_marker.sub(lambda found: values[found[0]], rendered.text),
    )


def sample_personal(config: Config) -> dict[str, str]:
    """Sample values for looking at an edition: nobody's address, and links that lead nowhere in particular."""
    return {
        "unsubscribe_url": _link(config, "unsubscribe", "sample"),
        "preferences_url": _link(config, "preferences", "sample"),
        "address": "reader@example.org",
    }


def longest_personal(config: Config) -> dict[str, str]:
    """The longest values a reader can have, for limits on the finished bytes (G-01): RFC 5321's 254 for an address,
    and links as long as `subscribers.tokens` lets them be."""
    return {
        "unsubscribe_url": _link(config, "unsubscribe", "").ljust(_LONGEST_LINK, "x"),
        "preferences_url": _link(config, "preferences", "").ljust(_LONGEST_LINK, "x"),
        "address": f"{'reader' * 10}@{'long.' * 36}example.org",
    }


def _link(config: Config, purpose: str, token: str) -> str:
    if config.leave_by_mail:
        return mailto(config.leave_by_mail, f"{purpose} {token}")
    return f"{config.service_url}{purpose}/{token}"


def _checked(field: str, personal: Mapping[str, str]) -> str:
    value = personal.get(field)
    if value is None:
        raise BulletinError(
            f'a reader\'s copy needs a value for "{field}".', hint=f"Needed: {', '.join(PERSONAL_FIELDS)}."
        )
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise BulletinError(
            f'the value for "{field}" holds a line break or another control character.',
            hint="Correct it and try again.",
        )
    return value
