"""What was reported about deliveries: each report counts once, in any order, and for nobody it is not proven for."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailing import ISSUE, NOON, Newsroom, newsroom
from sqlalchemy import text

from bulletin.delivery.eventlog import EventLog
from bulletin.delivery.events import CONSEQUENCES, SOFT_BOUNCES, Copy, bounced_in_a_row, cause_of
from bulletin.delivery.receiving import Receiver
from bulletin.model import DeliveryEvent, EventKind, OutcomeKind, SubscriberState
from bulletin.subscribers.consent import Cause
from bulletin.subscribers.store import Evidence

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SUBSCRIBED, LEFT = SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED
BOUNCED, COMPLAINED = SubscriberState.BOUNCED, SubscriberState.COMPLAINED
READER = "marked.person@force.example.org"
LATER = NOON + 30 * DAY


class Desk:
    """A newsroom that takes in events."""

    def __init__(self, room: Newsroom) -> None:
        self.room = room
        self.now = LATER
        self.log = EventLog(room.engine)
        self.receiver = Receiver(self.log, room.readers, room.ledger, lambda: self.now)
        self.numbers = itertools.count()

    def subscribe(self, *addresses: str) -> None:
        self.room.subscribe(addresses)

    def send(self, mailing: str, *, kind: OutcomeKind = OutcomeKind.ACCEPTED) -> None:
        """Send an issue to everybody, with the same outcome for all."""
        self.room.enter(issue=mailing, now=NOON + len(mailing) * HOUR)
        self.room.begin(issue=mailing)
        while claim := self.room.claim(99):
            self.room.answer(claim, kind)

    def id(self, address: str = READER) -> str:
        found = self.room.readers.find(address)
        assert found
        return found.id

    def state(self, address: str = READER) -> SubscriberState | None:
        return dict(self.room.readers.states([address]))[address]

    def event(
        self, kind: EventKind, mailing: str = ISSUE, *, reader: str = READER, at: dt.datetime = NOON + DAY, **more: str
    ) -> DeliveryEvent:
        given = {"id": f"id {next(self.numbers)}", "key": f"{mailing}:{self.id(reader)}" if reader else ""} | more
        return DeliveryEvent(provider="mailgun", kind=kind, at=at, **given)


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[Desk]:
    with newsroom(tmp_path, url=database_url) as room:
        made = Desk(room)
        made.subscribe(READER, "other@example.org")
        made.send(ISSUE)
        yield made


# ---------------------------------------------------------------- the table


def test_v10_v14_each_kind_of_event_has_its_consequence() -> None:
    """V-07, V-10, V-14: and BLOCKED, which is the sender's own fault, is never held against a reader."""
    assert CONSEQUENCES.keys() == set(EventKind)
    once = {kind: cause_of(kind, NOON, agreed_at=None, copies=()) for kind in EventKind}
    assert {kind: cause for kind, cause in once.items() if cause} == {
        EventKind.BOUNCED: Cause.BOUNCE,
        EventKind.COMPLAINED: Cause.COMPLAINT,
        EventKind.UNSUBSCRIBED: Cause.UNSUBSCRIBE,
    }
    assert [kind for kind, row in CONSEQUENCES.items() if row.alerts] == [EventKind.BLOCKED]


SOFT, DELIVERED = EventKind.SOFT_BOUNCED, EventKind.DELIVERED


@pytest.mark.parametrize(
    ("last", "number"),
    [
        ([SOFT, SOFT, SOFT], 3),
        ([SOFT, SOFT, DELIVERED], 0),
        ([SOFT, DELIVERED, SOFT, SOFT], 2),
        ([SOFT, None, SOFT, SOFT], 2),  # the second arrived, as far as anybody knows
        ([SOFT, SOFT, None, None], 2),  # of the newest a report may be on its way
        ([None, DELIVERED], 0),
        ([], 0),
    ],
)
def test_v10_soft_bounces_count_on_issues_in_a_row(last: list[EventKind | None], number: int) -> None:
    """V-10: and a delivery in between begins the count anew."""
    assert bounced_in_a_row([Copy(f"issue {place}", kind) for place, kind in enumerate(last)]) == number


