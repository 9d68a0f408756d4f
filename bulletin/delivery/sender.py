"""Sends a plan: claim, offer to the provider, record, until nothing is left. Run again, it goes on where it stopped.

Several threads do so side by side, each with a session of its own; the ledger deals out the work, and the main thread
says that the sender is alive and listens for Ctrl-C.
"""

from __future__ import annotations

import datetime as dt
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, overload

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Select
from sqlalchemy.exc import OperationalError

from bulletin.config import Config
from bulletin.delivery import doubts
from bulletin.delivery.ledger import (
    TEST_READER,
    TRIES,
    Answer,
    Claim,
    Ledger,
    Lost,
    Mailing,
    Run,
    Wait,
    begin_in,
    without_addresses,
)
from bulletin.delivery.plan import Plan
from bulletin.delivery.report import Standing
from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.model import EVERYONE, Alike, Letter, Letters, Outcome, OutcomeKind, unlike
from bulletin.providers._provider import Capabilities, ProviderError, Session
from bulletin.render.message import MessageTemplate, message_number
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.belonging import audience_of_address, domain_of
from bulletin.subscribers.tokens import Links

ENOUGH_ANSWERS = 20
"""Fewer answers say nothing about a rate of refusals."""

_CALLS_PUT_OFF = 6
_CALLS_IN_DOUBT = 3
"""Calls of one session in a row without use before the run stops."""
_SURE_FOR_S = 10.0
"""A claim older than this may have been taken over: a machine sleeps, a process is stopped."""
_SAY_ALIVE_S = 15.0
_LOOK_S = 1.0
_FIRST_LETTERS = 5
_CALL_S = 0.5
"""Letters in the first call, and seconds of a later one, where letters go one by one."""
_WAITS_FOR_DATABASE_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before a turn is tried again that the database failed: it may be starting anew, or the disk be full."""


class Workers(Protocol):
    """Processes elsewhere that do the work of a run: see `engine_cluster`."""

    def hand_out(self, connection: Connection, run: Run) -> None:
        """Give them the work, in the transaction that is open."""

    def at_work(self, mailing: str, run: int) -> bool:
        """Whether they still have some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Everything sending needs from outside, passed in."""

    config: Config
    ledger: Ledger
    provider: str
    open_session: Callable[[], AbstractContextManager[Session]]
    capabilities: Capabilities
    links: Links
    question: Callable[[dt.datetime], Select[Any]]
    """Who gets which edition at a moment: see `subscribers.audience.recipients`."""
    here: doubts.Here
    """This machine and folder, and what it remembers of earlier runs."""
    lock: Path
    """A file; while somebody holds its lock nobody else sends for this publication."""
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], None]
    connections: int = 1
    """How many sessions are open at once."""
    on_progress: Callable[[int, int], None] = field(default=lambda done, planned: None)
    """Told after every call to the provider: deliveries with an answer, deliveries planned."""

    workers: Workers | None = None
    """Who does the work, if not this process."""
    may_enter: bool = True
    """Whether a plan may be entered by sending it; not where somebody has to approve it first."""

    def batch(self, per_second: float | None) -> int:
        """Letters in one call, and so in doubt together if the process dies."""
        size = min(self.config.sending.batch, self.capabilities.batch)
        if per_second:  # a second's worth at a time, so that a call is no burst
            size = min(size, int(per_second))
        return max(1, size)


def run(
    sender: Sender,
    plan: Plan,
    templates: Mapping[str, MessageTemplate],
    *,
    accept_changed: bool = False,
    accept_doubts: bool = False,
    rehearsed_by: Collection[str] = (),
) -> Standing:
    """Send a plan, or what is left of it; how the mailing stands then.

    `templates` holds the message of each edition by its name. A plan that has been entered before and is not finished
    goes on as it was entered; else it is entered now. Deliveries another run left in doubt are decided first. Copies
    that the providers `rehearsed_by` accepted never left this machine and do not count.
    Raises `StoppedPartWay` when running it again would go on, and `BulletinError` when nothing left and the cause has
    to be mended first, another sending is at work, or something about the past is odd and `accept_doubts` is not set.
    """
    ledger, mailing = sender.ledger, plan.issue
    with _alone(sender.lock), _stop_signal() as stopping, sender.open_session() as session:
        known = ledger.mailing(mailing)
        unfinished = known is not None and bool(ledger.waiting(mailing))
        doubts.ask(mailing, known, sender.here, sender.now(), unfinished=unfinished, accept=accept_doubts)
        _refuse_stopped(known, plan, sender.now())
        if known and sender.workers and sender.workers.at_work(mailing, known.run):
            return _until_workers_are_done(sender, replace(run_of(sender, plan, templates), run=known.run), stopping)
        if rehearsed_by:
            ledger.plan_rehearsed(mailing, rehearsed_by, now=sender.now())
        run = _begin(sender, plan, templates, fresh=known is None, accept_changed=accept_changed)
        sender.here.remember(mailing, run.run)
        work = _Work(sender, run, templates, stopping)
        try:
            again = doubts.settle(ledger, run, sender.capabilities, sender.now)
            if known and (known.head != plan.head or (sender.may_enter and not ledger.waiting(mailing))):
                # What comes back from in doubt was asked about before it was claimed.
                _enter(sender, plan, accept_changed=accept_changed or bool(again))
            if sender.workers:
                if known:
                    ledger.then(partial(sender.workers.hand_out, run=run))
                return _until_workers_are_done(sender, run, stopping)
            work.until_done(session)
            if doubts.look_up(ledger, run, session, work.letters, sender.now):
                work = _Work(sender, run, templates, stopping)
                work.until_done(session)
        finally:
            if not work.alive:
                with suppress(OperationalError):  # nothing hangs on it here: whoever comes next has the lock
                    ledger.end(run, now=sender.now())
        return _standing(ledger, mailing)


def _begin(
    sender: Sender, plan: Plan, templates: Mapping[str, MessageTemplate], *, fresh: bool, accept_changed: bool
) -> Run:
    """Start a run; of a mailing that is new, in the transaction that enters it, and with the work of its workers."""
    wanted = run_of(sender, plan, templates)
    if not fresh:
        return sender.ledger.begin(wanted, home=sender.here.name, now=sender.now())
    begun: list[Run] = []

    def begin(connection: Connection, number: int) -> None:
        begun.append(begin_in(connection, wanted, home=sender.here.name, now=sender.now()))
        if sender.workers:
            sender.workers.hand_out(connection, begun[0])

    _enter(sender, plan, accept_changed=accept_changed, then=begin)
    return begun[0]


def _until_workers_are_done(sender: Sender, run: Run, stopping: Callable[[], bool]) -> Standing:
    """Watch the workers. It ends before they do when somebody asks for it; they go on."""
    assert sender.workers  # noqa: S101 - the caller looked
    while True:
        at_work = sender.workers.at_work(run.mailing, run.run)
        standing = _standing(sender.ledger, run.mailing)
        sender.on_progress(standing.planned - standing.waiting, standing.planned)
        if not standing.waiting:
            return standing
        if not at_work:
            raise StoppedPartWay(
                f"the workers stopped with {standing.waiting:,} of {standing.planned:,} copies still to go.",
                hint="They said why. Then send again to go on.",
            )
        if stopping():
            raise StoppedPartWay(
                "the workers go on without this.",
                hint=f"See how it goes: bulletin status {run.mailing}. To end it: bulletin cancel {run.mailing}",
            )
        sender.sleep(_LOOK_S)


def _enter(
    sender: Sender,
    plan: Plan,
    *,
    accept_changed: bool,
    then: Callable[[Connection, int], None] = lambda connection, number: None,
) -> None:
    now = sender.now()
    if not sender.may_enter:
        raise BulletinError("nobody approved this.", hint=f"First: bulletin approve {plan.issue}")
    size = sender.batch(sender.config.sending.per_second)
    sender.ledger.enter(plan, sender.question(now), batch=size, now=now, accept_changed=accept_changed, then=then)


def _refuse_stopped(known: Mailing | None, plan: Plan, now: dt.datetime) -> None:
    """Raises `BulletinError` for a mailing that somebody cancelled, or whose time has not come."""
    if known and known.cancelled_by:
        raise BulletinError(
            f"{known.cancelled_by} cancelled this mailing.",
            hint=f"If it is to go on after all: bulletin send {plan.issue} --continue",
        )
    due_at = known.due_at if known and known.head == plan.head else plan.due_at
    if due_at and now < due_at:
        raise BulletinError(f"it leaves on {plan.parts['time of sending']}, and not before.")


def pace(planned: int, spread: dt.timedelta | None, per_second: float | None) -> float | None:
    """Messages in a second at most; None for as many as the provider takes."""
    paces = [pace for pace in (per_second, planned / spread.total_seconds() if spread else None) if pace]
    return min(paces, default=None)


def run_of(sender: Sender, plan: Plan, templates: Mapping[str, MessageTemplate]) -> Run:
    """A run over a plan as it would begin now; `Ledger.begin` gives it its number."""
    standing = sender.ledger.standing(plan.issue)
    planned = standing.planned if standing else plan.recipients
    return Run(
        mailing=plan.issue,
        number=0,
        run=0,
        holder=sender.here.holder,
        provider=sender.provider,
        audiences={name: template.rendered.audience for name, template in templates.items()},
        question=_by_the_minute(sender.question),
        per_second=pace(planned, plan.spread, sender.config.sending.per_second),
    )


def _by_the_minute(question: Callable[[dt.datetime], Select[Any]]) -> Callable[[dt.datetime], Select[Any]]:
    """The same question, made anew every minute only: making it costs more than asking it of a few letters."""
    last: list[tuple[dt.datetime, Select[Any]]] = []

    def ask(now: dt.datetime) -> Select[Any]:
        minute = now.replace(second=0, microsecond=0)
        if not last or last[-1][0] != minute:
            last[:] = [(minute, question(now))]
        return last[-1][1]

    return ask


def send_test(sender: Sender, issue: str, template: MessageTemplate, address: str) -> Outcome | None:
    """Send one copy to an address of your choice; what the provider answered. It counts for no mailing.

    None if nothing was sent, because the edition is kept for an audience and the address is neither one of its readers'
    nor at the publication's own mail domains: a slip of the pen must not lead out what is for few (S-26). Raises
    `BulletinError` if the address cannot be mailed.
    """
    try:
        address = normalise(address)
    except AddressRefused as refusal:
        raise BulletinError(f"the test cannot be sent: {refusal}.", hint="Write it as name@example.org.") from None
    if not _may_try(sender, template.rendered.audience, address):
        return None
    ledger = sender.ledger
    mailing = ledger.open_test(issue, template.rendered.name, provider=sender.provider, now=sender.now())
    letters = _letters_of(sender, mailing)([(1, TEST_READER, address)])
    try:
        with sender.open_session() as session:
            outcome = session.deliver(mailing, letters, template)[0]
    except ProviderError as error:
        ledger.close_test(mailing, None, now=sender.now())
        error.message = without_addresses(error.message)
        raise
    ledger.close_test(mailing, outcome, now=sender.now())
    return outcome


def _may_try(sender: Sender, audience: str, address: str) -> bool:
    config = sender.config
    own = {domain_of(known) for known in (config.sender.address, config.sender.reply_to) if known}
    if audience == EVERYONE or audience_of_address(address, config) == audience or domain_of(address) in own:
        return True
    return sender.ledger.edition_of(sender.question(sender.now()), address).partition(".")[0] == audience


class _Work:
    """What the threads of one run share."""

    def __init__(
        self, sender: Sender, run: Run, templates: Mapping[str, MessageTemplate], stopping: Callable[[], bool]
    ) -> None:
        self._sender, self._run, self._templates, self._asked = sender, run, templates, stopping
        self.letters = _letters_of(sender, run.mailing)
        self._threads: list[threading.Thread] = []
        self._recent: deque[bool] = deque(maxlen=max(sender.config.sending.batch, ENOUGH_ANSWERS))
        self._together = threading.Lock()
        self._stop = threading.Event()
        self._reason: BaseException | None = None
        self._put_off = ""
        self._planned = self._done = 0
        self.leaves_waiting_to_others = False
        self.sure_for_s = _SURE_FOR_S
        self.batch, self.one_by_one = sender.batch(run.per_second), sender.capabilities.one_by_one

    @property
    def alive(self) -> bool:
        """Whether any thread is still at it."""
        return any(thread.is_alive() for thread in self._threads)

    def until_done(self, session: Session) -> None:
        """Work in threads, one with this session, until nothing is left to offer or there is a reason to stop."""
        standing = _standing(self._sender.ledger, self._run.mailing)
        self._planned, self._done = standing.planned, standing.planned - standing.waiting
        opens = [lambda: nullcontext(session), *[self._sender.open_session] * (self._sender.connections - 1)]
        for number, open_session in enumerate(opens):
            arguments = (f"{self._run.holder}/{number}", open_session)
            self._threads.append(threading.Thread(target=self._work, args=arguments, daemon=True))
            self._threads[-1].start()
        try:
            self._watch_over()
        except KeyboardInterrupt:
            self._stop.set()
            raise StoppedPartWay(
                "stopped at once; it is in doubt whether the letters that the provider had in hand have left.",
                hint="Send again to go on: it sends no doubtful one twice, and says how many there are.",
            ) from None
        self._explain()

    def _explain(self) -> None:
        """Raises what there is to say about copies that did not leave."""
        standing = _standing(self._sender.ledger, self._run.mailing)
        if isinstance(self._reason, ProviderError) and standing.accepted:
            hint = f"{self._reason.hint} Then send again to go on.".strip()
            raise StoppedPartWay(self._reason.message, hint=hint)
        if self._reason:
            raise self._reason
        known = self._sender.ledger.mailing(self._run.mailing)
        if known and known.cancelled_by:
            raise StoppedPartWay(
                f"{known.cancelled_by} cancelled this mailing after {standing.accepted:,} of {self._planned:,} copies"
                " were accepted.",
                hint=f"What became of them: bulletin report {known.id}",
            )
        waiting = standing.waiting
        if waiting and self._asked():
            raise StoppedPartWay(
                f"stopped after {self._done} of {self._planned} deliveries; all of them are recorded.",
                hint="Send again to go on.",
            )
        if waiting and known and known.up_to is not None and not self._put_off:
            raise StoppedPartWay(
                f"the first ones have left, as you wished; {waiting:,} of {self._planned:,} wait for your word.",
                hint=f"Look at what came of them: bulletin report {known.id}. Then:"
                f" bulletin send {known.id} --continue",
            )
        if waiting:
            raise StoppedPartWay(
                f"{waiting} of {self._planned} deliveries were put off {TRIES} times; at last: {self._put_off}.",
                hint="Send again later to go on.",
            )

    def _watch_over(self) -> None:
        said = time.monotonic()
        for thread in self._threads:
            while thread.is_alive():
                thread.join(timeout=0.5)
                if time.monotonic() - said > _SAY_ALIVE_S:
                    said = time.monotonic()
                    self._say_alive()

    def _say_alive(self) -> None:
        with suppress(OperationalError):  # the threads meet the same trouble, and know what to do about it
            if not self._sender.ledger.still_at_work(self._run, now=self._sender.now()):
                self._stop_for(_taken_over())

    # ---- in a thread

    def _work(self, worker: str, open_session: Callable[[], AbstractContextManager[Session]]) -> None:
        try:
            with open_session() as session:
                _Worker(self, session, worker).until_done()
        except BaseException as error:
            self._stop_for(error)

    @property
    def reason(self) -> BaseException | None:
        """Why to stop, if there is a reason."""
        return self._reason

    def _stop_for(self, reason: BaseException) -> None:
        with self._together:
            self._reason = self._reason or reason
        self._stop.set()

    def stopped(self) -> bool:
        """Whether nothing more is to be claimed."""
        return self._stop.is_set() or self._asked()

    def pause(self, seconds: float) -> None:
        """Wait, but not when asked to stop."""
        left = seconds
        while left > 0 and not self.stopped():
            self._sender.sleep(min(left, 1.0))
            left -= 1.0

    def turn(self, worker: str, answer: Answer | None, *, limit: int) -> Claim | None:
        """Record, and claim as long as nobody said stop; None at the end. Waits, and outlasts a database that fails."""
        failures = iter(_WAITS_FOR_DATABASE_S)
        again = False
        while True:
            limit = 0 if self.stopped() else min(limit, self.batch)
            now = self._sender.now()
            try:
                got = self._sender.ledger.turn(self._run, worker, answer, limit=limit, now=now, again=again)
            except OperationalError:
                pause = next(failures, None)
                if pause is None:
                    raise
                again = True
                self._sender.sleep(pause)
                continue
            again = False
            if answer:
                self._count(answer)
            answer = None
            match got:
                case Wait(for_others=True) if self.leaves_waiting_to_others:
                    return None
                case Wait(seconds):
                    self.pause(seconds)
                case Lost():
                    raise _taken_over()
                case _:
                    return got

    def offer(self, claim: Claim, session: Session, asked: float) -> Answer:
        """One call to the provider, unless the claim, asked for at this moment, is somebody else's by now."""
        sure = _Sure(asked, self.sure_for_s, lambda: self._sender.ledger.has(self._run, claim))
        sure.look()
        letters: Sequence[Letter] = self.letters(claim.deliveries)
        if self.one_by_one:
            letters = _WhileSure(letters, sure)
        try:
            outcomes: Sequence[Outcome] = session.deliver(self._run.mailing, letters, self._templates[claim.edition])
        except ProviderError as error:
            error.message = without_addresses(error.message)
            self._stop_for(error)
            outcomes = error.outcomes
        else:
            missing = len(letters) - len(outcomes)
            doubt = "the provider gave no answer for this letter"
            if missing:
                unknown = Outcome(key="", kind=OutcomeKind.UNKNOWN, reason=doubt)
                outcomes = [*outcomes, *[unknown] * missing]
        return Answer(claim=claim, outcomes=outcomes, leave_alone=dt.timedelta(seconds=session.wait))

    def _count(self, answer: Answer) -> None:
        kinds = _kinds(answer.outcomes)
        with self._together:
            self._done += len(kinds) - kinds.count(OutcomeKind.RETRY)
            self._sender.on_progress(self._done, self._planned)

    def watch(self, outcomes: Sequence[Outcome]) -> None:
        """Stop when too many are refused."""
        limit = self._sender.config.sending.stop_after_refusals
        with self._together:
            if put_off := [outcome.reason for outcome in unlike(outcomes) if outcome.kind is OutcomeKind.RETRY]:
                self._put_off = without_addresses(put_off[-1])
            self._recent.extend(
                kind is OutcomeKind.REFUSED
                for kind in _kinds(outcomes)
                if kind is OutcomeKind.ACCEPTED or kind is OutcomeKind.REFUSED
            )
            refused, known = sum(self._recent), len(self._recent)
        if known >= ENOUGH_ANSWERS and refused > limit * known:
            self._stop_for(
                StoppedPartWay(
                    f"{refused} of the last {known} deliveries were refused, so sending paused.",
                    hint=f"Look at the reasons with: bulletin report {self._run.mailing}. Then send again to go on.",
                )
            )

    def stop_for_put_off(self) -> None:
        """The provider puts call after call off."""
        self._stop_for(
            StoppedPartWay(f"the provider puts everything off: {self._put_off}.", hint="Send again later to go on.")
        )

    def stop_for_doubt(self) -> None:
        """Stop before everybody is unknown."""
        self._stop_for(
            StoppedPartWay(
                f"the provider did not confirm {_CALLS_IN_DOUBT} calls in a row, so it is unknown whether they left.",
                hint=f"Ask the provider, then decide: bulletin resolve {self._run.mailing} --sent, or --again."
                " Send again to go on with the others.",
            )
        )


