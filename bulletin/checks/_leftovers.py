"""Placeholders of our own new issues, of other mailing tools, and of people in a hurry."""

from __future__ import annotations

import re

# Words a placeholder begins with; quotations use brackets too, for words such as "the" and "your".
_FILL_IN = (
    r"add|alt text|choose|closing date|date|deadline|describe|description|email|enter|fill in|first name|headline|"
    r"image|insert|issue (?:date|number)|link|location|month|name(?! withheld| changed| removed)|number|organisation|"
    r"photo|picture|place(?:holder)|replace|select|speaker|subject|summary|surname|tbc|text|time|title|todo|topic|"
    r"url|venue|xx+|year|your (?:name|text|organisation|title|link|message)"
)
_LEFTOVERS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        # Whole lines in brackets are what `bulletin new` leaves to be replaced.
        r"^\s*\[(?!sic\])[^\]\d][^\]]{2,}\]\s*[.:]?$",
        rf"\[\[?(?i:{_FILL_IN})\b[^\]]*\]\]?",
        r"\[[A-Z][A-Z_ ]{3,}\]",
        rf"<(?i:{_FILL_IN})\b[^<>]*>",
        r"\b(?:TODO|TBC|TBA|TBD|FIXME)\b",
        # A number to come, but not Part XX of an Act.
        r"(?<![Pp]art )(?<![Cc]hapter )(?<![Ss]chedule )(?<![Vv]olume )\b\d*X{2,}\b",
        r"\bxx+\b",
        r"(?i:lorem ipsum|dolor sit amet)",
        r"\{\{.*?\}\}|\{%.*?%\}|\$\{\w+\}|<%.*?%>",
        r"\*\|[A-Z0-9_:.]+\|\*",
        r"%recipient\.[\w.]+%|%%[\w ]+%%|%[A-Z][A-Z_]{2,}%|#\{\w+\}",
        r"\(\([A-Za-z][\w -]*\)\)",
        r"(?i:^\s*(?:type|enter|add|write) (?:an?|the|your|some|text|title|link|picture|summary)\b.*\b(?:here|text)\b)",
        r"^\s*(?i:insert (?:a|an|the|your|text|title|link|picture|image|summary|name|date|here))\b",
        r"(?i:\b(?:headline|title|text|summary|link|picture|image|name|date) goes here\b)",
        r"(?i:\b(?:sample|dummy|placeholder) text\b)",
        r"(?i:\bclick (?:here )?to (?:add|edit) (?:text|title|a title|content|the text)\b)",
        r"\?{3,}",
    )
)


def leftover(words: str) -> str:
    """The first placeholder in a text, or nothing."""
    return next((match.group() for pattern in _LEFTOVERS if (match := pattern.search(words))), "")
