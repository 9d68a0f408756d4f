"""Runs what handles other people's bytes in child processes that can be ended.

Hostile input can hold a parser for minutes and take all memory (F-22, V-16). A child gets plain values and gives plain
values back; when it takes too long it is ended and another takes its place.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class ChildFailed(Exception):  # noqa: N818 - what it was given is at fault
    """Says in a few words why a child gave no answer."""


class Children:
    """A few child processes, started when first needed. Use as a context manager; safe to share between threads.

    `seconds` is the time and `memory` the address space in bytes that one call may take; `preload` names the modules
    that every child has loaded already when it starts.
    """

    def __init__(
        self, preload: Sequence[str], *, workers: int = 2, seconds: float = 5.0, memory: int = 1_000_000_000
    ) -> None:
        self._preload, self._workers, self._seconds, self._memory = list(preload), workers, seconds, memory
        self._lock = threading.Lock()
        self._pool: Any = None

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            # Children that are ended while they start complain about it, so they are ended early only in an emergency.
            self._pool.stop() if kind else self._pool.close()
            self._pool.join()

    def run(self, function: Callable[..., T], *args: object) -> T:
        """What the function gives for these values. Raises what it raises, and `ChildFailed` for time and memory."""
        from pebble import ProcessExpired

        future = self._started().schedule(function, args=args, timeout=self._seconds)
        try:
            answer: T = future.result()
        except TimeoutError:
            raise ChildFailed(f"takes longer than {self._seconds:g} s to read") from None
        except MemoryError:
            raise ChildFailed("takes too much memory to read") from None
        except ProcessExpired:
            raise ChildFailed("cannot be read: it ends the program that reads it") from None
        return answer

    def _started(self) -> Any:
        from pebble import ProcessPool

        with self._lock:
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=self._workers,
                    initializer=_limit_memory,
                    initargs=(self._memory,),
                    context=_context(self._preload),
                )
            return self._pool


def _context(preload: list[str]) -> Any:
    """How children start: from a small server process, because a copy of a process with threads may hang."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    return context


def _limit_memory(size: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, OSError, ValueError):
        return  # Windows and some others have no such limit; the time limit still holds