class _Sure:
    """Knows for how long nobody else can have taken a claim over, and asks the ledger after that."""

    def __init__(self, since: float, for_s: float, ask: Callable[[], bool]) -> None:
        self._since, self._for_s, self._ask = since, for_s, ask

    def look(self) -> None:
        """Raises `TakenOver` if somebody has."""
        now = _awake()
        if now - self._since > self._for_s:
            if not self._ask():
                raise _taken_over()
            self._since = now


class _WhileSure(Sequence[Letter]):
    """Letters that go one by one: looked at before each of them, as the process may have been stopped between two."""

    def __init__(self, letters: Sequence[Letter], sure: _Sure) -> None:
        self._letters, self._sure = letters, sure

    def __len__(self) -> int:
        return len(self._letters)

    @overload
    def __getitem__(self, index: int) -> Letter: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Letter]: ...
    def __getitem__(self, index: int | slice) -> Letter | Sequence[Letter]:
        self._sure.look()
        return self._letters[index]


class Helper:
    """One process's part in a run that began elsewhere. It is used by several threads at once."""

    def __init__(
        self, sender: Sender, run: Run, templates: Mapping[str, MessageTemplate], *, dead_after: dt.timedelta
    ) -> None:
        self._sender, self._run = sender, run
        self._work = _Work(sender, run, templates, lambda: False)
        self._work.leaves_waiting_to_others = True
        self._work.sure_for_s = dead_after.total_seconds() / 3

    def work(self, ticket: str) -> bool:
        """Decide about what was claimed in this name before, then send until nothing is left to claim.

        False if this process was stopped for so long that its work was taken over. Raises `BulletinError` with the
        reason when the run has to stop: it then does so on all machines.
        """
        ledger, run = self._sender.ledger, self._run
        doubts.settle(ledger, run, self._sender.capabilities, self._sender.now, ticket)
        try:
            with self._sender.open_session() as session:
                _Worker(self._work, session, ticket).until_done()
        except TakenOver:
            return ledger.join(run) is None
        if reason := self._work.reason:
            ledger.stop(run)
            raise reason
        return True


