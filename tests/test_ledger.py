"""The ledger: nobody is sent two copies silently, nobody is forgotten silently, whatever happens in between."""

from __future__ import annotations

import datetime as dt
import shutil
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from mailing import ISSUE, NOON, Newsroom, addresses, both_editions, config, edition, newsroom
from sqlalchemy import create_engine

from bulletin.config import Sending
from bulletin.delivery.ledger import TRIES, Answer, Claim, Lost, Wait, without_addresses
from bulletin.errors import BulletinError
from bulletin.model import DeliveryState, Outcome, OutcomeKind

ACCEPTED, REFUSED, RETRY, UNKNOWN = OutcomeKind.ACCEPTED, OutcomeKind.REFUSED, OutcomeKind.RETRY, OutcomeKind.UNKNOWN
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def claim(room: Newsroom, limit: int = 100, now: dt.datetime = NOON, worker: str = "test/0") -> Claim:
    taken = room.claim(limit, now=now, worker=worker)
    assert taken is not None
    return taken


def start(room: Newsroom, count: int, provider: str = "outbox") -> None:
    room.subscribe(addresses(count))
    room.enter(provider)
    room.begin(provider)


def counts(room: Newsroom) -> dict[str, int]:
    standing = room.ledger.standing(ISSUE)
    assert standing is not None
    return {state.value: number for state, number in standing.counts.items()}


def reached(taken: Claim) -> list[str]:
    return [row.address for row in taken.deliveries]


# ---------------------------------------------------------------- planning


def test_promise_3_what_is_entered_is_what_the_plan_said(room: Newsroom) -> None:
    """The digest covers every recipient, and comes out the same from the readers as from the ledger's rows."""
    room.subscribe([*addresses(25), *addresses(9, "force.example.org")])
    plan = room.plan()
    assert plan.counts == {"forces.en-GB": 9, "everyone.en-GB": 25}
    assert room.enter() == 34
    entered = room.ledger.mailing(ISSUE)
    assert entered
    assert (entered.digest, entered.head) == (plan.digest, plan.head)
    assert room.ledger.planned(ISSUE) == plan.counts == room.ledger.waiting(ISSUE)
    room.leave("reader3@example.org")
    assert room.plan().digest != plan.digest


def test_a_plan_entered_twice_plans_nobody_twice(room: Newsroom) -> None:
    """One delivery for each issue and reader; new readers are added to the same mailing."""
    start(room, 3)
    room.answer(claim(room), ACCEPTED)
    room.subscribe(["late@example.org"])
    question = room.question()(NOON)
    assert room.ledger.new_recipients(ISSUE, question) == 1
    assert room.enter() == 1
    assert reached(claim(room)) == ["late@example.org"]
    assert counts(room) == {"accepted": 3, "claimed": 1}


def test_a_reader_who_came_back_is_planned_again(room: Newsroom) -> None:
    """Nobody is forgotten: a withdrawn delivery was never sent."""
    start(room, 1)
    room.leave("reader0@example.org")
    room.enter()
    assert counts(room) == {"withdrawn": 1}
    person = room.readers.find("reader0@example.org")
    assert person
    room.readers.resubscribe(person.id, now=NOON, how="asked")
    room.enter()
    assert counts(room) == {"planned": 1}
    assert reached(claim(room)) == ["reader0@example.org"]


def test_who_reads_another_edition_by_now_gets_that_one(room: Newsroom) -> None:
    """An edition that is gone takes nobody's copy with it."""
    room.subscribe([*addresses(2), *addresses(2, "force.example.org")])
    room.enter()
    room.enter(editions=[edition()])
    room.begin(editions=[edition()])
    taken = claim(room)
    assert taken.edition == "everyone.en-GB"
    assert sorted(reached(taken)) == sorted([*addresses(2), *addresses(2, "force.example.org")])