# ---------------------------------------------------------------- effects, on both databases


def test_v10_a_hard_bounce_suspends_at_once_and_a_complaint_everywhere(desk: Desk) -> None:
    """V-10, V-14, P-21: with the reason in the consent history, and no address in the log of events (Z-20)."""
    said = f"550 5.1.1 <{READER}> no such user"
    taken = desk.receiver.take([desk.event(EventKind.BOUNCED, reason=said)])
    assert (taken.new, taken.moved[Cause.BOUNCE]) == (1, 1)
    assert desk.state() is BOUNCED
    what, _, how = desk.room.readers.history(desk.id())[-1]
    assert (what, "no such user" in how, "reported by mailgun on 2024-05-31, issue 2024-05" in how) == ("bounced", 1, 1)
    desk.receiver.take([desk.event(EventKind.COMPLAINED, reader="other@example.org")])
    assert desk.state("other@example.org") is COMPLAINED
    assert desk.room.readers.add([("other@example.org", "", "")], now=LATER, how="import") == 0
    with desk.room.engine.connect() as connection:
        assert READER.partition("@")[0] not in str(connection.execute(text("SELECT * FROM event")).all())


def test_v10_three_soft_bounces_on_different_issues_suspend(desk: Desk) -> None:
    """V-10: the same issue counts once however often it is reported."""
    for mailing in (f"{ISSUE}a", f"{ISSUE}ab"):
        desk.send(mailing)
    desk.receiver.take([desk.event(SOFT, at=NOON + hours * HOUR) for hours in range(5)])
    desk.receiver.take([desk.event(SOFT, f"{ISSUE}a")])
    assert (desk.state(), desk.receiver.row_of(desk.id())) == (SUBSCRIBED, 2)
    desk.receiver.take([desk.event(SOFT, f"{ISSUE}ab", reason="452 4.2.2 mailbox full")])
    assert desk.state() is BOUNCED


def test_l11_an_opt_out_at_the_provider_takes_effect_at_once(desk: Desk) -> None:
    """L-11: also while the reader is suspended, who can then no longer be brought back by anybody else."""
    desk.receiver.take([desk.event(EventKind.BOUNCED)])
    desk.receiver.take([desk.event(EventKind.UNSUBSCRIBED)])
    assert desk.state() is LEFT
    assert not desk.room.readers.reinstate(desk.id(), now=LATER, how="a mistake")


@pytest.mark.parametrize("kind", [DELIVERED, EventKind.DEFERRED, EventKind.BLOCKED, EventKind.OTHER])
def test_v05_v07_what_is_no_bounce_changes_nobody(desk: Desk, kind: EventKind) -> None:
    """V-05, V-07: it is kept, and needs nobody to look at it."""
    taken = desk.receiver.take([desk.event(kind, reason="550 5.7.1 we do not like this server")])
    assert (taken.new, taken.doubtful, taken.moved) == (1, 0, {})
    assert desk.state() is SUBSCRIBED
    blocked = desk.log.blocked(since=NOON)
    assert blocked == (
        [("force.example.org", "550 5.7.1 we do not like this server", 1)] if kind.value == "blocked" else []
    )


def test_z15_the_same_event_counts_once(desk: Desk) -> None:
    """Z-15: told twice in one call, and again later, after the reader came back by a consent of their own."""
    event = desk.event(EventKind.UNSUBSCRIBED)
    assert desk.receiver.take([event, event]).new == 1
    desk.room.readers.resubscribe(desk.id(), now=LATER, how="page")
    taken = desk.receiver.take([event])
    assert (taken.new, taken.again, taken.moved) == (0, 1, {})
    assert desk.state() is SUBSCRIBED


def test_an_event_from_before_a_fresh_consent_is_not_held_against_anybody(desk: Desk) -> None:
    desk.receiver.take([desk.event(EventKind.UNSUBSCRIBED, at=NOON + DAY)])
    desk.room.readers.resubscribe(desk.id(), now=NOON + 3 * DAY, how="page")
    desk.receiver.take([desk.event(EventKind.COMPLAINED, at=NOON + 2 * DAY)])
    assert desk.state() is SUBSCRIBED
    desk.receiver.take([desk.event(EventKind.COMPLAINED, at=NOON + 4 * DAY)])
    assert desk.state() is COMPLAINED


