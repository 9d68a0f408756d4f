"""What a sender asks before it starts: whether somebody else is at work, is this a copy, what did a dead run leave."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulletin.delivery.ledger import Claimed, InDoubt, Ledger, Mailing, Run
from bulletin.delivery.schedule import overdue
from bulletin.errors import BulletinError
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers._provider import Capabilities, LooksUp, Session
from bulletin.publication import write_atomically

LONG_AGO = dt.timedelta(days=7)
"""A sending that has lain so long is not simply gone on with."""

_IN_ONE_QUESTION = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A machine and a folder on it, as the ledger names them, and what is remembered there beside the database."""

    name: str
    """Of machine and folder, for people: desk-7 (/srv/bulletin)."""
    process: str
    """What no other process on any machine is called."""
    memory: Path
    """A file with the runs that began here: a copy of the database that was put back knows fewer."""

    @property
    def holder(self) -> str:
        """Who is at work, in the ledger."""
        return self.process

    def remembered(self, mailing: str) -> int:
        """The latest run that began here; 0 for none."""
        return self._all().get(mailing, 0)

    def remember(self, mailing: str, run: int) -> None:
        """Keep that a run began."""
        write_atomically(self.memory, json.dumps(self._all() | {mailing: run}).encode(), mode=0o600)

    def _all(self) -> dict[str, int]:
        try:
            found = json.loads(self.memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def ask(mailing: str, known: Mailing | None, here: Here, now: dt.datetime, *, unfinished: bool, accept: bool) -> None:
    """Raises `BulletinError` if another machine is at work, and for what is odd unless a person accepts it."""
    if known and known.holder and known.home != here.name and known.held_until and known.held_until > now:
        raise BulletinError(
            f"{known.home} is sending this issue now.", hint="Wait until it is done. See: bulletin status"
        )
    if odd := "" if accept else _odd(mailing, known, here, now, unfinished=unfinished):
        raise BulletinError(odd, hint="If you are sure that it should go on here, say so: bulletin send --take-over")


def _odd(mailing: str, known: Mailing | None, here: Here, now: dt.datetime, *, unfinished: bool) -> str:
    runs, mine = known.run if known else 0, here.remembered(mailing)
    if mine > runs:
        return (
            f"sendings of this issue began here {mine} times, and the database knows of {runs}: it seems to be an older"
            " copy that was put back, so readers may have had mail of which it knows nothing."
        )
    if known is None:
        return ""
    if not known.run:
        missed = known.due_at and not known.cancelled_by and overdue(known.due_at, now)
        return f"it was to leave on {known.parts['time of sending']}, and did not." if missed else ""
    if known.home != here.name:
        return (
            f"this issue was last sent from {known.home}, and this is {here.name}: if the database is a copy, readers"
            " may have had mail of which it knows nothing."
        )
    if unfinished and now - known.started_at > LONG_AGO:
        return f"the sending of this issue broke off long ago: it began on {known.started_at:%d %B %Y}."
    return ""


def settle(
    ledger: Ledger, run: Run, capabilities: Capabilities, now: Callable[[], dt.datetime], worker: str = ""
) -> int:
    """Decide about deliveries that a dead run, or a dead worker, had in hand (promise 4); how many go out again.

    Where the provider knows a letter again by its key, and still does, it goes out again under the same key. All others
    are unknown: `look_up` may find out about them, and else a person has to.
    """
    again = 0
    for batch in ledger.in_doubt(run.mailing, worker):
        known_again = _knows_again(batch, run.provider, capabilities.key_window, now())
        kind = OutcomeKind.RETRY if known_again else OutcomeKind.UNKNOWN
        again += len(batch.claim.deliveries) if known_again else 0
        outcome = Outcome(key="", kind=kind, reason="sending stopped while the provider had it")
        ledger.settle(run, batch, [outcome] * len(batch.claim.deliveries), now=now())
    return again


def look_up(
    ledger: Ledger,
    run: Run,
    session: Session,
    letters: Callable[[Sequence[Claimed]], Sequence[Letter]],
    now: Callable[[], dt.datetime],
) -> int:
    """Ask the provider, if it can be asked, about unknown deliveries; how many certainly never left, and go out again.

    It may take a while, and a provider's log comes late: so it is asked when everybody else has been sent to.
    """
    if not isinstance(session, LooksUp):
        return 0
    again = 0
    rows = ledger.unknown_letters(run.mailing, run.provider)
    for start in range(0, len(rows), _IN_ONE_QUESTION):
        some = rows[start : start + _IN_ONE_QUESTION]
        answers = zip(some, session.look_up(run.mailing, letters(some)), strict=True)
        found = [(row, answer) for row, answer in answers if answer and answer.kind is not OutcomeKind.UNKNOWN]
        again += sum(answer.kind is OutcomeKind.RETRY for _, answer in found)
        ledger.decide_unknown(run, [row for row, _ in found], [answer for _, answer in found], now=now())
        if not found:
            break  # it gives no answers now, or knows none of these
    return again


def _knows_again(batch: InDoubt, provider: str, window: dt.timedelta | None, now: dt.datetime) -> bool:
    """Also a clock that has gone back since is no proof that the window is open."""
    if window is None:
        return False
    return batch.provider == provider and dt.timedelta(0) <= now - batch.claimed_at <= window