def test_an_edition_changed_after_copies_left_is_refused_unless_accepted(room: Newsroom) -> None:
    """A mailing is one text; a change in the middle is a person's decision."""
    room.subscribe(addresses(2))
    editions = both_editions()
    room.enter(editions=editions)
    room.enter(editions=(editions[0], edition(subject="Mended")))
    room.begin()
    room.answer(claim(room, limit=1), ACCEPTED)
    with pytest.raises(BulletinError, match="changed after 1 copy of it had left"):
        room.enter(editions=editions)
    assert room.enter(editions=editions, accept_changed=True) == 0


# ---------------------------------------------------------------- claiming


def test_a_claim_is_on_the_disk_before_anybody_is_called(room: Newsroom) -> None:
    """Promise 4: another process sees the claim as soon as the first one has it."""
    start(room, 3)
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


def test_l11_who_left_or_paused_after_planning_is_withdrawn_when_claimed(room: Newsroom) -> None:
    """L-11: consent is read again at the last moment; in one batch, and in one in which nobody is left."""
    start(room, 4)
    room.leave("reader1@example.org")
    person = room.readers.find("reader2@example.org")
    assert person
    room.readers.pause(person.id, NOON + MINUTE)
    assert set(reached(claim(room))) == {"reader0@example.org", "reader3@example.org"}
    assert counts(room) == {"claimed": 2, "withdrawn": 2}
    room.subscribe(["last@example.org"])
    room.enter()
    room.leave("last@example.org")
    assert isinstance(room.ledger.turn(room.run, "test/1", None, limit=9, now=NOON), Wait), "only the first one works"
    assert counts(room) == {"claimed": 2, "withdrawn": 3}


def test_s26_a_reader_who_moved_out_of_the_audience_is_withdrawn(room: Newsroom) -> None:
    """S-26: what is for few is not sent to who is no longer one of them when it is claimed."""
    room.subscribe(addresses(2, "force.example.org"))
    room.enter()
    with room.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE subscriber SET domain = 'example.org' WHERE email LIKE 'reader0@%%'")
    room.begin()
    assert reached(claim(room)) == ["reader1@force.example.org"]
    assert counts(room) == {"claimed": 1, "withdrawn": 1}


def test_a_claim_holds_one_edition_only_and_no_more_than_was_asked_for(room: Newsroom) -> None:
    """A provider is given one message text at a time, and as many letters as it takes."""
    room.subscribe([*addresses(2), *addresses(5, "force.example.org")])
    room.enter()
    room.begin()
    taken = []
    while len(taken) < 4:
        taken.append(claim(room, limit=2, worker=f"test/{len(taken)}"))
    assert sorted((part.edition, len(part.deliveries)) for part in taken) == [
        ("everyone.en-GB", 2),
        ("forces.en-GB", 1),
        ("forces.en-GB", 2),
        ("forces.en-GB", 2),
    ]
    assert len({address for part in taken for address in reached(part)}) == 7