class _Worker:
    """One thread's work, with a session of its own."""

    def __init__(self, work: _Work, session: Session, name: str) -> None:
        self._work, self._session, self._name = work, session, name
        self._put_off_calls = self._doubtful_calls = 0
        self._one_by_one = work.one_by_one
        self._size = _FIRST_LETTERS if work.one_by_one else work.batch

    def until_done(self) -> None:
        """Claim, offer and record until there is no more work."""
        answer: Answer | None = None
        while True:
            asked = _awake()
            claim = self._work.turn(self._name, answer, limit=self._size)
            if claim is None:
                return
            began = time.monotonic()
            answer = self._work.offer(claim, self._session, asked)
            if self._one_by_one:
                self._size = letters_in_next_call(len(claim.deliveries), time.monotonic() - began)
            self._work.watch(answer.outcomes)
            self._watch_calls(answer.outcomes)

    def _watch_calls(self, outcomes: Sequence[Outcome]) -> None:
        put_off = self._session.wait and all(outcome.kind is OutcomeKind.RETRY for outcome in unlike(outcomes))
        self._put_off_calls = self._put_off_calls + 1 if put_off else 0
        if self._put_off_calls >= _CALLS_PUT_OFF:
            self._work.stop_for_put_off()
        doubtful = any(outcome.kind is OutcomeKind.UNKNOWN for outcome in unlike(outcomes))
        self._doubtful_calls = self._doubtful_calls + 1 if doubtful else 0
        if self._doubtful_calls >= _CALLS_IN_DOUBT:
            self._work.stop_for_doubt()


