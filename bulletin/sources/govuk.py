"""Feeds of GOV.UK: an ordinary feed, with the days that its content API knows better.

A feed of GOV.UK tells only when a page was last changed, so that an old page looks new. The content API, on the same
host below `/api/content`, also says when it was first published.
"""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlsplit

from bulletin.model import Candidate
from bulletin.sources import feed
from bulletin.sources._dates import day
from bulletin.sources._source import Document, Request, Spec, UnreadableError

request = feed.request
read = feed.read
more = feed.more
rests = feed.rests


def detail(candidate: Candidate, spec: Spec) -> Request | None:
    """Where the days of a story stand; None for a story on another host than the feed's own."""
    story, source = urlsplit(candidate.url), urlsplit(spec.url)
    if story.netloc.lower() != source.netloc.lower() or story.path.startswith("/api/"):
        return None
    return Request(url=f"{story.scheme}://{story.netloc}/api/content{story.path}", accept="application/json")


def with_detail(candidate: Candidate, document: Document, spec: Spec) -> Candidate:
    """The candidate with the day it was first published, and that of its last change. Raises `UnreadableError`."""
    try:
        content = json.loads(document.body)
        first, changed = content.get("first_published_at"), content.get("public_updated_at")
    except (ValueError, AttributeError, RecursionError):
        raise UnreadableError("is not what the content API gives") from None
    published = day(first, spec.zone, spec.today) if isinstance(first, str) else None
    updated = day(changed, spec.zone, spec.today) if isinstance(changed, str) else candidate.published
    if published is None:
        return candidate
    latest = max(filter(None, (updated, candidate.published)), default=None)
    return replace(candidate, published=published, updated=latest if latest and latest > published else None)
