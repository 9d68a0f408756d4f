"""Asking sources: all hosts at once, each one thing at a time; what they answer is remembered as it comes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from bulletin import registry
from bulletin.addresses import same_story_key, split, without_tracking
from bulletin.collecting import rhythm
from bulletin.collecting.memory import Memory, Remembered, State, open_memory
from bulletin.config import SourceSetting
from bulletin.errors import BulletinError
from bulletin.http import Client, Fetched, FetchError, Validators
from bulletin.model import Candidate
from bulletin.sources import Document, Folder, Reading, Request, SourceKind, SourceReport, Spec, UnreadableError
from bulletin.sources._readers import Readers

CONNECTIONS: Final = 20
"""Hosts that are asked at once. More would not be faster: two processors then read more slowly than answers come."""
_READING: Final = 1
"""To be raised when documents are read in another way, so that every source is read anew."""
_LONGEST_PAUSE_S: Final = 10.0
"""The most that a site's Crawl-delay may hold a collecting up."""
_NO_DETAILS: Final = "does not say when its stories were first published"
_MOST_FILES: Final = 500

Progress = Callable[[SourceReport], object]


def gather(
    sources: Sequence[SourceSetting],
    *,
    client: Client,
    memory: Path,
    root: Path,
    now: dt.datetime,
    zone: dt.tzinfo,
    since: dt.date | None = None,
    events_from: dt.date | None = None,
    fresh: bool = False,
    on_done: Progress | None = None,
) -> tuple[SourceReport, ...]:
    """A report for each source, in the order given. Failures are in the reports; nothing is raised for them.

    All hosts are asked at once, each with one request at a time, and no source more than once an hour unless `fresh`
    (F-08). What they offer is kept in the file `memory` as soon as each is done: a source that says "not changed", that
    rests or that fails offers what it offered before (F-03). Offers of days before `since` are left out; those without
    a day count from when they were first seen. `root` is where folders of saved pages lie. `on_done` is called in this
    thread as each source finishes.
    """
    with open_memory(memory) as remembered, Readers() as readers:
        run = _Run(sources, client, remembered, readers, root, now, zone, since, events_from, fresh)
        reports: dict[int, SourceReport] = {}
        for number, answer in run.answers():
            reports[number] = run.report(sources[number], answer)
            if on_done:
                on_done(reports[number])
    return tuple(reports[number] for number in range(len(sources)))


def remembered(sources: Sequence[SourceSetting], memory: Memory) -> tuple[SourceReport, ...]:
    """What each source offered so far, as reports, without asking any."""
    return tuple(
        SourceReport(
            source=source,
            candidates=tuple(offer.candidate for offer in memory.offers(source.id) if not offer.old_news),
            held_back=tuple(offer.candidate for offer in memory.offers(source.id) if offer.old_news),
        )
        for source in sources
    )


def read_page(url: str, *, client: Client, today: dt.date, zone: dt.tzinfo) -> Candidate:
    """What an article page says about itself, as a candidate without a section. Its address has no tracking in it.

    Raises `BulletinError` with the reason if it cannot be fetched or read.
    """
    kind: SourceKind = registry.load("sources", "page")
    spec = Spec(url=url, title="", zone=zone, today=today)
    request = kind.request(spec)
    assert isinstance(request, Request)  # noqa: S101 - a page is no folder
    fetched = client.get(request.url, accept=request.accept)
    with Readers(workers=1) as readers:
        try:
            candidate = readers.read("page", document_of(fetched), spec).candidates[0]
        except UnreadableError as error:
            raise BulletinError(f"{url} {error.message}.", hint="You can add the story by hand.") from None
    return replace(candidate, url=without_tracking(candidate.url))


def document_of(fetched: Fetched) -> Document:
    """What was fetched, as a document to read."""
    return Document(url=fetched.url, body=fetched.body, content_type=fetched.content_type)


def spec_of(source: SourceSetting, zone: dt.tzinfo, today: dt.date) -> Spec:
    """What a kind needs to know about a source of the settings."""
    return Spec(
        url=source.url,
        title=source.title,
        zone=zone,
        today=today,
        limit=source.limit,
        selectors=dict(source.selectors),
    )