def test_threads_that_claim_at_once_share_the_work_and_nobody_is_claimed_twice(room: Newsroom) -> None:
    start(room, 120)
    seen: Counter[str] = Counter()

    def work(worker: str) -> None:
        answer = None
        while isinstance(got := room.ledger.turn(room.run, worker, answer, limit=5, now=NOON), Claim | Wait):
            answer = None
            if isinstance(got, Claim):
                seen.update(reached(got))
                answer = Answer(claim=got, outcomes=[Outcome(key="", kind=ACCEPTED)] * len(got.deliveries))

    threads = [threading.Thread(target=work, args=(f"test/{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == Counter(addresses(120))
    assert counts(room) == {"accepted": 120}


def test_a_rate_holds_over_everybody_who_sends(room: Newsroom) -> None:
    """A claim pushes on the moment of the next one, whoever makes it; a clock that jumped back stops nobody."""
    room.config = config(sending=Sending(per_second=10))
    room.subscribe(addresses(30))
    room.enter(batch=5)
    room.begin()
    claim(room, limit=5, worker="one/0")
    got = room.ledger.turn(room.run, "two/0", None, limit=5, now=NOON)
    assert got == Wait(0.5)
    claim(room, limit=5, worker="two/0", now=NOON + dt.timedelta(seconds=0.5))
    assert isinstance(room.ledger.turn(room.run, "one/1", None, limit=5, now=NOON + dt.timedelta(seconds=0.9)), Wait)
    claim(room, limit=5, worker="one/1", now=NOON - dt.timedelta(hours=2))


def test_a_provider_that_wants_to_be_left_alone_is_left_alone_by_all(room: Newsroom) -> None:
    start(room, 3)
    taken = claim(room, limit=1)
    answer = Answer(claim=taken, outcomes=[Outcome(key="", kind=ACCEPTED)], leave_alone=dt.timedelta(seconds=30))
    assert room.ledger.turn(room.run, "test/0", answer, limit=1, now=NOON) == Wait(30)
    assert room.ledger.turn(room.run, "test/1", None, limit=1, now=NOON + MINUTE / 4) == Wait(15)
    claim(room, now=NOON + MINUTE)


# ---------------------------------------------------------------- writing down


def test_exceptions_and_what_never_left_are_written_apart_from_the_rest(room: Newsroom) -> None:
    start(room, 7)
    taken = claim(room)
    kinds = [ACCEPTED, ACCEPTED, REFUSED, ACCEPTED, UNKNOWN]
    outcomes = [Outcome(key="", kind=kind, provider_id=f"id{number}") for number, kind in enumerate(kinds)]
    assert room.ledger.turn(room.run, "test/0", Answer(claim=taken, outcomes=outcomes), limit=0, now=NOON) is None
    assert counts(room) == {"accepted": 3, "refused": 1, "unknown": 1, "planned": 2}
    with room.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT provider_id, attempts FROM delivery ORDER BY number").all()
    assert [tuple(row) for row in found] == [
        ("id0", 1),
        ("id1", 1),
        ("id2", 1),
        ("id3", 1),
        ("id4", 1),
        ("", 0),
        ("", 0),
    ]
    assert reached(claim(room)) == [row.address for row in taken.deliveries[5:]]


def test_b08_a_delivery_put_off_is_offered_three_times_in_a_run_and_again_in_the_next(room: Newsroom) -> None:
    """B-08: with growing waits."""
    start(room, 1)
    now = NOON
    for number in range(TRIES):
        taken = claim(room, now=now)
        assert taken.tries == number + 1
        room.answer(taken, RETRY, now=now)
        if number < TRIES - 1:
            wait = room.ledger.turn(room.run, "test/0", None, limit=9, now=now)
            assert isinstance(wait, Wait)
            assert wait.seconds == (15, 60)[number]
            now += dt.timedelta(seconds=wait.seconds)
    assert room.claim(now=now + MINUTE) is None
    room.begin()
    assert claim(room, now=now).tries == 1


def test_an_answer_that_comes_late_changes_nothing(room: Newsroom) -> None:
    """A worker that was stopped and wakes up: whoever took over has settled its batch, and it can claim no other."""
    start(room, 5, "smtp")
    before, taken = room.run, claim(room, limit=2)
    after = room.begin("smtp")
    (doubt,) = room.ledger.in_doubt(ISSUE)
    room.ledger.settle(after, doubt, [Outcome(key="", kind=UNKNOWN)] * 2, now=NOON)
    room.ledger.resolve(ISSUE, accepted=True, who="editor", now=NOON)
    assert not room.ledger.has(before, taken)
    late = Answer(claim=taken, outcomes=[Outcome(key="", kind=REFUSED)] * 2)
    assert room.ledger.turn(before, "test/0", late, limit=9, now=NOON) == Lost()
    assert room.ledger.turn(before, "test/0", None, limit=9, now=NOON) == Lost()
    assert not room.ledger.still_at_work(before, now=NOON)
    assert counts(room) == {"accepted": 2, "planned": 3}


def test_a_turn_of_which_nobody_knows_whether_it_was_kept_is_done_once(room: Newsroom) -> None:
    """The connection to the database broke while it said yes: what was written stays, what was claimed goes back."""
    start(room, 4)
    answer = Answer(claim=claim(room, limit=2), outcomes=[Outcome(key="", kind=ACCEPTED)] * 2)
    lost = room.ledger.turn(room.run, "test/0", answer, limit=2, now=NOON)
    assert isinstance(lost, Claim)
    found = room.ledger.turn(room.run, "test/0", answer, limit=2, now=NOON, again=True)
    assert isinstance(found, Claim)
    assert reached(found) == reached(lost)
    assert counts(room) == {"accepted": 2, "claimed": 2}


def test_reasons_hold_no_address(room: Newsroom) -> None:
    """Promise 5: servers repeat addresses in their answers; the ledger does not."""
    said = "550 5.1.1 <reader0@example.org>: no such\n user reader0@example.org; see https://example.net/"
    assert without_addresses(said) == "550 5.1.1 <(address)>: no such user (address); see https://example.net/"
    assert without_addresses("550 \x1b]0;title\x07 no\r\nsuch\x9buser") == "550 ]0;title no such user", "Z-21"
    start(room, 1)
    room.answer(claim(room), REFUSED, reason=said)
    (refusal,) = room.ledger.refusals(ISSUE)
    assert (refusal.domain, refusal.count) == ("example.org", 1)
    assert "@" not in refusal.reason


# ---------------------------------------------------------------- in doubt


def test_an_unknown_copy_waits_for_a_person(room: Newsroom) -> None:
    """Neither counted as done nor sent again until somebody decides; the standing is not finished meanwhile."""
    start(room, 2)
    room.answer(claim(room), UNKNOWN)
    room.enter()
    assert room.claim() is None
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.finished, standing.unknown) == (False, 2)
    first, second = room.ledger.unknown(ISSUE)
    assert room.ledger.resolve(ISSUE, accepted=True, who="editor", now=NOON, subscriber=first) == 1
    assert room.ledger.resolve(ISSUE, accepted=False, who="editor", now=NOON) == 1
    assert counts(room) == {"accepted": 1, "planned": 1}
    assert [row.subscriber for row in claim(room).deliveries] == [second]


def test_what_a_person_sends_again_is_in_nobody_elses_hands(room: Newsroom) -> None:
    """A copy between others that are just being offered again waits until those are back."""
    start(room, 3)
    room.answer(claim(room), RETRY, UNKNOWN, RETRY)
    taken = claim(room, now=NOON + MINUTE)
    assert len(taken.deliveries) == 2
    assert room.ledger.resolve(ISSUE, accepted=False, who="editor", now=NOON) == 1
    assert isinstance(room.ledger.turn(room.run, "test/1", None, limit=9, now=NOON + MINUTE), Wait)
    room.answer(taken, ACCEPTED, now=NOON + MINUTE)
    assert len(claim(room, now=NOON + MINUTE).deliveries) == 1
    assert counts(room) == {"accepted": 2, "claimed": 1}


def test_what_a_dead_run_had_in_hand_still_has_to_be_sent_or_decided(room: Newsroom) -> None:
    """Nobody is forgotten: a claim without an answer does not count as dealt with, also if it is the last one."""
    start(room, 2)
    room.answer(claim(room, limit=1), ACCEPTED)
    claim(room, limit=1)
    assert room.ledger.new_recipients(ISSUE, room.question()(NOON)) == 1
    run = room.begin()
    assert isinstance(room.ledger.turn(run, "test/1", None, limit=1, now=NOON), Wait)
    (doubt,) = room.ledger.in_doubt(ISSUE)
    room.ledger.settle(run, doubt, [Outcome(key="", kind=UNKNOWN)], now=NOON)
    assert room.ledger.new_recipients(ISSUE, room.question()(NOON)) == 0
    assert len(room.ledger.unknown(ISSUE)) == 1
    assert room.claim() is None


def test_test_copies_count_for_nothing(room: Newsroom) -> None:
    start(room, 1)
    first = room.ledger.open_test(ISSUE, "everyone.en-GB", provider="outbox", now=NOON)
    second = room.ledger.open_test(ISSUE, "everyone.en-GB", provider="outbox", now=NOON)
    assert (first, second) == ("2024-05-test-1", "2024-05-test-2")
    room.ledger.close_test(first, Outcome(key="", kind=ACCEPTED), now=NOON)
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
        self.now = NOON
        self.in_hand: list[Claim] = []
        self.subscribe(2)
        self.enter_plan()
        self.room.begin("smtp")

    def teardown(self) -> None:
        self.room.engine.dispose()
        shutil.rmtree(self.folder)

    @rule(count=st.integers(1, 3))
    def subscribe(self, count: int) -> None:
        new = [f"reader{self.number + number}@example.org" for number in range(count)]
        self.number += count
        self.room.subscribe(new)

    @rule(batch=st.integers(1, 4))
    def enter_plan(self, batch: int = 2) -> None:
        self.room.enter("smtp", batch=batch)

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
        """Offer some; the thread may die, or hang until all is over, after any of them has left."""
        self.now += MINUTE
        worker = f"test/{len(self.in_hand)}"
        taken = self.room.ledger.turn(self.room.run, worker, None, limit=limit, now=self.now)
        if not isinstance(taken, Claim):
            return
        outcomes = []
        for row, kind in zip(taken.deliveries[:known], kinds, strict=False):
            assert row.address not in self.gone
            if kind in (ACCEPTED, UNKNOWN):
                self.left[row.subscriber] += 1
            outcomes.append(Outcome(key="", kind=kind))
        if die:
            self.in_hand.append(taken)
            return
        answer = Answer(claim=taken, outcomes=outcomes)
        assert self.room.ledger.turn(self.room.run, worker, answer, limit=0, now=self.now) is None

    @rule()
    def start_again(self) -> None:
        before = self.room.run
        run = self.room.begin("smtp")
        for doubt in self.room.ledger.in_doubt(ISSUE):
            unknown = [Outcome(key="", kind=UNKNOWN)] * len(doubt.claim.deliveries)
            self.room.ledger.settle(run, doubt, unknown, now=self.now)
        for late in self.in_hand:
            answer = Answer(claim=late, outcomes=[Outcome(key="", kind=RETRY)] * len(late.deliveries))
            assert self.room.ledger.turn(before, late.worker, answer, limit=1, now=self.now) == Lost()
        self.in_hand = []

    @rule(accepted=st.booleans())
    def resolve(self, accepted: bool) -> None:
        if not accepted:
            self.allowed.update(self.room.ledger.unknown(ISSUE))
        self.room.ledger.resolve(ISSUE, accepted=accepted, who="editor", now=self.now)

    @invariant()
    def nobody_has_a_second_copy_unless_a_person_asked(self) -> None:
        for subscriber, copies in self.left.items():
            assert copies <= 1 + self.allowed[subscriber]

    @invariant()
    def everybody_is_counted_once(self) -> None:
        standing = self.room.ledger.standing(ISSUE)
        assert standing
        assert standing.planned <= self.number
        parts = standing.accepted + standing.refused + standing.withdrawn + standing.unknown + standing.waiting
        assert standing.planned == parts
        claimed = standing.counts.get(DeliveryState.CLAIMED, 0)
        assert claimed == sum(len(taken.deliveries) for taken in self.in_hand)

    @invariant()
    def every_planned_copy_lies_in_one_batch(self) -> None:
        with self.room.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT count(b.first) FROM delivery d LEFT JOIN batch b ON b.mailing = d.mailing"
                " AND d.number BETWEEN b.first AND b.last AND d.edition = b.edition"
                " WHERE d.state = 'planned' GROUP BY d.number"
            )
            assert all(number == 1 for (number,) in found)


TestLedgerLives = LedgerMachine.TestCase
TestLedgerLives.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
