"""Reads documents of strangers in child processes: a child gets bytes and gives back candidates (F-22)."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

from bulletin import registry
from bulletin.children import ChildFailed, Children
from bulletin.model import Candidate
from bulletin.sources._source import Document, Reading, Rests, SourceKind, Spec, UnreadableError

_PRELOADED: Final = (
    *("bulletin.sources.feed", "bulletin.sources.listing", "feedparser", "lxml.etree", "nh3", "dateutil.parser"),
    *("selectolax.lexbor", "bulletin.sources._quick"),
)


class Readers:
    """A few child processes, started when first needed. Use as a context manager; safe to share between threads.

    `seconds` is the time and `memory` the bytes that reading one document may take beyond what the program itself has.
    """

    def __init__(self, *, workers: int = 2, seconds: float = 5.0, memory: int = 200_000_000) -> None:
        self._children = Children(_PRELOADED, workers=workers, seconds=seconds, memory=memory)

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.__exit__(kind, error, trace)

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
        try:
            return self._children.run(function, *arguments)
        except ChildFailed as failure:
            raise UnreadableError(str(failure)) from None


def _read(kind: str, document: Document, spec: Spec) -> Reading:
    source: SourceKind = registry.load("sources", kind)
    candidates = source.read(document, spec)
    more, rests, remarks = (getattr(source, name, None) for name in ("more", "rests", "remarks"))
    return Reading(
        candidates=candidates,
        more=more(document, spec) if more else None,
        remarks=remarks(document, spec) if remarks else (),
        rests=rests(document) if rests else Rests(),
    )


def _with_detail(kind: str, candidate: Candidate, document: Document, spec: Spec) -> Candidate:
    better: Candidate = registry.load("sources", kind).with_detail(candidate, document, spec)
    return better


def _answer(kind: str, question: str, document: Document) -> Any:
    return getattr(registry.load("sources", kind), question)(document)
