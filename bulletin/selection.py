"""Which candidates to offer to the editor, where they would fit, and why (F-26 to F-28). Pure: no clock, no network."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bulletin.addresses import same_story_key, without_tracking
from bulletin.config import Config, SourceSetting, TopicSetting
from bulletin.model import Candidate, Issue, Item
from bulletin.sources import SourceReport

_TELLING_WORDS: Final = 5
"""Words a headline needs before two sources with the same one are taken to tell the same story."""
_SAME_HEADLINE: Final = dt.timedelta(days=7)
_SLUG_LENGTH: Final = 48
_SMALL_WORDS: Final = re.compile(r"a|an|and|about|as|at|by|for|from|in|into|of|on|or|the|to|with")
_KINDS: Final = {"feed": "feed", "listing": "news page"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to offer, newest first, and what was left out, each with the reason."""

    new: tuple[Candidate, ...] = ()
    left_out: tuple[tuple[Candidate, str], ...] = ()


def choose(
    reports: Sequence[SourceReport], *, issue: Issue, earlier_issues: Iterable[Issue], config: Config
) -> Selection:
    """The candidates that are new to the issue.

    Left out is what the issue holds already, what an editor turned down, what another issue used, what was published
    outside the window of `config.collecting.days` before the issue's date, and what an earlier source offers as well.
    A story without a date stays, and says so. Choosing again with the result in the inbox finds nothing new.
    """
    known = _known(issue, earlier_issues)
    first, last = issue.date - dt.timedelta(days=config.collecting.days), issue.date
    offers = [(candidate, report.source) for report in reports for candidate in report.candidates]
    new: list[Candidate] = []
    left_out: list[tuple[Candidate, str]] = []
    for story in _stories(offer for offer in offers if not _outside(offer[0], first, last)):
        reasons = [known.get(same_story_key(candidate.url)) for candidate, _ in story.tellings]
        used = next(filter(None, reasons), None)
        if used is None:
            new.append(story.proposal(config))
            left_out += [(candidate, story.repeated(source)) for candidate, source in story.tellings[1:]]
        else:
            left_out += [(told[0], reason or used) for told, reason in zip(story.tellings, reasons, strict=True)]
    for candidate, _ in offers:
        boundary = _outside(candidate, first, last)
        if boundary:
            left_out.append((candidate, known.get(same_story_key(candidate.url)) or boundary))
    new.sort(key=lambda candidate: candidate.published or dt.date.min, reverse=True)
    return Selection(new=tuple(new), left_out=tuple(left_out))


def item_from(candidate: Candidate, taken_ids: Collection[str]) -> Item:
    """The candidate as an item of the issue, with an id made from its headline that is not in `taken_ids`."""
    return Item(
        id=_unique(_slug(candidate.title), taken_ids),
        title=candidate.title,
        url=candidate.url,
        source=candidate.source,
        published=candidate.published,
        topics=candidate.topics,
        summary=candidate.summary,
        event=candidate.event,
    )


# ---------------------------------------------------------------- what is known already


def _known(issue: Issue, earlier_issues: Iterable[Issue]) -> dict[str, str]:
    """Reason for leaving a story out, by the key of its address; this issue's own reasons come first."""
    known: dict[str, str] = {}
    for url in _addresses(issue):
        known.setdefault(same_story_key(url), "already in this issue")
    for candidate in issue.inbox:
        known.setdefault(same_story_key(candidate.url), "already in the inbox")
    for skipped in issue.skipped:
        known.setdefault(same_story_key(skipped.url), f"skipped: {skipped.why}" if skipped.why else "skipped")
    for other in earlier_issues:
        for url in _addresses(other):
            known.setdefault(same_story_key(url), f"ran in {other.id}")
        for skipped in other.skipped:
            known.setdefault(same_story_key(skipped.url), f"skipped in {other.id}")
    return known


def _addresses(issue: Issue) -> Iterator[str]:
    for item in issue.items:
        if item.url:
            yield item.url
        if item.event and item.event.booking:
            yield item.event.booking


def _outside(candidate: Candidate, first: dt.date, last: dt.date) -> str | None:
    if candidate.published is None or first <= candidate.published <= last:
        return None
    when = "before" if candidate.published < first else "after"
    boundary = first if candidate.published < first else last
    return f"published {_day(candidate.published)}, {when} {_day(boundary)}"


