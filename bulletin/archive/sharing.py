"""Much work of one kind, shared out to all processors."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Final, TypeVar

A = TypeVar("A")
B = TypeVar("B")

WORTH_IT: Final = 100
"""With fewer pieces, starting processes takes longer than it saves."""


def shared(do: Callable[[A], B], pieces: Sequence[A]) -> list[B]:
    """What `do` gives for each piece, in order: by a process for each processor where there is much to do.

    Only where a process can be copied as it stands, as on Linux; elsewhere, and for few pieces, one after the other.
    What goes wrong in a copy is done again here, so that errors come out as if there had been no copies.
    """
    copies = min(os.cpu_count() or 1, 8)
    can_copy = sys.platform == "linux" and threading.active_count() == 1
    if len(pieces) < WORTH_IT or copies < 2 or not can_copy:
        return [do(piece) for piece in pieces]
    context = multiprocessing.get_context("fork")
    running = []
    for number in range(copies):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(do, pieces[number::copies], theirs), daemon=True)
        process.start()
        theirs.close()
        running.append((process, ours))
    found: list[list[B]] = []
    for number, (process, ours) in enumerate(running):
        try:
            done = ours.recv()
        except EOFError:
            done = None
        process.join()
        found.append([do(piece) for piece in pieces[number::copies]] if done is None else done)
    return [found[place % copies][place // copies] for place in range(len(pieces))]


def _work(do: Callable[[A], B], pieces: Sequence[A], answer: Connection) -> None:
    try:
        answer.send([do(piece) for piece in pieces])
    except Exception:  # whatever it is, it happens again where it can be told
        answer.send(None)