# ---------------------------------------------------------------- one collecting


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking one source, before it is remembered."""

    state: State
    offers: tuple[Candidate, ...] | None = None
    """What was read; None if nothing was."""
    not_modified: bool = False
    rested: str = ""
    notes: tuple[str, ...] = ()
    first: bool = False
    """Whether this was its first reading."""
    closed_until: float = 0.0
    """When its host may be asked again, if it asked for a pause."""


@dataclass(frozen=True, slots=True)
class _Run:
    sources: Sequence[SourceSetting]
    client: Client
    memory: Memory
    readers: Readers
    root: Path
    now: dt.datetime
    zone: dt.tzinfo
    since: dt.date | None
    events_from: dt.date | None
    fresh: bool

    @property
    def today(self) -> dt.date:
        return self.now.astimezone(self.zone).date()

    def answers(self) -> Iterator[tuple[int, _Answer]]:
        """Each source's number with its answer, as they come; kept by then."""
        states, closed = self.memory.states(), self.memory.closed_hosts(self.now.timestamp())
        known = {source.id: self.memory.detailed(source.id) for source in self.sources if _has_details(source.kind)}
        hosts: dict[str, list[tuple[int, State]]] = {}
        for number, source in enumerate(self.sources):
            state = _fitting(states.get(source.id), source, self.zone)
            hosts.setdefault(_host(rhythm.address(state, source.url)), []).append((number, state))
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for host in hosts:
            waiting.put(host)
        done: queue.SimpleQueue[tuple[int, str, _Answer]] = queue.SimpleQueue()

        def ask_hosts() -> None:
            with suppress(queue.Empty):
                while True:
                    host = waiting.get_nowait()
                    until = closed.get(host, 0.0)
                    for number, state in hosts[host]:
                        answer = self._ask(self.sources[number], state, until, known.get(state.source, {}))
                        until = max(until, answer.closed_until)
                        done.put((number, host, answer))

        # Daemons, so that a person who interrupts does not wait for the slowest server.
        for _ in range(min(CONNECTIONS, len(hosts))):
            threading.Thread(target=ask_hosts, name="collect", daemon=True).start()
        for _ in self.sources:
            number, host, answer = done.get()
            if answer.closed_until:
                self.memory.close_host(host, answer.closed_until)
            self._keep(self.sources[number], answer)
            yield number, answer

    def _keep(self, source: SourceSetting, answer: _Answer) -> None:
        if answer.rested:
            return
        kind = registry.load("sources", source.kind) if source.kind in registry.names("sources") else None
        old = answer.first and getattr(kind, "baseline", False)
        self.memory.keep(answer.state, answer.offers, self.today, undated_are_old=old)

    def report(self, source: SourceSetting, answer: _Answer) -> SourceReport:
        """The answer as people are told of it, with everything the source offers or offered."""
        kept = [offer for offer in self.memory.offers(source.id) if self.since is None or _day(offer) >= self.since]
        kept.sort(key=_day, reverse=True)
        return SourceReport(
            source=source,
            candidates=tuple(offer.candidate for offer in kept if not offer.old_news),
            held_back=tuple(offer.candidate for offer in kept if offer.old_news and answer.first),
            failure=answer.state.failure or None,
            not_modified=answer.not_modified,
            rested=answer.rested,
            notes=(*answer.notes, *rhythm.notes(answer.state, source.url)),
        )

    def _ask(self, source: SourceSetting, state: State, closed_until: float, known: Mapping[str, Candidate]) -> _Answer:
        now = self.now.timestamp()
        rest = rhythm.why_rest(state, now, fresh=self.fresh, zone=self.zone)
        if not rest and closed_until > now:
            rest = f"was not asked: its site asked us to wait until {rhythm.clock(closed_until, now, self.zone)}"
        if rest:
            return _Answer(state, rested=rest)
        try:
            spec = replace(spec_of(source, self.zone, self.today), events_from=self.events_from)
            return _Asking(self, source, state, spec, known).answer()
        except FetchError as error:
            failed = rhythm.after_failure(
                state, now=now, reason=error.reason, status=error.status, retry_after=error.retry_after
            )
            whole_host = error.status == 429 or error.retry_after is not None
            return _Answer(failed, closed_until=failed.next_at if failed.told_to_wait and whole_host else 0.0)
        except BulletinError as error:
            return _Answer(rhythm.after_failure(state, now=now, reason=error.message))
        except Exception as error:  # a fault of ours must not take the other sources with it (F-11)
            reason = f"cannot be collected: {type(error).__name__}: {error}"
            return _Answer(rhythm.after_failure(state, now=now, reason=reason))


