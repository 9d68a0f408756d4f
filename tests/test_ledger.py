"""The ledger: nobody is sent two copies silently, nobody is forgotten silently, whatever happens in between."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mailing import ISSUE, NOON, Newsroom, addresses, both_editions, edition, newsroom
from sqlalchemy import create_engine

from bulletin.delivery.ledger import TRIES, Claim, without_addresses
from bulletin.errors import BulletinError
from bulletin.model import DeliveryState, Outcome, OutcomeKind

ANYBODY = {"admits": lambda edition, address: True}
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def claim(room: Newsroom, limit: int = 100, provider: str = "outbox") -> Claim:
    taken = room.ledger.claim(ISSUE, limit=limit, provider=provider, now=NOON, **ANYBODY)
    assert taken is not None
    return taken


def answer(room: Newsroom, taken: Claim, kind: OutcomeKind, reason: str = "") -> None:
    outcomes = [(row.subscriber, Outcome(key=row.subscriber, kind=kind, reason=reason)) for row in taken.deliveries]
    room.ledger.record(ISSUE, outcomes, now=NOON)


def counts(room: Newsroom) -> dict[str, int]:
    standing = room.ledger.standing(ISSUE)
    assert standing is not None
    return {state.value: number for state, number in standing.counts.items()}


def test_a_claim_is_on_the_disk_before_anybody_is_called(room: Newsroom) -> None:
    """Promise 4: another process sees the claim as soon as the first one has it."""
    room.subscribe(addresses(3))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    claim(room, limit=2)
    with create_engine(room.engine.url).connect() as other:
        found = other.exec_driver_sql("SELECT state, count(*) AS copies FROM delivery GROUP BY state")
        assert {row.state: row.copies for row in found} == {"claimed": 2, "planned": 1}
    other.engine.dispose()


def test_z23_the_database_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Z-23: mode 0600, also of the files SQLite keeps beside it."""
    with newsroom(tmp_path) as room:
        room.subscribe(addresses(1))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in room.folder.glob("bulletin.db*")}
    assert modes
    assert set(modes.values()) == {0o600}


def test_a_plan_entered_twice_plans_nobody_twice(room: Newsroom) -> None:
    """One delivery for each issue and reader; new readers are added to the same mailing."""
    room.subscribe(addresses(3))
    assert room.ledger.start_or_resume(room.plan(), now=NOON) == 3
    answer(room, claim(room), OutcomeKind.ACCEPTED)
    room.subscribe(["late@example.org"])
    assert room.ledger.start_or_resume(room.plan(), now=NOON) == 1
    assert [row.address for row in claim(room).deliveries] == ["late@example.org"]
    assert counts(room) == {"accepted": 3, "claimed": 1}


def test_l11_who_left_after_planning_is_withdrawn_when_claimed(room: Newsroom) -> None:
    """L-11: consent is read again at the last moment."""
    room.subscribe(addresses(3))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    room.leave("reader1@example.org")
    assert {row.address for row in claim(room).deliveries} == {"reader0@example.org", "reader2@example.org"}
    assert counts(room) == {"claimed": 2, "withdrawn": 1}


def test_a_reader_who_came_back_is_planned_again(room: Newsroom) -> None:
    """Nobody is forgotten: a withdrawn delivery was never sent."""
    room.subscribe(addresses(1))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    room.leave("reader0@example.org")
    room.ledger.start_or_resume(room.plan(), now=NOON)
    assert counts(room) == {"withdrawn": 1}
    person = room.readers.find("reader0@example.org")
    assert person
    room.readers.resubscribe(person.id, now=NOON, how="asked")
    room.ledger.start_or_resume(room.plan(), now=NOON)
    assert counts(room) == {"planned": 1}


def test_s26_a_reader_who_moved_out_of_the_audience_is_withdrawn(room: Newsroom) -> None:
    """S-26: the address is looked at again when the delivery is claimed."""
    room.subscribe(addresses(2, "force.example.org"))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    taken = room.ledger.claim(
        ISSUE, limit=10, provider="outbox", now=NOON, admits=lambda edition, address: address.startswith("reader1")
    )
    assert taken
    assert [row.address for row in taken.deliveries] == ["reader1@force.example.org"]
    assert counts(room) == {"claimed": 1, "withdrawn": 1}


def test_a_claim_holds_one_edition_only(room: Newsroom) -> None:
    """A provider is given one message text at a time."""
    room.subscribe([*addresses(2), *addresses(2, "force.example.org")])
    room.ledger.start_or_resume(room.plan(), now=NOON)
    assert {claim(room).edition, claim(room).edition} == {"everyone.en-GB", "forces.en-GB"}


