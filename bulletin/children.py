"""Runs what handles other people's bytes in child processes that can be ended.

Hostile input can hold a parser for minutes and take all memory (F-22, V-16). A child gets plain values and gives plain
values back; when it takes too long it is ended and another takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

T = TypeVar("T")
_OUT_OF_MEMORY: Final = 77
"""Exit code of a child."""


class ChildFailed(Exception):  # noqa: N818 - what it was given is at fault
    """Says in a few words why a child gave no answer."""


class Children:
    """A few child processes, started when first needed. Use as a context manager; safe to share between threads.

    `seconds` is the time that one call may take, and `memory` the bytes beyond what the child has when it starts;
    `preload` names the modules that every child has loaded already by then.
    """

    def __init__(
        self, preload: Sequence[str], *, workers: int = 2, seconds: float = 5.0, memory: int = 200_000_000
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
        from concurrent.futures.process import BrokenProcessPool

        from pebble import ProcessExpired

        pool = self._started()
        try:
            answer: T = pool.schedule(_guarded, args=(function, *args), timeout=self._seconds).result()
        except TimeoutError:
            raise ChildFailed(f"takes longer than {self._seconds:g} s to read") from None
        except ProcessExpired as error:
            if error.exitcode == _OUT_OF_MEMORY:
                raise ChildFailed("takes too much memory to read") from None
            raise ChildFailed("cannot be read: it ends the program that reads it") from None
        except BrokenProcessPool:
            with self._lock:  # the next call starts other children
                self._pool = None if self._pool is pool else self._pool
            raise ChildFailed("cannot be read: it ends the programs that read it") from None
        return answer

    def _started(self) -> Any:
        from pebble import ProcessPool

        with self._lock:
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=self._workers,
                    initializer=_settle,
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


def _guarded(function: Callable[..., T], *args: object) -> T:
    try:
        return function(*args)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)  # who once ran out of memory is not sure to have any for the next


def _settle(size: int) -> None:
    """What a child does first: let itself be ended at any time, also while a parser keeps it busy, and limit itself."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            present = int(file.read().split()[5]) * resource.getpagesize()
        # Of data, not of addresses: threads reserve many of those and use few.
        resource.setrlimit(resource.RLIMIT_DATA, (present + size, present + size))
    except (ImportError, OSError, ValueError):
        return  # Windows and some others have no such limit; the time limit still holds
