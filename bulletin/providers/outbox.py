"""Writes every message as an `.eml` file and sends nothing: for looking, trying out and demonstrations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bulletin.errors import BulletinError
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers._provider import Capabilities, ProviderError, Surroundings, refused_unsent
from bulletin.publication import write_atomically
from bulletin.render.message import Message

CAPABILITIES = Capabilities(batch=500, key_window=dt.timedelta(days=36_500), really_sends=False)


class Outbox:
    """A folder for each mailing, a file for each letter, named by its number: `000001.eml`.

    A letter offered again replaces its own file, so that nobody has two.
    """

    wait = 0.0

    def __init__(self, folder: Path, now: Callable[[], dt.datetime]) -> None:
        self._folder, self._now = folder, now
        self._tidied: set[str] = set()

    def deliver(self, mailing: str, letters: Sequence[Letter], message: Message) -> list[Outcome]:
        """Write the letters, each whole or not at all, readable by their owner only."""
        self._tidy(mailing)
        outcomes: list[Outcome] = []
        for letter in letters:
            path = self._folder / mailing / f"{letter.number:06}.eml"
            try:
                filled = message.fill(letter, date=self._now())
            except BulletinError as error:
                outcomes.append(refused_unsent(letter, error))
                continue
            try:
                write_atomically(path, filled, mode=0o600)
            except OSError as error:
                reason = f"the outbox cannot be written: {error.strerror}: {path}."
                raise ProviderError(reason, hint="Make room or mend its rights.", outcomes=outcomes) from None
            outcomes.append(Outcome(key=letter.key, kind=OutcomeKind.ACCEPTED, provider_id=path.name))
        return outcomes

    def _tidy(self, mailing: str) -> None:
        """Remove what a killed process had half written."""
        if mailing not in self._tidied:
            self._tidied.add(mailing)
            for leftover in (self._folder / mailing).glob(".*.eml.*"):
                leftover.unlink(missing_ok=True)


@contextmanager
def open(surroundings: Surroundings) -> Iterator[Outbox]:
    """The outbox of the publication."""
    yield Outbox(surroundings.outbox_dir, surroundings.now)