def _kinds(outcomes: Sequence[Outcome]) -> list[OutcomeKind]:
    if isinstance(outcomes, Alike):
        return [outcomes.kind] * len(outcomes)
    return [outcome.kind for outcome in outcomes]


def letters_in_next_call(letters: int, seconds: float) -> int:
    """How many fit into half a second, judging by the last call; no more than twice as many as that one had.

    What is in a call is in doubt together if the process dies, and is finished first if somebody asks to stop.
    """
    return max(1, min(2 * letters, int(letters * _CALL_S / max(seconds, 0.001))))


def _letters_of(sender: Sender, mailing: str) -> Callable[[Sequence[tuple[int, str, str]]], Letters]:
    """Makes letters of number, subscriber and address."""
    links, domain = sender.links, domain_of(sender.config.sender.address)

    def letters(rows: Sequence[tuple[int, str, str]]) -> Letters:
        subscribers, addresses = [row[1] for row in rows], [row[2] for row in rows]
        return Letters(
            keys=[f"{mailing}:{subscriber}" for subscriber in subscribers],
            numbers=[row[0] for row in rows],
            addresses=addresses,
            personal=links.personal_of_all(subscribers, addresses),
            message_id_of=lambda key: f"{message_number(key)}@{domain}",
        )

    return letters


def _standing(ledger: Ledger, mailing: str) -> Standing:
    standing = ledger.standing(mailing)
    assert standing is not None  # noqa: S101 - the mailing has just been entered
    return standing


class TakenOver(StoppedPartWay):
    """Somebody else has the work by now."""


def _taken_over() -> TakenOver:
    return TakenOver(
        "another machine has taken this sending over, so this one stopped.", hint="See how it goes: bulletin status"
    )


def _awake() -> float:
    """Seconds that go on while the machine sleeps, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One sender at a time. The operating system frees the lock when a process dies."""
    try:
        with FileLock(lock, timeout=0, mode=0o600):
            yield
    except Timeout:
        raise BulletinError(
            "another send is at work for this publication.", hint="Wait until it is done. See: bulletin status"
        ) from None


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or the system asked to end: the letters in hand are recorded before stopping.

    A second Ctrl-C ends at once; what was in hand is then in doubt.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