def _headline_key(title: str) -> str:
    """What two spellings of a headline have in common; empty if it is too short to tell one story from another."""
    words = re.findall(r"\w+", title.casefold())
    return " ".join(words) if len(words) >= _TELLING_WORDS else ""


def _stories(offers: Iterable[_Offer]) -> list[_Story]:
    """What is offered, each story once. What the editor has plays no part, so that the next run groups the same way."""
    stories: list[_Story] = []
    by_address: dict[str, _Story] = {}
    by_headline: dict[str, _Story] = {}
    for candidate, source in offers:
        address, headline = same_story_key(candidate.url), _headline_key(candidate.title)
        story = by_address.get(address)
        if story is None:
            near = by_headline.get(headline)
            story = near if near and headline and near.is_told_by(candidate, source) else None
        if story is None:
            story = _Story([])
            stories.append(story)
        story.tellings.append((candidate, source))
        by_address[address] = story
        by_headline.setdefault(headline, story)
    return stories


# ---------------------------------------------------------------- what is proposed


_Offer = tuple[Candidate, SourceSetting]


@dataclass(frozen=True, slots=True)
class _Story:
    """One story, as told by one source or several. The first telling counts (F-26)."""

    tellings: list[_Offer]

    @property
    def candidate(self) -> Candidate:
        return self.tellings[0][0]

    @property
    def source(self) -> SourceSetting:
        return self.tellings[0][1]

    def is_told_by(self, other: Candidate, source: SourceSetting) -> bool:
        """Whether `other`, which has the same headline and another address, is this story.

        A headline may come back: it counts only in another source and within a few days.
        """
        mine, its = self.candidate.published, other.published
        near = mine is None or its is None or abs(mine - its) <= _SAME_HEADLINE
        return near and source.id != self.source.id

    def repeated(self, source: SourceSetting) -> str:
        """Why another telling is left out."""
        if source.id == self.source.id:
            return f"offered twice by {source.title}"
        return f"also offered by {self.source.title}"

    def proposal(self, config: Config) -> Candidate:
        known = config.vocabulary.sections
        section = self.candidate.section or self.source.section
        if self.candidate.event and "events" in known and not self.candidate.section:
            section = "events"
        return replace(
            self.candidate,
            url=without_tracking(self.candidate.url),
            section=section,
            topics=_topics(self.candidate, self.source, config.topics),
            why=self._why(),
        )

    def _why(self) -> str:
        kind = _KINDS.get(self.source.kind, self.source.kind)
        published = self.candidate.published
        when = f"published {_day(published)}" if published else "no date given"
        others = dict.fromkeys(source.title for _, source in self.tellings if source.id != self.source.id)
        also = f"; also offered by {', '.join(others)}" if others else ""
        return f"{self.source.title} {kind}, {when}{also}"


def _topics(candidate: Candidate, source: SourceSetting, topics: Sequence[TopicSetting]) -> tuple[str, ...]:
    """The candidate's own topics, its source's, and those whose words its headline or extract uses."""
    text = f"{candidate.title}\n{candidate.summary}"
    found = (topic.id for topic in topics if any(_uses(text, word) for word in topic.words))
    return tuple(dict.fromkeys((*candidate.topics, *source.topics, *found)))


def _uses(text: str, word: str) -> bool:
    return bool(word.strip()) and bool(re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", text, re.IGNORECASE))


def _day(day: dt.date) -> str:
    return f"{day.day} {day:%B} {day.year}"


def _slug(title: str) -> str:
    letters = unicodedata.normalize("NFKD", title.replace("'", "").replace("’", "")).encode("ascii", "ignore").decode()
    words = [word[:_SLUG_LENGTH] for word in re.findall(r"[a-z0-9]+", letters.lower())]
    while len("-".join(words)) > _SLUG_LENGTH or (len(words) > 1 and _SMALL_WORDS.fullmatch(words[-1])):
        words.pop()
    return "-".join(words) or "story"


def _unique(slug: str, taken: Collection[str]) -> str:
    number, name = 1, slug
    while name in taken:
        number += 1
        name = f"{slug}-{number}"
    return name
