"""Many requests, one write: who asks while the disk is busy shares the next transaction, and is answered after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

MOST: Final = 500
"""Requests in one transaction."""


class Together:
    """Hands what several requests want to one function at a time, in a thread of its own.

    `act` gets each key once, with the value that came first. When it returns, everything is on the disk.
    """

    def __init__(self, act: Callable[[Mapping[str, str]], object]) -> None:
        self._act = act
        self._waiting: list[tuple[str, str, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def do(self, key: str, value: str) -> None:
        """Return once this is done and kept. Raises what `act` raised for the whole of its transaction."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((key, value, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        await done

    async def _work(self) -> None:
        from starlette.concurrency import run_in_threadpool

        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            wanted = {key: value for key, value, _ in reversed(batch)}
            failed: Exception | None = None
            try:
                await run_in_threadpool(self._act, wanted)
            except Exception as error:
                failed = error
            for _, _, done in batch:
                if done.cancelled():
                    continue
                if failed:
                    done.set_exception(failed)
                else:
                    done.set_result(None)
