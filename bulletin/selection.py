"""Which candidates to offer to the editor, where they would fit, and why (F-26 to F-28). Pure: no clock, no network.

One story is known again by its canonical address, then by its source's own name for it, then by a headline that is
nearly the same within a few days. Every decision can be explained.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from bulletin.addresses import same_story_key, split, without_tracking
from bulletin.config import Config, SourceSetting, TopicSetting
from bulletin.model import Candidate, Issue, Item
from bulletin.sources import SourceReport

_TELLING_WORDS: Final = 5
"""Words a headline needs before two sources with nearly the same one are taken to tell the same story."""
_ALIKE: Final = 90.0
"""How alike two headlines are, of 100, before they are taken for one; sorted words, by rapidfuzz."""
_SAME_WORD: Final = 75.0
"""How alike two words are, of 100, that are taken for forms of one."""
_SHARED: Final = 0.6
"""Share of words that two headlines have in common before anybody looks closer."""
_SAME_HEADLINE: Final = dt.timedelta(days=7)
_EVENTS_AHEAD: Final = dt.timedelta(days=120)
"""How long after the issue's date an event may be that is known from a calendar only."""
_SLUG_LENGTH: Final = 48
_SMALL_WORDS: Final = re.compile(r"a|an|and|about|as|at|by|for|from|in|into|of|on|or|the|to|with")
_TELLS_APART: Final = re.compile(
    r"\d.*|january|february|march|april|may|june|july|august|september|october|november|december|first|second|third"
    r"|fourth|spring|summer|autumn|winter|monday|tuesday|wednesday|thursday|friday"
)
"""Words that tell the issues of a series apart: "Statistics, January to March" is not "Statistics, April to June"."""
_KINDS: Final = {"feed": "feed", "govuk": "feed", "listing": "news page"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to offer, newest first, and what was left out, each with the reason."""

    new: tuple[Candidate, ...] = ()
    left_out: tuple[tuple[Candidate, str], ...] = ()
    updated: tuple[tuple[Candidate, str], ...] = ()
    """Those of the left out that ran in an issue and were changed since, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a source offered at some time: it tells what an item was called before an editor rewrote it."""

    source: str
    candidate: Candidate


def choose(
    reports: Sequence[SourceReport],
    *,
    issue: Issue,
    earlier_issues: Iterable[Issue],
    config: Config,
    past: Iterable[Past] = (),
) -> Selection:
    """The candidates that are new to the issue.

    Left out is what the issue holds already, what an editor turned down, what another issue used, also when its address
    changed since, what was published outside the window of `config.collecting.days` before the issue's date, and what
    another source offers as well. A story without a date stays if it was first seen within the window, and says so.
    Choosing again with the result in the inbox finds nothing new.
    """
    known = _Known(issue, earlier_issues, past)
    window = _Window(issue.date - dt.timedelta(days=config.collecting.days), issue.date)
    offers = [(candidate, report.source) for report in reports for candidate in report.candidates]
    new: list[Candidate] = []
    left_out: list[tuple[Candidate, str]] = []
    updated: list[tuple[Candidate, str]] = []
    for story in _stories(offer for offer in offers if not window.outside(offer[0])):
        reasons = [known.reason(candidate, source) for candidate, source in story.tellings]
        used = next(filter(None, reasons), None)
        if used is None:
            new.append(story.proposal(config))
            left_out += [(telling[0], story.repeated(telling)) for telling in story.tellings[1:]]
        else:
            for (candidate, _), reason in zip(story.tellings, reasons, strict=True):
                since = known.updated_since(candidate)
                left_out.append((candidate, (reason or used) + since))
                updated += [left_out[-1]] if since else []
    for candidate, source in offers:
        boundary = window.outside(candidate)
        if boundary:
            left_out.append((candidate, known.reason(candidate, source) or boundary))
    left_out += [
        (held, "stood there without a date when the page was first read")
        for report in reports
        for held in report.held_back
    ]
    new.sort(key=_newest_first, reverse=True)
    return Selection(new=tuple(new), left_out=tuple(left_out), updated=tuple(updated))


def explain(
    url: str,
    reports: Sequence[SourceReport],
    *,
    issue: Issue,
    earlier_issues: Sequence[Issue],
    config: Config,
    past: Sequence[Past] = (),
) -> tuple[str, ...]:
    """Why the story at an address is offered, or is not: one sentence a line. Empty if nobody offers it."""
    key = same_story_key(url)
    offers = [(candidate, report.source) for report in reports for candidate in report.candidates]
    stories = _stories(offers)
    story = next((one for one in stories if any(same_story_key(told.url) == key for told, _ in one.tellings)), None)
    known = _Known(issue, earlier_issues, past)
    if story is None:
        reason = known.by_address.get(key)
        return (f"No source offers it; it is {reason}.",) if reason else ()
    lines = []
    for telling in story.tellings:
        candidate, source = telling
        lines.append(f'{source.title} offers it as "{candidate.title}", {_when(candidate)}: {candidate.url}')
        if telling is not story.tellings[0]:
            lines.append(f"    the same story as that of {story.source.title}: {story.likeness(telling)}")
        if candidate.dated:
            lines.append(f"    its day: {candidate.dated}")
    window = _Window(issue.date - dt.timedelta(days=config.collecting.days), issue.date)
    selected = choose(reports, issue=issue, earlier_issues=earlier_issues, config=config, past=past)
    reasons = {same_story_key(candidate.url): reason for candidate, reason in reversed(selected.left_out)}
    primary = same_story_key(story.candidate.url)
    offered = next((entry for entry in selected.new if same_story_key(entry.url) == primary), None)
    lines.append(f"Stories of {issue.id} are published from {day_of(window.first)} to {day_of(window.last)}.")
    if offered is None:
        lines.append(f"Left out: {reasons.get(key) or reasons.get(primary) or 'another source tells it'}.")
        return tuple(lines)
    section, by = _section(story.candidate, story.source, config)
    lines.append(f"Offered for {issue.id}. {f'Section: {section}, {by}.' if section else 'No section is proposed.'}")
    found = _topics_with_reasons(story.candidate, story.source, config.topics)
    lines += [f"Topic: {topic}, {why}." for topic, why in found]
    return tuple(lines)


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


class _Known:
    """What the issues hold and editors turned down; this issue's own reasons come first."""

    def __init__(self, issue: Issue, earlier_issues: Iterable[Issue], past: Iterable[Past]) -> None:
        self.by_address: dict[str, str] = {}
        self._ran: dict[str, tuple[str, dt.date]] = {}
        """Issue and its date, by the address of an item."""
        self._told: list[tuple[Candidate, str]] = []
        """Stories that have a reason, as they are called here or were called by a source."""
        self._names: dict[tuple[str, str], tuple[Candidate, str]] = {}
        for item in issue.items:
            self._add_item(item, "already in this issue")
        for candidate in issue.inbox:
            for url in (candidate.url, *candidate.also):
                self.by_address.setdefault(same_story_key(url), "already in the inbox")
            self._told.append((candidate, "already in the inbox"))
        for skipped in issue.skipped:
            reason = f"skipped: {skipped.why}" if skipped.why else "skipped"
            self.by_address.setdefault(same_story_key(skipped.url), reason)
        for other in earlier_issues:
            for item in other.items:
                self._add_item(item, f"ran in {other.id}")
                for url in _addresses(item):
                    known = self._ran.get(same_story_key(url))
                    if known is None or known[1] < other.date:
                        self._ran[same_story_key(url)] = (other.id, other.date)
            for skipped in other.skipped:
                self.by_address.setdefault(same_story_key(skipped.url), f"skipped in {other.id}")
        self._remember(past)
        self._headlines: _Headlines[tuple[Candidate, str]] = _Headlines()
        for entry in self._told:
            self._headlines.add(entry[0].title, entry)

    def _add_item(self, item: Item, reason: str) -> None:
        for url in _addresses(item):
            self.by_address.setdefault(same_story_key(url), reason)
        told = Candidate(title=item.title, url=item.url or "", source=item.source, published=item.published)
        self._told.append((told, reason))

    def _remember(self, past: Iterable[Past]) -> None:
        """Editors rewrite headlines: what a source called the story is known from memory."""
        for old in past:
            reason = self.by_address.get(same_story_key(old.candidate.url))
            if reason:
                self._told.append((old.candidate, reason))
                if old.candidate.source_id:
                    self._names[old.source, old.candidate.source_id] = (old.candidate, reason)

    def reason(self, candidate: Candidate, source: SourceSetting) -> str | None:
        """Why a candidate is no news, by its address, its source's name for it, or its headline; None if it is."""
        reason = self.by_address.get(same_story_key(candidate.url))
        if reason:
            return reason
        named = self._names.get((source.id, candidate.source_id)) if candidate.source_id else None
        if named and _alike(candidate.title, named[0].title):
            return f"{named[1]}, under another address: {named[0].url}"
        for told, why in self._headlines.near(candidate.title):
            if _same_headline(candidate, told):
                return f"{why}, under another address: {told.url}" if told.url else why
        return None

    def updated_since(self, candidate: Candidate) -> str:
        """What to add to the reason if the story was changed after the issue in which it ran."""
        ran = self._ran.get(same_story_key(candidate.url))
        changed = candidate.updated or candidate.published
        if ran is None or changed is None or changed <= ran[1]:
            return ""
        return f"; updated since, on {day_of(changed)}"


def _addresses(item: Item) -> Iterator[str]:
    if item.url:
        yield item.url
    if item.event and item.event.booking:
        yield item.event.booking


@dataclass(frozen=True, slots=True)
class _Window:
    first: dt.date
    last: dt.date

    def outside(self, candidate: Candidate) -> str | None:
        """Why a candidate's day is not one of the issue's; None if it is, or if it has none."""
        if candidate.published is not None:
            return self._reason(candidate.published, "published")
        if candidate.event is not None:
            starts = candidate.event.starts.date()
            if starts < self.last:
                return f"takes place on {day_of(starts)}, before the issue goes out"
            late = self.last + _EVENTS_AHEAD
            return f"takes place on {day_of(starts)}, long after the issue" if starts > late else None
        if candidate.seen is not None and candidate.seen < self.first:
            return self._reason(candidate.seen, "first seen")
        return None

    def _reason(self, day: dt.date, what: str) -> str | None:
        if self.first <= day <= self.last:
            return None
        when, boundary = ("before", self.first) if day < self.first else ("after", self.last)
        return f"{what} {day_of(day)}, {when} {day_of(boundary)}"


# ---------------------------------------------------------------- headlines

_T = TypeVar("_T")


class _Headlines(Generic[_T]):
    """Finds headlines that share most of their words, without comparing each with each."""

    def __init__(self) -> None:
        self._entries: list[tuple[frozenset[str], _T]] = []
        self._by_word: dict[str, list[int]] = {}

    def add(self, title: str, entry: _T) -> None:
        words = frozenset(_words(title))
        if len(words) >= _TELLING_WORDS:
            for word in words:
                self._by_word.setdefault(word, []).append(len(self._entries))
            self._entries.append((words, entry))

    def near(self, title: str) -> Iterator[_T]:
        """Entries whose headline shares enough words with this one, in the order they were added."""
        words = frozenset(_words(title))
        if len(words) < _TELLING_WORDS:
            return
        # What shares enough of the words has at least one of the few rarest; the common ones need not be looked up.
        enough = math.ceil(_SHARED * len(words))
        rarest = sorted(words, key=lambda word: len(self._by_word.get(word, ())))[: len(words) - enough + 1]
        entries, count = self._entries, len(words)
        for number in sorted({number for word in rarest for number in self._by_word.get(word, ())}):
            others, entry = entries[number]
            longer = count if count > len(others) else len(others)
            if len(words & others) >= _SHARED * longer:
                yield entry


def _words(title: str) -> list[str]:
    return re.findall(r"\w+", title.casefold().replace("’", "").replace("'", ""))


def _alike(one: str, other: str) -> bool:
    """Whether two headlines say the same in nearly the same words, of the same time."""
    return _likeness(one, other) >= _ALIKE


def _likeness(one: str, other: str) -> float:
    from rapidfuzz import fuzz

    first, second = _words(one), _words(other)
    if min(len(first), len(second)) < _TELLING_WORDS:
        return 100.0 if first == second else 0.0
    alike = float(fuzz.token_sort_ratio(" ".join(first), " ".join(second), score_cutoff=_ALIKE))
    if not alike:
        return 0.0
    times = [Counter(word for word in words if _TELLS_APART.fullmatch(word)) for words in (first, second)]
    return 0.0 if times[0] != times[1] or _tell_of_others(first, second) else alike


def _tell_of_others(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether one headline has another word where the other has one: Norfolk for Suffolk, not report for reports."""
    from rapidfuzz import fuzz

    mine, its = (
        [word for word in (Counter(a) - Counter(b)) if not _SMALL_WORDS.fullmatch(word)]
        for a, b in ((first, second), (second, first))
    )
    for word in list(mine):
        same = next((other for other in its if fuzz.ratio(word, other) >= _SAME_WORD), None)
        if same:
            mine.remove(word)
            its.remove(same)
    return bool(mine and its)


def _same_headline(candidate: Candidate, told: Candidate) -> bool:
    """Whether a headline tells of a story that is known at another address.

    In another source, nearly the same within a few days; in the same one, the very same on the very same day, as after
    a site has moved. A headline may come back: without a day on both sides nothing is sure.
    """
    mine, its = candidate.published or candidate.seen, told.published or told.seen
    if mine is None or its is None:
        return False
    if candidate.source == told.source:
        return mine == its and _words(candidate.title) == _words(told.title)
    return abs(mine - its) <= _SAME_HEADLINE and _alike(candidate.title, told.title)


# ---------------------------------------------------------------- stories


_Offer = tuple[Candidate, SourceSetting]


def _stories(offers: Iterable[_Offer]) -> list[_Story]:
    """What is offered, each story once. What the editor has plays no part, so that the next run groups the same way."""
    stories: list[_Story] = []
    by_address: dict[str, _Story] = {}
    headlines: _Headlines[_Story] = _Headlines()
    for candidate, source in offers:
        address = same_story_key(candidate.url)
        story = by_address.get(address)
        if story is None:
            near = headlines.near(candidate.title)
            story = next((one for one in near if one.is_told_by(candidate, source)), None)
        if story is None:
            story = _Story([])
            stories.append(story)
            headlines.add(candidate.title, story)
        story.tellings.append((candidate, source))
        by_address[address] = story
    for story in stories:
        story.tellings.sort(key=lambda telling: not _is_own(*telling))
    return stories


def _is_own(candidate: Candidate, source: SourceSetting) -> bool:
    """Whether a source tells of something on its own site: it is the primary one then, and others pass it on."""
    its, own = (split(url).hostname or "" for url in (candidate.url, source.url))
    return bool(its) and its.removeprefix("www.") == own.removeprefix("www.")


@dataclass(frozen=True, slots=True)
class _Story:
    """One story, as told by one source or several, the primary one first (F-26)."""

    tellings: list[_Offer] = field(default_factory=list)

    @property
    def candidate(self) -> Candidate:
        return self.tellings[0][0]

    @property
    def source(self) -> SourceSetting:
        return self.tellings[0][1]

    def is_told_by(self, other: Candidate, source: SourceSetting) -> bool:
        """Whether `other`, which has a headline like this and another address, is this story.

        A headline may come back: it counts only in another source and within a few days.
        """
        mine, its = self.candidate.published, other.published
        near = mine is None or its is None or abs(mine - its) <= _SAME_HEADLINE
        return near and source.id != self.source.id and _alike(self.candidate.title, other.title)

    def likeness(self, telling: _Offer) -> str:
        """Why another telling counts as this story."""
        other = telling[0]
        if same_story_key(other.url) in {same_story_key(told.url) for told, _ in self.tellings if told is not other}:
            return "the same address"
        return f"headlines {_likeness(self.candidate.title, other.title):.0f} % alike{self._apart(other)}"

    def _apart(self, other: Candidate) -> str:
        if self.candidate.published is None or other.published is None:
            return ""
        days = abs(self.candidate.published - other.published).days
        return f", {days} day{'' if days == 1 else 's'} apart" if days else ", on the same day"

    def repeated(self, telling: _Offer) -> str:
        """Why another telling is left out."""
        if telling[1].id == self.source.id:
            return f"offered twice by {self.source.title}"
        return f"also offered by {self.source.title}"

    def proposal(self, config: Config) -> Candidate:
        """The story as it is offered; what the primary source does not say, the others may."""
        told = [candidate for candidate, _ in self.tellings]
        section, by = _section(self.candidate, self.source, config)
        url = without_tracking(self.candidate.url)
        others = dict.fromkeys(without_tracking(other.url) for other in told[1:])
        pictured = next((other for other in told if other.image), self.candidate)
        whole = replace(
            self.candidate,
            url=url,
            published=_first(told, lambda one: one.published),
            summary=_first(told, lambda one: one.summary or None) or "",
            event=_first(told, lambda one: one.event),
            image=pictured.image,
            image_alt=pictured.image_alt,
            section=section,
            topics=tuple(topic for topic, _ in _topics_with_reasons(self.candidate, self.source, config.topics)),
            also=tuple(other for other in others if same_story_key(other) != same_story_key(url)),
            source_id="",
        )
        return replace(whole, why=self._why(whole, by))

    def _why(self, whole: Candidate, section_by: str) -> str:
        kind = _KINDS.get(self.source.kind, self.source.kind)
        others = dict.fromkeys(source.title for _, source in self.tellings if source.id != self.source.id)
        also = f"; also offered by {', '.join(others)}" if others else ""
        placed = f"; placed {section_by}" if section_by and section_by != _BY_SOURCE else ""
        return f"{self.source.title} {kind}, {_when(whole)}{also}{placed}"


def _first(told: Sequence[Candidate], part: Callable[[Candidate], _T | None]) -> _T | None:
    return next((value for value in map(part, told) if value is not None), None)


# ---------------------------------------------------------------- what is proposed

_BY_SOURCE: Final = "by its source"


def _section(candidate: Candidate, source: SourceSetting, config: Config) -> tuple[str | None, str]:
    """The section a story would fit, and by what: an event, words in its headline, its source, or its topic."""
    if candidate.section:
        return candidate.section, "by hand"
    if candidate.event and "events" in config.vocabulary.sections:
        return "events", "as an event"
    for section in config.sections:
        word = next((word for word in section.words if _uses(candidate.title, word)), None)
        if word:
            return section.id, f'by the word "{word}"'
    if source.section:
        return source.section, _BY_SOURCE
    found = {topic for topic, _ in _topics_with_reasons(candidate, source, config.topics)}
    for topic in config.topics:
        if topic.section and topic.id in found:
            return topic.section, f"by its topic {topic.id}"
    return None, ""


def _topics_with_reasons(
    candidate: Candidate, source: SourceSetting, topics: Sequence[TopicSetting]
) -> list[tuple[str, str]]:
    """The candidate's own topics, its source's, and those whose words its headline or extract uses; each with why."""
    text = f"{candidate.title}\n{candidate.summary}"
    found = dict.fromkeys(candidate.topics, "by hand")
    for name in source.topics:
        found.setdefault(name, _BY_SOURCE)
    for topic in topics:
        word = next((word for word in topic.words if _uses(text, word)), None)
        if word:
            found.setdefault(topic.id, f'by the word "{word}"')
    return list(found.items())


def _uses(text: str, word: str) -> bool:
    return bool(word.strip()) and bool(re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", text, re.IGNORECASE))


def _when(candidate: Candidate) -> str:
    if candidate.published:
        changed = f", updated {day_of(candidate.updated)}" if candidate.updated else ""
        return f"published {day_of(candidate.published)}{changed}"
    if candidate.event:
        return f"takes place {day_of(candidate.event.starts.date())}"
    return f"no date given, first seen {day_of(candidate.seen)}" if candidate.seen else "no date given"


def _newest_first(candidate: Candidate) -> tuple[dt.date, dt.date]:
    """By day of publication; then what has none, by the day it was first seen."""
    return candidate.published or dt.date.min, candidate.seen or dt.date.min


def day_of(day: dt.date) -> str:
    """8 May 2024."""
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