def test_a_dead_run_is_sent_again_only_where_the_provider_knows_the_key(room: Newsroom) -> None:
    """Promise 4: the same provider, knowing keys, within its window; in every other case the copy is unknown."""
    room.subscribe(addresses(1))
    for provider, window, later, expected in (
        ("outbox", HOUR, HOUR / 2, "planned"),
        ("outbox", HOUR, 2 * HOUR, "unknown"),
        ("outbox", None, HOUR / 2, "unknown"),
        ("smtp", HOUR, HOUR / 2, "unknown"),
    ):
        room.ledger.start_or_resume(room.plan(), now=NOON)
        claim(room, provider="outbox")
        settled = room.ledger.settle(ISSUE, provider=provider, window=window, now=NOON + later)
        assert counts(room) == {expected: 1}
        assert (settled.again, settled.unknown) == ((1, 0) if expected == "planned" else (0, 1))
        room.ledger.resolve(ISSUE, accepted=False, who="editor", now=NOON)


def test_an_unknown_copy_waits_for_a_person(room: Newsroom) -> None:
    """Neither counted as done nor sent again until somebody decides; the standing is not finished meanwhile."""
    room.subscribe(addresses(2))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    answer(room, claim(room), OutcomeKind.UNKNOWN)
    room.ledger.start_or_resume(room.plan(), now=NOON)
    assert room.ledger.claim(ISSUE, limit=9, provider="outbox", now=NOON, **ANYBODY) is None
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.finished, standing.unknown) == (False, 2)
    first, second = room.ledger.unknown(ISSUE)
    assert room.ledger.resolve(ISSUE, accepted=True, who="editor", now=NOON, subscriber=first) == 1
    assert room.ledger.resolve(ISSUE, accepted=False, who="editor", now=NOON) == 1
    assert counts(room) == {"accepted": 1, "planned": 1}
    assert [row.subscriber for row in claim(room).deliveries] == [second]


def test_a_delivery_put_off_is_offered_three_times_in_a_run_and_again_in_the_next(room: Newsroom) -> None:
    room.subscribe(addresses(1))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    for number in range(TRIES):
        taken = claim(room)
        assert taken.tries == number + 1
        answer(room, taken, OutcomeKind.RETRY)
    assert room.ledger.claim(ISSUE, limit=9, provider="outbox", now=NOON, **ANYBODY) is None
    room.ledger.settle(ISSUE, provider="outbox", window=None, now=NOON)
    assert claim(room).tries == 1


def test_what_a_dead_run_had_in_hand_still_has_to_be_sent_or_decided(room: Newsroom) -> None:
    """Nobody is forgotten: a claim without an answer does not count as dealt with, also if it is the last one."""
    room.subscribe(addresses(2))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    answer(room, claim(room, limit=1), OutcomeKind.ACCEPTED)
    claim(room, limit=1)
    assert len(room.ledger.left(ISSUE)) == 1
    room.ledger.settle(ISSUE, provider="smtp", window=None, now=NOON)
    assert len(room.ledger.left(ISSUE)) == 2
    assert len(room.ledger.unknown(ISSUE)) == 1


def test_an_answer_that_comes_late_changes_nothing(room: Newsroom) -> None:
    """Every change expects a state: what a person resolved meanwhile stays resolved."""
    room.subscribe(addresses(1))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    taken = claim(room)
    room.ledger.settle(ISSUE, provider="smtp", window=None, now=NOON)
    room.ledger.resolve(ISSUE, accepted=True, who="editor", now=NOON)
    answer(room, taken, OutcomeKind.REFUSED)
    room.ledger.release(ISSUE, [row.subscriber for row in taken.deliveries], now=NOON)
    assert counts(room) == {"accepted": 1}


def test_an_edition_changed_after_copies_left_is_refused_unless_accepted(room: Newsroom) -> None:
    """A mailing is one text; a change in the middle is a person's decision."""
    room.subscribe(addresses(2))
    editions = both_editions()
    room.ledger.start_or_resume(room.plan(editions=editions), now=NOON)
    changed = (editions[0], edition(subject="Mended"))
    room.ledger.start_or_resume(room.plan(editions=changed), now=NOON)
    answer(room, claim(room, limit=1), OutcomeKind.ACCEPTED)
    with pytest.raises(BulletinError, match="changed after 1 copy of it had left"):
        room.ledger.start_or_resume(room.plan(editions=editions), now=NOON)
    assert room.ledger.start_or_resume(room.plan(editions=editions), now=NOON, accept_changed=True) == 0


