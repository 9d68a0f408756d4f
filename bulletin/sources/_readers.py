"""Reads other people's bytes in child processes that can be ended.

Hostile input can hold a parser for minutes and take all memory (F-22). A child gets bytes and gives back candidates;
when it takes too long it is ended and another takes its place.
"""

from __future__ import annotations

import multiprocessing
import threading
from types import TracebackType
from typing import Any, Final

from bulletin import registry
from bulletin.model import Candidate
from bulletin.sources._source import Document, Reading, Rests, SourceKind, Spec, UnreadableError

_PRELOADED: Final = (
    *("bulletin.sources.feed", "bulletin.sources.listing", "feedparser", "lxml.etree", "nh3", "dateutil.parser"),
    "selectolax.lexbor",
)


class Readers:
    """A few child processes, started when first needed. Use as a context manager; safe to share between threads.

    `seconds` is the time and `memory` the address space in bytes that reading one document may take.
    """

    def __init__(self, *, workers: int = 2, seconds: float = 5.0, memory: int = 1_000_000_000) -> None:
        self._workers, self._seconds, self._memory = workers, seconds, memory
        self._lock = threading.Lock()
        self._pool: Any = None

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            # Children that are ended while they start complain about it, so they are ended early only in an emergency.
            self._pool.stop() if kind else self._pool.close()
            self._pool.join()

    def read(self, kind: str, document: Document, spec: Spec) -> Reading:
        """What the source kind reads in the document. Raises `UnreadableError`, also for time and memory."""
        reading: Reading = self._ask(_read, kind, document, spec)
        return reading

    def detail(self, kind: str, candidate: Candidate, document: Document, spec: Spec) -> Candidate:
        """The candidate with what another document knows better. Raises `UnreadableError`."""
        better: Candidate = self._ask(_with_detail, kind, candidate, document, spec)
        return better

    def ask(self, kind: str, question: str, document: Document) -> Any:
        """What a function of the source kind says of a document. Raises `UnreadableError`."""
        return self._ask(_answer, kind, question, document)

    def _ask(self, function: Any, *arguments: Any) -> Any:
        from pebble import ProcessExpired

        future = self._started().schedule(function, args=arguments, timeout=self._seconds)
        try:
            return future.result()
        except TimeoutError:
            raise UnreadableError(f"takes longer than {self._seconds:g} s to read") from None
        except MemoryError:
            raise UnreadableError("takes too much memory to read") from None
        except ProcessExpired:
            raise UnreadableError("cannot be read: it ends the program that reads it") from None

    def _started(self) -> Any:
        from pebble import ProcessPool

        with self._lock:
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=self._workers, initializer=_limit_memory, initargs=(self._memory,), context=_context()
                )
            return self._pool


def _context() -> Any:
    """How children start: from a small server process, because a copy of a process with threads may hang."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context


def _limit_memory(size: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, OSError, ValueError):
        return  # Windows and some others have no such limit; the time limit still holds


def _read(kind: str, document: Document, spec: Spec) -> Reading:
    source: SourceKind = registry.load("sources", kind)
    candidates = source.read(document, spec)
    more, rests = getattr(source, "more", None), getattr(source, "rests", None)
    return Reading(
        candidates=candidates,
        more=more(document, spec) if more else None,
        rests=rests(document) if rests else Rests(),
    )


def _with_detail(kind: str, candidate: Candidate, document: Document, spec: Spec) -> Candidate:
    better: Candidate = registry.load("sources", kind).with_detail(candidate, document, spec)
    return better


def _answer(kind: str, question: str, document: Document) -> Any:
    return getattr(registry.load("sources", kind), question)(document)