def test_v03_what_is_not_proven_waits_for_a_person(desk: Desk) -> None:
    """V-03: no delivery, no reader, or a doubt about whom it concerns; nobody is changed until a person decides."""
    unproven = [
        desk.event(EventKind.BOUNCED, "2019-01"),
        desk.event(EventKind.BOUNCED, reader="", key=f"{ISSUE}:nobody"),
        desk.event(EventKind.COMPLAINED, reader="", address="nobody@example.org"),
        desk.event(EventKind.UNSUBSCRIBED, reader="", address=READER, doubt="anybody can write such a mail"),
        desk.event(EventKind.BOUNCED, reader="", key="\0:\ud800", address="\0"),
    ]
    taken = desk.receiver.take(unproven)
    assert (taken.new, taken.doubtful, taken.moved) == (5, 5, {})
    assert desk.state() is SUBSCRIBED
    assert desk.receiver.take(unproven).doubtful == 0
    waiting = desk.log.in_doubt()
    assert [event.subscriber is not None for event in waiting] == [True, False, False, True, False]
    assert desk.receiver.accept(waiting[3], who="Ann")
    desk.receiver.dismiss(waiting[0], who="Ann")
    assert desk.state() is LEFT
    assert "Ann decided that it counts" in desk.room.readers.history(desk.id())[-1][2]
    assert [event.number for event in desk.log.in_doubt()] == [waiting[place].number for place in (1, 2, 4)]


def test_an_address_alone_is_enough_where_the_provider_itself_is_proven(desk: Desk) -> None:
    desk.receiver.take([desk.event(EventKind.COMPLAINED, reader="", address=READER.title())])
    assert desk.state() is COMPLAINED


def test_p22_late_events_of_an_erased_reader_are_harmless(desk: Desk) -> None:
    """P-22: their events go with them, and what comes later is about nobody."""
    early, late = desk.event(DELIVERED), desk.event(EventKind.BOUNCED)
    desk.receiver.take([early])
    desk.room.readers.erase(READER, now=LATER)
    taken = desk.receiver.take([late, desk.event(EventKind.COMPLAINED, reader="", address=READER)])
    assert (taken.new, taken.doubtful, taken.moved) == (2, 0, {})
    assert desk.log.by_domain(ISSUE) == {}
    assert desk.state() is SubscriberState.ERASED


def test_an_event_settles_a_delivery_of_which_nobody_knew_whether_it_left(desk: Desk) -> None:
    """Also if the event came first, and the process that was to record the outcome died."""
    desk.send("2024-06", kind=OutcomeKind.UNKNOWN)
    desk.receiver.take([desk.event(EventKind.OTHER, "2024-06")])
    assert len(desk.room.ledger.unknown("2024-06")) == 2
    taken = desk.receiver.take([desk.event(EventKind.BOUNCED, "2024-06")])
    assert taken.settled == 1
    assert desk.room.ledger.unknown("2024-06") == [desk.id("other@example.org")]
    other = desk.id("other@example.org")
    desk.room.enter(issue="2024-07")
    desk.room.begin(issue="2024-07")
    claim = desk.room.claim(9)
    assert claim
    desk.receiver.take([desk.event(DELIVERED, "2024-07", reader="other@example.org")])
    desk.room.answer(claim, OutcomeKind.UNKNOWN)
    assert desk.room.ledger.unknown("2024-07") == [other]
    assert desk.receiver.catch_up().settled == 1
    assert desk.room.ledger.unknown("2024-07") == []


def test_what_a_dead_program_had_written_down_takes_effect_when_it_runs_again(desk: Desk) -> None:
    placed = desk.receiver._place([desk.event(EventKind.BOUNCED)])
    assert desk.log.add(placed, now=LATER).new == 1  # and here it died
    assert desk.state() is SUBSCRIBED
    assert desk.receiver.catch_up().moved[Cause.BOUNCE] == 1
    assert desk.state() is BOUNCED
    assert desk.log.left_over() == []