# ---------------------------------------------------------------- one source


@dataclass(frozen=True, slots=True)
class _Asking:
    run: _Run
    source: SourceSetting
    state: State
    spec: Spec
    known: Mapping[str, Candidate]
    notes: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    """When the host may be asked again, if it asked for a pause on the way."""

    def answer(self) -> _Answer:
        """Raises `BulletinError` if the source cannot be asked or read."""
        names = registry.names("sources")
        if self.source.kind not in names:
            raise UnreadableError(
                f'is of the kind "{self.source.kind}", which is not known; known are {", ".join(names)}'
            )
        kind: SourceKind = registry.load("sources", self.source.kind)
        request = kind.request(replace(self.spec, url=rhythm.address(self.state, self.source.url)))
        if isinstance(request, Folder):
            return self._from_folder(request)
        stale = getattr(kind, "daily", False) and self._was_read_before_today
        fetched = self._fetch(request, anew=stale)
        digest = self.state.digest if fetched.not_modified else hashlib.sha256(fetched.body).hexdigest()
        unchanged = fetched.not_modified or (digest == self.state.digest and self.state.read_at > 0 and not stale)
        reading = Reading(candidates=()) if unchanged else self._read(document_of(fetched))
        state = rhythm.after_answer(
            self.state,
            now=self.run.now.timestamp(),
            url=fetched.url,
            permanent=fetched.permanent,
            headers=fetched.headers,
            rests=None if unchanged else reading.rests,
        )
        if unchanged:
            return _Answer(state, not_modified=True)
        offers = self._with_details(kind, [*reading.candidates, *self._further_pages(reading.more)])
        validators = fetched.validators
        if any(note.startswith(_NO_DETAILS) for note in self.notes):
            validators, digest = None, ""  # so that it is read again, and the details are asked for
        state = replace(
            state,
            url=validators.url if validators else "",
            etag=validators.etag if validators else None,
            last_modified=validators.last_modified if validators else None,
            digest=digest,
            items=len(offers),
            most=max(state.most, len(offers)),
            remarks=reading.remarks,
        )
        return _Answer(
            state,
            tuple(offers),
            notes=tuple(self.notes),
            first=not self.state.read_at,
            closed_until=max(self.pauses, default=0.0),
        )

    @property
    def _was_read_before_today(self) -> bool:
        read = dt.datetime.fromtimestamp(self.state.read_at, self.run.zone).date()
        return read < self.run.today

    def _fetch(self, request: Request, *, anew: bool) -> Fetched:
        if request.robots:
            self.run.client.check_robots(request.url)
        known = Validators(url=self.state.url, etag=self.state.etag, last_modified=self.state.last_modified)
        validators = known if self.state.url and not anew else None
        return self.run.client.get(request.url, validators=validators, accept=request.accept)

    def _read(self, document: Document) -> Reading:
        return self.run.readers.read(self.source.kind, document, self.spec)

    def _further_pages(self, more: Request | None) -> Iterator[Candidate]:
        """What stands on the next pages, as many as the settings allow. One that fails ends it, and is named."""
        for number in range(2, self.source.pages + 1):
            if more is None:
                return
            try:
                if more.robots:
                    time.sleep(min(self.run.client.check_robots(more.url), _LONGEST_PAUSE_S))
                reading = self._read(document_of(self.run.client.get(more.url, accept=more.accept)))
            except BulletinError as error:
                self.notes.append(f"page {number} {getattr(error, 'reason', error.message)}")
                return
            yield from reading.candidates
            more = reading.more

    def _with_details(self, kind: Any, offers: Sequence[Candidate]) -> list[Candidate]:
        """The offers with what a second document says better, asked for once for each version of a story."""
        detail = getattr(kind, "detail", None)
        if detail is None:
            return list(offers)
        better, trouble = [], ""
        for offer in offers:
            before = self.known.get(same_story_key(offer.url)) if self.state.digest else None
            if before and (before.updated or before.published) == offer.published:
                better.append(replace(offer, published=before.published, updated=before.updated, dated=before.dated))
                continue
            request = detail(offer, self.spec)
            is_old = self.run.since and offer.published and offer.published < self.run.since
            if request is None or is_old or trouble:
                better.append(offer)
                continue
            try:
                document = document_of(self.run.client.get(request.url, accept=request.accept))
                better.append(self.run.readers.detail(self.source.kind, offer, document, self.spec))
            except FetchError as error:
                if error.status in (429, 503):
                    wait = rhythm.HOUR if error.retry_after is None else error.retry_after
                    self.pauses.append(self.run.now.timestamp() + wait)
                if error.status != 404:
                    trouble = f"{_NO_DETAILS}: {request.url} {error.reason}"
                better.append(offer)
            except UnreadableError:
                better.append(offer)
        self.notes.extend([trouble] if trouble else [])
        return better

    def _from_folder(self, folder: Folder) -> _Answer:
        place = self.run.root / folder.name
        if not place.is_dir():
            raise UnreadableError(f"is the folder {folder.name}, which is not there; make it")
        files = sorted(path for path in place.rglob("*") if path.suffix.lower() in folder.endings and path.is_file())
        # Browsers put the frames and pictures of a saved page into a folder beside it.
        files = [path for path in files if not path.parent.name.endswith(("_files", "_Dateien"))][:_MOST_FILES]
        about = [(path.relative_to(place).as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        state = replace(self.state, asked_at=self.run.now.timestamp(), read_at=self.run.now.timestamp())
        state = replace(state, failures=0, failure="", status=None, next_at=0.0)
        if digest == self.state.digest:
            return _Answer(state, not_modified=True)
        offers: list[Candidate] = []
        for path, (name, size, _) in zip(files, about, strict=True):
            if size > self.run.client.limits.size:
                self.notes.append(f"{name} is larger than {self.run.client.limits.size / 1_000_000:g} MB")
                continue
            try:
                offers += self._read(Document(url=name, body=path.read_bytes())).candidates
            except UnreadableError as error:
                self.notes.append(f"{name} {error.message}")
        state = replace(state, digest=digest, items=len(offers), most=max(state.most, len(offers)))
        return _Answer(state, tuple(offers), notes=tuple(self.notes), first=not self.state.read_at)


def _fitting(state: State | None, source: SourceSetting, zone: dt.tzinfo) -> State:
    """The state of a source as the settings have it now: what was answered to another question does not count."""
    asked = (source.kind, source.url, source.title, source.limit, source.pages, sorted(source.selectors.items()))
    place = hashlib.sha256(source.url.encode()).hexdigest()[:8]
    recipe = f"{place}-{hashlib.sha256(repr((_READING, str(zone), *asked)).encode()).hexdigest()[:16]}"
    if state and state.recipe == recipe:
        return state
    if state and state.recipe.startswith(place):
        return State(source=source.id, recipe=recipe, read_at=state.read_at, most=state.most)
    return State(source=source.id, recipe=recipe)


def _has_details(kind: str) -> bool:
    return kind in registry.names("sources") and hasattr(registry.load("sources", kind), "detail")


def _day(offer: Remembered) -> dt.date:
    """The day that decides whether an offer is news: of an event without one, that of the event."""
    candidate = offer.candidate
    starts = candidate.event.starts.date() if candidate.event else offer.first_seen
    return candidate.published or max(starts, offer.first_seen)


def _host(url: str) -> str:
    return split(url).netloc.lower() or url