def test_reasons_hold_no_address(room: Newsroom) -> None:
    """Promise 5: servers repeat addresses in their answers; the ledger does not."""
    said = "550 5.1.1 <reader0@example.org>: no such\n user reader0@example.org; see https://example.net/"
    assert without_addresses(said) == "550 5.1.1 <(address)>: no such user (address); see https://example.net/"
    assert without_addresses("550 \x1b]0;title\x07 no\r\nsuch\x9buser") == "550 ]0;title no such user", "Z-21"
    room.subscribe(addresses(1))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    answer(room, claim(room), OutcomeKind.REFUSED, said)
    (refusal,) = room.ledger.refusals(ISSUE)
    assert (refusal.domain, refusal.count) == ("example.org", 1)
    assert "@" not in refusal.reason


def test_test_copies_count_for_nothing(room: Newsroom) -> None:
    room.subscribe(addresses(1))
    room.ledger.start_or_resume(room.plan(), now=NOON)
    first = room.ledger.open_test(ISSUE, "everyone.en-GB", provider="outbox", now=NOON)
    second = room.ledger.open_test(ISSUE, "everyone.en-GB", provider="outbox", now=NOON)
    assert (first, second) == ("2024-05-test-1", "2024-05-test-2")
    assert counts(room) == {"planned": 1}


class LedgerMachine(RuleBasedStateMachine):
    """Random lives of a mailing through a provider that knows no keys, beside a plain account of what really left."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.room = Newsroom(self.folder)
        self.left: Counter[str] = Counter()
        self.allowed: Counter[str] = Counter()
        self.gone: set[str] = set()
        self.number = 0
        self.in_hand: Claim | None = None
        self.subscribe(2)

    def teardown(self) -> None:
        self.room.engine.dispose()
        shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 3))
    def subscribe(self, count: int) -> None:
        new = [f"reader{self.number + number}@example.org" for number in range(count)]
        self.number += count
        self.room.subscribe(new)

    @rule()
    def enter_plan(self) -> None:
        self.room.ledger.start_or_resume(self.room.plan("smtp"), now=NOON)

    @rule(pick=st.integers(0, 50))
    def leave(self, pick: int) -> None:
        address = f"reader{pick % self.number}@example.org"
        self.room.leave(address)
        self.gone.add(address)

    @rule(
        limit=st.integers(1, 4),
        kinds=st.lists(st.sampled_from(OutcomeKind), min_size=4, max_size=4),
        known=st.integers(0, 4),
        die=st.booleans(),
    )
    def send(self, limit: int, kinds: list[OutcomeKind], known: int, die: bool) -> None:
        """Offer some; the process may die after any of them has left."""
        if self.in_hand is not None:
            return
        taken = self.room.ledger.claim(ISSUE, limit=limit, provider="smtp", now=NOON, **ANYBODY)
        if taken is None:
            return
        outcomes = []
        for row, kind in zip(taken.deliveries[:known], kinds, strict=False):
            assert row.address not in self.gone
            if kind in (OutcomeKind.ACCEPTED, OutcomeKind.UNKNOWN):
                self.left[row.subscriber] += 1
            outcomes.append((row.subscriber, Outcome(key=row.subscriber, kind=kind)))
        if die:
            self.in_hand = taken
            return
        self.room.ledger.record(ISSUE, outcomes, now=NOON)
        self.room.ledger.release(ISSUE, [row.subscriber for row in taken.deliveries[known:]], now=NOON)

    @rule()
    def start_again(self) -> None:
        self.room.ledger.settle(ISSUE, provider="smtp", window=None, now=NOON)
        self.in_hand = None

    @rule(accepted=st.booleans())
    def resolve(self, accepted: bool) -> None:
        if not accepted:
            self.allowed.update(self.room.ledger.unknown(ISSUE))
        self.room.ledger.resolve(ISSUE, accepted=accepted, who="editor", now=NOON)

    @invariant()
    def nobody_has_a_second_copy_unless_a_person_asked(self) -> None:
        for subscriber, copies in self.left.items():
            assert copies <= 1 + self.allowed[subscriber]

    @invariant()
    def everybody_is_counted_once(self) -> None:
        standing = self.room.ledger.standing(ISSUE)
        if standing is None:
            return
        assert standing.planned <= self.number
        parts = standing.accepted + standing.refused + standing.withdrawn + standing.unknown + standing.waiting
        assert standing.planned == parts
        claimed = standing.counts.get(DeliveryState.CLAIMED, 0)
        assert claimed == (len(self.in_hand.deliveries) if self.in_hand else 0)
        if standing.finished:
            assert not self.room.ledger.unknown(ISSUE)
            assert self.room.ledger.claim(ISSUE, limit=1, provider="smtp", now=NOON, **ANYBODY) is None


TestLedgerLives = LedgerMachine.TestCase
TestLedgerLives.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
