"""Sends a plan: claim, offer to the provider, record, until nothing is left. Run again, it goes on where it stopped."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from bulletin.config import Config
from bulletin.delivery.ledger import TEST_READER, TRIES, Claim, Ledger, without_addresses
from bulletin.delivery.plan import Plan
from bulletin.delivery.report import Standing
from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.model import EVERYONE, Letter, Outcome, OutcomeKind
from bulletin.providers._provider import Capabilities, ProviderError, Session
from bulletin.render.message import MessageTemplate, make_message_id
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.belonging import audience_of_address, domain_of
from bulletin.subscribers.tokens import Links

ENOUGH_ANSWERS = 20
"""Fewer answers say nothing about a rate of refusals."""

_LONGEST_WAIT_S = 300.0
_CALLS_PUT_OFF = 6
_CALLS_IN_DOUBT = 3
"""Calls in a row without use before the run stops."""
_WAIT_BEFORE_TRY_S = {2: 15.0, 3: 60.0}
"""Growing waits before a delivery that was put off is offered again (B-08)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Everything sending needs from outside, passed in."""

    config: Config
    ledger: Ledger
    session: Session
    capabilities: Capabilities
    links: Links
    lock: Path
    """A file; while somebody holds its lock nobody else sends for this publication."""
    now: Callable[[], dt.datetime]
    sleep: Callable[[float], None]
    on_progress: Callable[[int, int], None] = field(default=lambda done, planned: None)
    """Told after every call to the provider: deliveries with an answer, deliveries planned."""


def run(
    sender: Sender,
    plan: Plan,
    templates: Mapping[str, MessageTemplate],
    *,
    accept_changed: bool = False,
    rehearsed_by: Collection[str] = (),
) -> Standing:
    """Send a plan, or what is left of it; how the mailing stands then.

    `templates` holds the message of each edition by its name. Deliveries another run left in doubt are decided first.
    Copies that the providers `rehearsed_by` accepted never left this machine and do not count.
    Raises `StoppedPartWay` when running it again would go on, and `BulletinError` when nothing left and the cause has
    to be mended first, or another sending is at work.
    """
    with _alone(sender.lock), _stop_signal() as stopping:
        mailing = plan.issue
        if rehearsed_by:
            sender.ledger.plan_rehearsed(mailing, rehearsed_by, now=sender.now())
        sender.ledger.start_or_resume(plan, now=sender.now(), accept_changed=accept_changed)
        window = sender.capabilities.key_window
        settled = sender.ledger.settle(mailing, provider=plan.provider, window=window, now=sender.now())
        if settled.again:
            # Readers may have left since those were claimed, and their edition may be gone. What is changed was
            # asked about just now.
            sender.ledger.start_or_resume(plan, now=sender.now(), accept_changed=True)
        try:
            _Run(sender, mailing, plan.provider, templates, stopping).until_done()
        except KeyboardInterrupt:
            raise StoppedPartWay(
                "stopped at once; it is in doubt whether the letters that the provider had in hand have left.",
                hint="Send again to go on: it sends no doubtful one twice, and says how many there are.",
            ) from None
        return _standing(sender.ledger, mailing)


def send_test(sender: Sender, issue: str, provider: str, template: MessageTemplate, address: str) -> Outcome | None:
    """Send one copy to an address of your choice; what the provider answered. It counts for no mailing.

    None if nothing was sent, because the edition is kept for an audience and the address is neither one of its readers'
    nor at the publication's own mail domains: a slip of the pen must not lead out what is for few (S-26). Raises
    `BulletinError` if the address cannot be mailed.
    """
    try:
        address = normalise(address)
    except AddressRefused as refusal:
        raise BulletinError(f"the test cannot be sent: {refusal}.", hint="Write it as name@example.org.") from None
    if not _may_try(sender.config, template.rendered.audience, address):
        return None
    mailing = sender.ledger.open_test(issue, template.rendered.name, provider=provider, now=sender.now())
    letter = _letter(sender, mailing, TEST_READER, 1, address)
    try:
        outcome = sender.session.deliver(mailing, [letter], template)[0]
    except ProviderError as error:
        sender.ledger.release(mailing, [TEST_READER], now=sender.now())
        error.message = without_addresses(error.message)
        raise
    sender.ledger.record(mailing, [(TEST_READER, outcome)], now=sender.now())
    return outcome


def _may_try(config: Config, audience: str, address: str) -> bool:
    own = {domain_of(known) for known in (config.sender.address, config.sender.reply_to) if known}
    return audience == EVERYONE or audience_of_address(address, config) == audience or domain_of(address) in own


class _Run:
    """One run over one mailing."""

    def __init__(
        self,
        sender: Sender,
        mailing: str,
        provider: str,
        templates: Mapping[str, MessageTemplate],
        stopping: Callable[[], bool],
    ) -> None:
        self._sender, self._mailing, self._provider = sender, mailing, provider
        self._templates, self._stopping = templates, stopping
        self._editions = {template.rendered.name: template.rendered.audience for template in templates.values()}
        self._recent: deque[bool] = deque(maxlen=max(sender.config.sending.batch, ENOUGH_ANSWERS))
        self._put_off_calls = self._doubtful_calls = 0
        self._tries = 1
        self._last_reason = ""
        standing = _standing(sender.ledger, mailing)
        self._planned, self._done = standing.planned, standing.planned - standing.waiting

    def until_done(self) -> None:
        """Claim, offer and record until no delivery is left to offer."""
        sender = self._sender
        limit = max(1, min(sender.config.sending.batch, sender.capabilities.batch))
        while True:
            self._stop_if_asked()
            claim = sender.ledger.claim(
                self._mailing, limit=limit, provider=self._provider, now=sender.now(), admits=self._admits
            )
            if claim is None:
                break
            if claim.tries > self._tries:
                # Nothing is held while waiting: a process that dies meanwhile leaves nothing in doubt.
                self._record(claim, ())
                self._tries = claim.tries
                self._pause(_WAIT_BEFORE_TRY_S[claim.tries])
                continue
            self._offer(claim)
        waiting = _standing(sender.ledger, self._mailing).waiting
        if waiting:
            raise StoppedPartWay(
                f"{waiting} of {self._planned} deliveries were put off {TRIES} times; at last: {self._last_reason}.",
                hint="Send again later to go on.",
            )

    def _admits(self, edition: str, address: str) -> bool:
        audience = self._editions[edition]
        return audience == EVERYONE or audience_of_address(address, self._sender.config) == audience

    def _offer(self, claim: Claim) -> None:
        """One call to the provider. Whatever happens, what is known of its letters is written down before going on."""
        sender = self._sender
        letters = [
            _letter(sender, self._mailing, delivery.subscriber, delivery.number, delivery.address)
            for delivery in claim.deliveries
        ]
        try:
            outcomes: Sequence[Outcome] = sender.session.deliver(self._mailing, letters, self._templates[claim.edition])
        except ProviderError as error:
            self._record(claim, error.outcomes)
            error.message = without_addresses(error.message)
            if _standing(sender.ledger, self._mailing).accepted:
                raise StoppedPartWay(error.message, hint=f"{error.hint} Then send again to go on.".strip()) from None
            raise
        self._record(claim, outcomes)
        self._watch_refusals(outcomes)
        self._watch_calls(outcomes)
        self._pause(sender.session.wait)

    def _record(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        sender, now = self._sender, self._sender.now()
        subscribers = [delivery.subscriber for delivery in claim.deliveries]
        sender.ledger.record(self._mailing, zip(subscribers, outcomes, strict=False), now=now)
        sender.ledger.release(self._mailing, subscribers[len(outcomes) :], now=now)
        self._done += sum(outcome.kind is not OutcomeKind.RETRY for outcome in outcomes)
        put_off = [outcome.reason for outcome in outcomes if outcome.kind is OutcomeKind.RETRY]
        if put_off:
            self._last_reason = without_addresses(put_off[-1])
        sender.on_progress(self._done, self._planned)

    def _watch_refusals(self, outcomes: Sequence[Outcome]) -> None:
        self._recent.extend(
            outcome.kind is OutcomeKind.REFUSED
            for outcome in outcomes
            if outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REFUSED)
        )
        limit = self._sender.config.sending.stop_after_refusals
        if len(self._recent) >= ENOUGH_ANSWERS and sum(self._recent) > limit * len(self._recent):
            raise StoppedPartWay(
                f"{sum(self._recent)} of the last {len(self._recent)} deliveries were refused, so sending paused.",
                hint=f"Look at the reasons with: bulletin report {self._mailing}. Then send again to go on.",
            )

    def _watch_calls(self, outcomes: Sequence[Outcome]) -> None:
        """Stop when call after call comes to nothing, before everybody is put off or, worse, unknown."""
        put_off = self._sender.session.wait and all(outcome.kind is OutcomeKind.RETRY for outcome in outcomes)
        self._put_off_calls = self._put_off_calls + 1 if put_off else 0
        if self._put_off_calls >= _CALLS_PUT_OFF:
            raise StoppedPartWay(
                f"the provider puts everything off: {self._last_reason}.", hint="Send again later to go on."
            )
        doubtful = any(outcome.kind is OutcomeKind.UNKNOWN for outcome in outcomes)
        self._doubtful_calls = self._doubtful_calls + 1 if doubtful else 0
        if self._doubtful_calls >= _CALLS_IN_DOUBT:
            raise StoppedPartWay(
                f"the provider did not confirm {_CALLS_IN_DOUBT} calls in a row, so it is unknown whether they left.",
                hint=f"Ask the provider, then decide: bulletin resolve {self._mailing} --sent, or --again."
                " Send again to go on with the others.",
            )

    def _pause(self, seconds: float) -> None:
        left = min(seconds, _LONGEST_WAIT_S)
        while left > 0 and not self._stopping():
            self._sender.sleep(min(left, 1.0))
            left -= 1.0

    def _stop_if_asked(self) -> None:
        if self._stopping():
            raise StoppedPartWay(
                f"stopped after {self._done} of {self._planned} deliveries; all of them are recorded.",
                hint="Send again to go on.",
            )


def _letter(sender: Sender, mailing: str, subscriber: str, number: int, address: str) -> Letter:
    key = f"{mailing}:{subscriber}"
    return Letter(
        key=key,
        number=number,
        address=address,
        personal=sender.links.personal(subscriber, address),
        message_id=make_message_id(key, sender.config.sender.address),
    )


def _standing(ledger: Ledger, mailing: str) -> Standing:
    standing = ledger.standing(mailing)
    assert standing is not None  # noqa: S101 - the mailing has just been entered
    return standing


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