def test_a_report_by_domain_counts_readers_and_names_no_address(desk: Desk) -> None:
    desk.receiver.take([desk.event(DELIVERED), desk.event(DELIVERED), desk.event(EventKind.COMPLAINED)])
    desk.receiver.take([desk.event(DELIVERED, reader="other@example.org")])
    assert desk.log.by_domain(ISSUE) == {
        "example.org": {DELIVERED: 1},
        "force.example.org": {DELIVERED: 1, EventKind.COMPLAINED: 1},
    }
    assert desk.log.counts()[ISSUE] == {DELIVERED: 3, EventKind.COMPLAINED: 1}


# ---------------------------------------------------------------- undoing a suspension


def test_v10_a_person_can_undo_a_suspension(desk: Desk) -> None:
    """V-10: the history says who and why, and the bounces from before count no more."""
    bounce = desk.event(EventKind.BOUNCED)
    desk.receiver.take([bounce])
    [(person, _, how)] = desk.room.readers.suspended()
    assert (person.email, "reported by mailgun" in how) == (READER, True)
    assert desk.room.readers.reinstate(desk.id(), now=LATER, how="Ann: their gateway was broken")
    assert desk.state() is SUBSCRIBED
    assert desk.room.plan().recipients == 2
    assert [what for what, _, _ in desk.room.readers.history(desk.id())] == ["subscribed", "bounced", "reinstated"]
    desk.receiver.take([desk.event(EventKind.BOUNCED)])
    assert desk.state() is SUBSCRIBED
    desk.now = LATER + DAY
    desk.receiver.take([desk.event(EventKind.BOUNCED, at=LATER + HOUR)])
    assert desk.state() is BOUNCED


def test_v10_nobody_is_brought_back_who_had_not_agreed(desk: Desk) -> None:
    """V-10: a sign-up that was never confirmed, a bounce that was imported, and who complained."""
    desk.room.readers.sign_up("new@example.org", now=NOON, evidence=Evidence(how="form"))
    desk.room.readers.report("new@example.org", Cause.BOUNCE, now=NOON, how="test")
    desk.receiver.take([desk.event(EventKind.COMPLAINED)])
    for address in ("new@example.org", READER):
        assert not desk.room.readers.reinstate(desk.id(address), now=LATER, how="test")
    assert not desk.room.readers.reinstate("nobody", now=LATER, how="test")


# ---------------------------------------------------------------- any order, any number of times

MAILINGS = [ISSUE + "x" * number for number in range(SOFT_BOUNCES + 1)]
KINDS = [kind for kind in EventKind if kind is not DELIVERED]
REPORTS = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(MAILINGS)), max_size=8)


@settings(max_examples=25)
@given(reports=REPORTS, data=st.data())
def test_events_end_the_same_in_any_order_and_told_any_number_of_times(
    reports: list[tuple[EventKind, str]], data: st.DataObject
) -> None:
    """Without deliveries in between: once three issues in a row had bounced, a late "delivered" undoes nothing."""
    with tempfile.TemporaryDirectory() as folder, newsroom(Path(folder)) as room:
        desk = Desk(room)
        ends = []
        for address in ("a@example.org", "b@example.org"):
            desk.subscribe(address)
        for mailing in MAILINGS:
            desk.send(mailing)
        shuffled = data.draw(st.permutations(reports + reports[:3]))
        for address, told in (("a@example.org", reports), ("b@example.org", shuffled)):
            for kind, mailing in told:
                at = NOON + DAY + MAILINGS.index(mailing) * HOUR
                desk.receiver.take([desk.event(kind, mailing, reader=address, at=at, id=f"{address}{kind}{mailing}")])
            ends.append((desk.state(address), desk.log.counts()))
        assert ends[0][0] is ends[1][0]
        soft = {mailing for kind, mailing in reports if kind is SOFT}
        kinds = {kind for kind, _ in reports}
        if kinds <= {SOFT, EventKind.BLOCKED, EventKind.DEFERRED, EventKind.OTHER}:
            row = "".join("s" if mailing in soft else " " for mailing in MAILINGS)
            assert (ends[0][0] is BOUNCED) == ("s" * SOFT_BOUNCES in row)
