"""Asks all sources at once and says what came of each. One broken source never stops the others (F-11)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bulletin import registry
from bulletin.addresses import split, without_tracking
from bulletin.config import SourceSetting
from bulletin.errors import BulletinError
from bulletin.http import Client, Fetched, FetchError, Validators
from bulletin.model import Candidate
from bulletin.publication import write_atomically
from bulletin.sources import Document, Request, SourceKind, SourceReport, Spec, UnreadableError
from bulletin.sources._readers import Readers

_THREADS: Final = 32

Progress = Callable[[SourceReport], object]


def gather(
    sources: Sequence[SourceSetting],
    *,
    client: Client,
    cache_dir: Path,
    today: dt.date,
    zone: dt.tzinfo,
    on_done: Progress | None = None,
) -> tuple[SourceReport, ...]:
    """A report for each source, in the order given. Failures are in the reports; nothing is raised for them.

    All hosts are asked at once, each with one request at a time (F-08). Answers are kept in `cache_dir`, so that a
    source that says "not changed" offers the same candidates again (F-03). `on_done` is called in this thread as each
    source finishes.
    """
    hosts: dict[str, list[int]] = {}
    for number, source in enumerate(sources):
        hosts.setdefault(_host(source.url), []).append(number)
    waiting: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for numbers in hosts.values():
        waiting.put(numbers)
    done: queue.SimpleQueue[tuple[int, SourceReport]] = queue.SimpleQueue()
    reports: dict[int, SourceReport] = {}
    with Readers() as readers:
        asking = _Asking(client, _Cache(cache_dir), readers, today, zone)

        def ask_hosts() -> None:
            with suppress(queue.Empty):
                while True:
                    for number in waiting.get_nowait():
                        done.put((number, asking.ask(sources[number])))

        # Daemons, so that a person who interrupts does not wait for the slowest server.
        for _ in range(min(_THREADS, len(hosts))):
            threading.Thread(target=ask_hosts, name="collect", daemon=True).start()
        while len(reports) < len(sources):
            number, report = done.get()
            reports[number] = report
            if on_done:
                on_done(report)
    return tuple(reports[number] for number in range(len(sources)))


def read_page(url: str, *, client: Client, today: dt.date, zone: dt.tzinfo) -> Candidate:
    """What an article page says about itself, as a candidate without a section. Its address has no tracking in it.

    Raises `BulletinError` with the reason if it cannot be fetched or read.
    """
    kind: SourceKind = registry.load("sources", "page")
    spec = Spec(url=url, title="", zone=zone, today=today)
    request = kind.request(spec)
    fetched = client.get(request.url, accept=request.accept)
    with Readers(workers=1) as readers:
        try:
            candidate = readers.read("page", _document(fetched), spec)[0]
        except UnreadableError as error:
            raise BulletinError(f"{url} {error.message}.", hint="You can add the story by hand.") from None
    return replace(candidate, url=without_tracking(candidate.url))


@dataclass(frozen=True, slots=True)
class _Asking:
    client: Client
    cache: _Cache
    readers: Readers
    today: dt.date
    zone: dt.tzinfo

    def ask(self, source: SourceSetting) -> SourceReport:
        try:
            return self._offer(source)
        except FetchError as error:
            return SourceReport(source=source, failure=error.reason)
        except BulletinError as error:
            return SourceReport(source=source, failure=error.message)
        except Exception as error:  # a fault of ours must not take the other sources with it (F-11)
            return SourceReport(source=source, failure=f"cannot be collected: {type(error).__name__}: {error}")

    def _offer(self, source: SourceSetting) -> SourceReport:
        known = registry.names("sources")
        if source.kind not in known:
            raise UnreadableError(f'is of the kind "{source.kind}", which is not known; known are {", ".join(known)}')
        kind: SourceKind = registry.load("sources", source.kind)
        spec = Spec(
            url=source.url,
            title=source.title,
            zone=self.zone,
            today=self.today,
            limit=source.limit,
            selectors=dict(source.selectors),
        )
        document, not_modified = self._fetch(kind.request(spec))
        candidates = self.readers.read(source.kind, document, spec)
        return SourceReport(source=source, candidates=candidates, not_modified=not_modified)

    def _fetch(self, request: Request) -> tuple[Document, bool]:
        if request.robots:
            self.client.check_robots(request.url)
        kept = self.cache.get(request.url)
        fetched = self.client.get(request.url, validators=kept.validators if kept else None, accept=request.accept)
        if fetched.not_modified and kept:
            return kept.document, True
        self.cache.put(request.url, fetched)
        return _document(fetched), False


def _document(fetched: Fetched) -> Document:
    return Document(url=fetched.url, body=fetched.body, content_type=fetched.content_type)


def _host(url: str) -> str:
    return split(url).netloc.lower() or url


# ---------------------------------------------------------------- what sources answered last


@dataclass(frozen=True, slots=True)
class _Kept:
    document: Document
    validators: Validators


@dataclass(frozen=True, slots=True)
class _Cache:
    """One file for each address: a line of JSON about the answer, then its body. Readable by its owner only."""

    folder: Path

    def get(self, url: str) -> _Kept | None:
        """The last answer; None if there is none or it cannot be read."""
        try:
            head, _, body = self._path(url).read_bytes().partition(b"\n")
            about = json.loads(head)
            return _Kept(
                Document(url=about["url"], body=body, content_type=about["content_type"]),
                Validators(url=about["url"], etag=about["etag"], last_modified=about["last_modified"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, url: str, fetched: Fetched) -> None:
        """Keeps an answer that the server can be asked about again. Where there is no room, the news still counts."""
        if fetched.validators is None:
            return
        about = {
            "url": fetched.url,
            "content_type": fetched.content_type,
            "etag": fetched.validators.etag,
            "last_modified": fetched.validators.last_modified,
        }
        with suppress(OSError):
            write_atomically(self._path(url), json.dumps(about).encode() + b"\n" + fetched.body, mode=0o600)

    def _path(self, url: str) -> Path:
        return self.folder / hashlib.sha256(url.encode()).hexdigest()
