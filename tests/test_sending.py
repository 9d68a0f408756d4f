"""Sending: whatever interrupts it, running it again finishes it, and nobody has two copies."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from mailing import ISSUE, NOON, Newsroom, addresses, config, edition, newsroom, template
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from bulletin.config import AudienceSetting, Sending
from bulletin.delivery import sender as sending
from bulletin.delivery.plan import make_plan
from bulletin.delivery.report import Standing, make_report
from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers import ProviderError
from bulletin.render.message import MessageTemplate


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with newsroom(tmp_path) as made:
        yield made


def send(room: Newsroom, provider: str = "outbox") -> Standing:
    with room.sender(provider) as sender:
        return sending.run(sender, room.plan(provider), room.templates())


def test_everybody_has_the_edition_of_their_audience_once(room: Newsroom) -> None:
    """S-26: forces' text is in no other reader's copy; the counts add up, and progress ends at the planned number."""
    room.subscribe([*addresses(10), *addresses(9, "force.example.org"), "a@pcc.force.example.org"])
    standing = send(room)
    assert (standing.planned, standing.accepted, standing.finished) == (20, 20, True)
    outbox = room.outbox()
    assert len(outbox) == 20
    for address, data in outbox.items():
        assert (b"For forces only." in data) == address.endswith("@force.example.org")
    assert room.progress[-1] == (20, 20)


def test_sending_again_sends_only_to_new_readers(room: Newsroom) -> None:
    room.subscribe(addresses(5))
    send(room)
    before = {path: path.stat().st_mtime_ns for path in (room.folder / "outbox" / ISSUE).iterdir()}
    room.subscribe(["late@example.org"])
    assert send(room).accepted == 6
    after = {path: path.stat().st_mtime_ns for path in (room.folder / "outbox" / ISSUE).iterdir()}
    assert len(after) == 6
    assert before.items() <= after.items()
    assert {path.stat().st_mode & 0o777 for path in after} == {0o600}


def test_promise_3_the_plan_says_who_gets_what_and_changes_its_digest_with_it(room: Newsroom) -> None:
    """The digest covers rendered bytes, recipients, sender, provider and time."""
    room.subscribe([*addresses(2), *addresses(1, "force.example.org")])
    plan = room.plan()
    assert plan.counts == {"forces.en-GB": 1, "everyone.en-GB": 2}
    assert room.plan().digest == plan.digest
    rendered = [made.rendered for made in room.templates().values()]
    other_sender = config(sender=replace(room.config.sender, name="Other News"))
    with room.ledger.recipients(room.question()(NOON)) as found:
        people = list(found)
    digests = {
        plan.digest,
        room.plan("smtp").digest,
        room.plan(editions=[replace(made, digest="0" * 64) for made in rendered]).digest,
        make_plan(ISSUE, rendered, people, other_sender, "outbox").digest,
        make_plan(ISSUE, rendered, people, room.config, "outbox", due_at=NOON).digest,
    }
    assert make_plan(ISSUE, rendered, people, room.config, "outbox").digest == plan.digest
    room.leave("reader0@example.org")
    smaller = room.plan()
    assert len(digests | {smaller.digest}) == 6
    assert smaller.withheld == {"unsubscribed": 1}
    with pytest.raises(BulletinError, match=r"readers for the edition forces\.en-GB, and no such edition"):
        make_plan(ISSUE, [edition()], people, room.config, "outbox")


def test_a_test_copy_goes_to_one_address_and_counts_for_nothing(room: Newsroom) -> None:
    room.subscribe(addresses(2))
    with room.sender() as sender:
        outcome = sending.send_test(sender, ISSUE, template(), "Editor@Example.org")
        with pytest.raises(BulletinError, match="this is not a mail address"):
            sending.send_test(sender, ISSUE, template(), "editor")
    assert outcome
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert list(room.outbox("2024-05-test-1")) == ["editor@example.org"]
    assert room.ledger.standing(ISSUE) is None


def test_s26_a_test_copy_kept_for_an_audience_does_not_leave_it(room: Newsroom) -> None:
    """S-26: it goes to that audience's exact domains and to the publication's own, and to nobody else."""
    made = template(edition("forces"))
    with room.sender() as sender:
        for address in ("editor@example.com", "officer@sub.force.example.org", "officer@force.example.org.test"):
            assert sending.send_test(sender, ISSUE, made, address) is None
        assert not list((room.folder / "outbox").rglob("*.eml"))
        for address in ("officer@force.example.org", "me@news.example.org", "editors@example.org"):
            outcome = sending.send_test(sender, ISSUE, made, address)
            assert outcome
            assert outcome.kind is OutcomeKind.ACCEPTED


def test_s26_a_test_copy_kept_for_a_list_goes_to_who_is_on_it(tmp_path: Path) -> None:
    """S-26: an audience can be made of a list; its members are known by their entries, not by their domains."""
    made = template(edition("forces"))
    publication = config(audiences=(AudienceSetting(id="forces", title="Forces", lists=("board",)),))
    with newsroom(tmp_path, publication) as room:
        room.import_list("email\nmember@example.com\nleft@example.com\n", into_list="board")
        room.subscribe(["other@example.com"])
        room.leave("left@example.com")
        with room.sender() as sender:
            for address in ("other@example.com", "left@example.com", "nobody@example.com"):
                assert sending.send_test(sender, ISSUE, made, address) is None
            assert sending.send_test(sender, ISSUE, made, "member@example.com")


def test_only_one_sender_is_at_work(room: Newsroom) -> None:
    room.subscribe(addresses(2))
    with FileLock(room.folder / "sending.lock"), pytest.raises(BulletinError, match="another send is at work"):
        send(room)
    assert room.ledger.standing(ISSUE) is None
    assert send(room).finished


class Scripted:
    """A provider session that answers from a list, and remembers what it was given."""

    def __init__(self, answers: Sequence[OutcomeKind | ProviderError | type[BaseException]], wait: float = 0.0) -> None:
        self.answers, self.wait = list(answers), wait
        self.given: list[str] = []

    def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for letter in letters:
            answer = self.answers.pop(0) if self.answers else OutcomeKind.ACCEPTED
            if isinstance(answer, ProviderError):
                answer.outcomes = tuple(outcomes)
                raise answer
            if not isinstance(answer, OutcomeKind):
                raise answer
            self.given.append(letter.address)
            outcomes.append(Outcome(key=letter.key, kind=answer, reason=f"said to {letter.address}"))
        return outcomes


def run_scripted(room: Newsroom, *sessions: Scripted, **wishes: Any) -> Standing:
    """Send through these sessions, each in a thread of its own."""
    waiting = list(sessions)

    @contextmanager
    def open_next() -> Iterator[Scripted]:
        yield waiting.pop(0)

    with room.sender() as sender:
        plain = replace(sender.capabilities, key_window=None)
        with_sessions = replace(sender, open_session=open_next, capabilities=plain, connections=len(sessions), **wishes)
        return sending.run(with_sessions, room.plan(), room.templates())


def test_b08_what_is_put_off_is_offered_again_with_growing_waits_then_left_for_later(room: Newsroom) -> None:
    """B-08: three offers, no endless loop, and the reader is still planned."""
    room.subscribe(addresses(1))
    with pytest.raises(StoppedPartWay, match=r"1 of 1 deliveries were put off 3 times; at last: said to \(address\)"):
        run_scripted(room, Scripted([OutcomeKind.RETRY] * 3))
    assert 15 + 60 <= sum(room.waited) < 15 + 60 + 2
    assert run_scripted(room, Scripted([OutcomeKind.RETRY])).finished


def test_a_provider_that_puts_everything_off_is_left_alone(room: Newsroom) -> None:
    """Its own wish to wait is obeyed, and in the end the run stops part-way."""
    room.subscribe(addresses(50))
    with pytest.raises(StoppedPartWay, match="puts everything off"):
        run_scripted(room, Scripted([OutcomeKind.RETRY] * 60, wait=7.0))
    assert 5 * 7.0 <= sum(room.waited) < 5 * 7.0 + 5
    assert run_scripted(room, Scripted([])).accepted == 50


def test_a_provider_that_confirms_nothing_stops_the_run_before_everybody_is_unknown(room: Newsroom) -> None:
    """Promise 4: three calls in doubt are enough; the others stay planned."""
    room.subscribe(addresses(50))
    with pytest.raises(StoppedPartWay, match="did not confirm 3 calls in a row"):
        run_scripted(room, Scripted([OutcomeKind.UNKNOWN] * 50))
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.unknown, standing.waiting) == (21, 29)
    rest = run_scripted(room, Scripted([]))
    assert (rest.accepted, rest.unknown, rest.finished) == (29, 21, False)


def test_many_refusals_pause_the_mailing(room: Newsroom) -> None:
    """Promise 4: an error rate pauses; the first answers alone never do."""
    room.config = config(sending=Sending(batch=10, stop_after_refusals=0.5))
    room.subscribe(addresses(60))
    with pytest.raises(StoppedPartWay, match="20 of the last 20 deliveries were refused"):
        run_scripted(room, Scripted([OutcomeKind.REFUSED] * 60))
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.refused, standing.waiting) == (20, 40)
    finished = run_scripted(room, Scripted([]))
    assert (finished.refused, finished.accepted, finished.finished) == (20, 40, True)
    report = make_report(finished, room.ledger.refusals(ISSUE), room.ledger.unknown(ISSUE))
    assert [(entry.domain, entry.count) for entry in report.refusals] == [("example.org", 20)]


def test_a_provider_that_gives_up_leaves_the_rest_planned(room: Newsroom) -> None:
    """Nothing accepted: mend and start. Something accepted: stopped part-way. The answers before are kept."""
    room.subscribe(addresses(10))
    with pytest.raises(BulletinError, match="wrong key") as caught:
        run_scripted(room, Scripted([ProviderError("wrong key", hint="Mend it.")]))
    assert not isinstance(caught.value, StoppedPartWay)
    with pytest.raises(StoppedPartWay, match="quota"):
        run_scripted(room, Scripted([OutcomeKind.ACCEPTED] * 3 + [ProviderError("quota used up")]))
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert (standing.accepted, standing.waiting, standing.unknown) == (3, 7, 0)
    rest = Scripted([])
    assert run_scripted(room, rest).finished
    assert len(rest.given) == 7


def test_a_fault_in_the_middle_of_a_call_leaves_its_letters_unknown(room: Newsroom) -> None:
    """Promise 4: what was in hand when the program broke is shown, not guessed."""
    room.subscribe(addresses(10))
    with pytest.raises(ZeroDivisionError):
        run_scripted(room, Scripted([OutcomeKind.ACCEPTED, ZeroDivisionError]))
    standing = run_scripted(room, Scripted([]))
    assert (standing.accepted, standing.unknown, standing.finished) == (3, 7, False)


def test_what_a_dead_run_had_in_hand_goes_out_in_the_edition_of_now(room: Newsroom) -> None:
    """The forces' item was taken out while their letters were in doubt; they read what everyone reads."""
    room.subscribe([*addresses(2), *addresses(3, "force.example.org")])
    room.enter()
    room.begin()
    for worker in ("test/0", "test/1"):
        assert room.claim(worker=worker, now=dt.datetime.now(dt.UTC))
    room.leave("reader2@force.example.org")
    now = [edition()]
    with room.sender() as sender:
        here = replace(sender, question=room.question(now))
        standing = sending.run(here, room.plan(editions=now), room.templates(now), accept_doubts=True)
    assert (standing.accepted, standing.withdrawn, standing.finished) == (4, 1, True)
    assert not any(b"For forces only." in data for data in room.outbox().values())


def test_an_interrupted_sending_goes_on_with_those_who_were_planned(room: Newsroom) -> None:
    """Promise 3: what was approved only ever shrinks; who came since is sent to when that is done."""
    room.subscribe(addresses(10))
    with pytest.raises(StoppedPartWay, match="quota"):
        run_scripted(room, Scripted([OutcomeKind.ACCEPTED] * 3 + [ProviderError("quota used up")]))
    room.subscribe(["late@example.org"])
    room.leave("reader9@example.org")
    rest = Scripted([])
    standing = run_scripted(room, rest)
    assert (standing.planned, standing.finished) == (10, True)
    assert "late@example.org" not in rest.given
    last = Scripted([])
    assert run_scripted(room, last).planned == 11
    assert last.given == ["late@example.org"]


class Asked(Scripted):
    """A session that can be asked what became of letters."""

    def __init__(self, knows: dict[str, OutcomeKind | None]) -> None:
        super().__init__([])
        self.knows = knows
        self.asked: list[str] = []

    def look_up(self, mailing: str, letters: Sequence[Letter]) -> list[Outcome | None]:
        self.asked += [letter.address for letter in letters]
        kinds = [self.knows.get(letter.address) for letter in letters]
        return [kind and Outcome(key=letter.key, kind=kind) for letter, kind in zip(letters, kinds, strict=True)]


def test_promise_4_the_provider_is_asked_about_what_is_in_doubt(room: Newsroom) -> None:
    """Who had it counts as accepted, who did not is sent to, and only of whom it knows nothing a person has to decide;
    it is asked again the next time."""
    room.subscribe(addresses(4))
    with pytest.raises(ZeroDivisionError):
        run_scripted(room, Scripted([ZeroDivisionError]))
    had = {"reader0@example.org": OutcomeKind.ACCEPTED, "reader1@example.org": OutcomeKind.RETRY}
    session = Asked({**had, "reader2@example.org": OutcomeKind.REFUSED})
    standing = run_scripted(room, session)
    assert sorted(session.asked) == addresses(4)
    assert session.given == ["reader1@example.org"]
    assert (standing.accepted, standing.refused, standing.unknown) == (2, 1, 1)
    later = run_scripted(room, Asked({"reader3@example.org": OutcomeKind.ACCEPTED}))
    assert (later.accepted, later.refused, later.finished) == (3, 1, True)


def test_promise_4_another_place_or_an_older_database_asks_first(room: Newsroom) -> None:
    room.subscribe(addresses(10))
    copy = room.folder / "copy.db"
    room.enter()
    with closing(sqlite3.connect(room.folder / "bulletin.db")) as database, closing(sqlite3.connect(copy)) as target:
        database.backup(target)
    with pytest.raises(StoppedPartWay, match="quota"):
        run_scripted(room, Scripted([OutcomeKind.ACCEPTED] * 3 + [ProviderError("quota used up")]))
    with pytest.raises(BulletinError, match=r"last sent from test machine, and this is another machine"):
        run_scripted(room, Scripted([]), here=replace(room.here, name="another machine", memory=room.folder / "other"))
    old = newsroom(room.folder, url=f"sqlite:///{copy}")
    with old as restored, pytest.raises(BulletinError, match="an older copy that was put back"):
        run_scripted(restored, Scripted([]))
    with pytest.raises(BulletinError, match="broke off long ago"):
        run_scripted(room, Scripted([]), now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=8))
    with room.sender() as sender:
        away = replace(sender, here=replace(room.here, name="another machine"))
        assert sending.run(away, room.plan(), room.templates(), accept_doubts=True).finished


def test_a_machine_that_is_sending_now_is_not_taken_over(room: Newsroom) -> None:
    """Two senders at once, on two machines with one database: the second is refused, whatever it accepts."""
    room.subscribe(addresses(3))
    room.enter()
    run = room.begin()
    with room.sender() as sender:
        soon = replace(sender, now=lambda: NOON + dt.timedelta(seconds=30))
        with pytest.raises(BulletinError, match="here is sending this issue now"):
            sending.run(soon, room.plan(), room.templates(), accept_doubts=True)
        later = replace(sender, now=lambda: NOON + dt.timedelta(seconds=90))
        assert sending.run(later, room.plan(), room.templates(), accept_doubts=True).finished
    assert not room.ledger.still_at_work(run, now=NOON)


def test_several_sessions_share_the_work(room: Newsroom) -> None:
    room.subscribe(addresses(200))
    barrier = threading.Barrier(4, timeout=20)

    class Together(Scripted):
        def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
            if not self.given:
                barrier.wait()  # passes only if all four are calling at once
            return super().deliver(mailing, letters, template)

    sessions = [Together([]) for _ in range(4)]
    standing = run_scripted(room, *sessions)
    assert (standing.accepted, standing.finished) == (200, True)
    assert sorted(address for session in sessions for address in session.given) == sorted(addresses(200))
    assert room.progress[-1] == (200, 200)


def test_a_database_that_fails_for_a_moment_stops_nothing(room: Newsroom) -> None:
    """A lost connection or a full disk: tried again, and every answer that was known is kept, once."""
    room.subscribe(addresses(40))
    failures = iter([4, 5, 8, 11])
    failing = {"next": next(failures), "turns": 0}

    @event.listens_for(room.engine, "commit")
    def fail(connection: Connection) -> None:
        failing["turns"] += 1
        if failing["turns"] >= failing["next"]:
            failing["next"] = next(failures, 10**9)
            if failing["turns"] % 2:
                connection.connection.driver_connection.execute("COMMIT")
                connection.connection.driver_connection.execute("BEGIN")
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("the connection is gone"))

    session = Scripted([])
    standing = run_scripted(room, session)
    assert (standing.accepted, standing.finished) == (40, True)
    assert sorted(session.given) == sorted(addresses(40))
    assert failing["next"] == 10**9, "it failed as often as was meant"


def test_on_a_full_disk_what_was_in_hand_is_listed_and_the_rest_goes_out_when_there_is_room(room: Newsroom) -> None:
    """SQLite's own limit stands for the disk: answers that find no room are in doubt, and nobody is mailed twice."""
    room.subscribe(addresses(60))
    room.enter(now=room.clock())  # the database has its size
    pages = {"most": 2**30}

    @event.listens_for(room.engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages['most']}")

    class Filling(Scripted):
        def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
            outcomes = super().deliver(mailing, letters, template)
            pages["most"] = 1  # no more than there are
            return [replace(outcome, reason=f"{number} " * 100) for number, outcome in enumerate(outcomes)]

    before = Filling([])
    with pytest.raises(OperationalError, match="database or disk is full"):
        run_scripted(room, before)
    pages["most"] = 2**30
    after = Scripted([])
    standing = run_scripted(room, after)
    assert not set(before.given) & set(after.given)
    assert sorted(before.given + after.given) == sorted(addresses(60))
    assert (standing.accepted + standing.unknown, standing.waiting) == (60, 0)
    assert standing.unknown <= len(before.given)


def press_ctrl_c() -> None:
    """As a person does: and the program has heard it when this returns."""
    before = signal.getsignal(signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    while signal.getsignal(signal.SIGINT) is before:
        time.sleep(0.001)


def test_ctrl_c_records_the_letters_in_hand_and_the_next_run_goes_on(room: Newsroom) -> None:
    room.subscribe(addresses(20))
    before = signal.getsignal(signal.SIGINT)

    class Pressing(Scripted):
        def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
            if len(self.given) == 7:
                press_ctrl_c()
            return super().deliver(mailing, letters, template)

    with pytest.raises(StoppedPartWay, match="stopped after 14 of 20 deliveries; all of them are recorded"):
        run_scripted(room, Pressing([]))
    assert signal.getsignal(signal.SIGINT) is before
    rest = Scripted([])
    assert run_scripted(room, rest).accepted == 20
    assert len(rest.given) == 6


def test_a_second_ctrl_c_ends_at_once_and_says_that_some_letters_are_in_doubt(room: Newsroom) -> None:
    room.subscribe(addresses(20))
    ended = threading.Event()

    class Impatient(Scripted):
        def deliver(self, mailing: str, letters: Sequence[Letter], template: MessageTemplate) -> list[Outcome]:
            if len(self.given) == 7:
                press_ctrl_c()
                os.kill(os.getpid(), signal.SIGINT)
                ended.wait(20)  # the process would be gone by now
                raise ZeroDivisionError
            return super().deliver(mailing, letters, template)

    with pytest.raises(StoppedPartWay, match="in doubt whether the letters"):
        run_scripted(room, Impatient([]))
    ended.set()
    standing = run_scripted(room, Scripted([]))
    assert (standing.accepted, standing.unknown) == (13, 7)


def test_sending_works_outside_the_main_thread(room: Newsroom) -> None:
    """Signals belong to the main thread; sending does not need them."""
    room.subscribe(addresses(3))
    done: list[Standing] = []
    thread = threading.Thread(target=lambda: done.append(send(room)))
    thread.start()
    thread.join()
    assert done[0].finished


def test_what_was_only_written_to_files_is_still_sent_for_real(tmp_path: Path) -> None:
    """Promise 4: somebody who tries a sending out before the mail server is set up forgets no reader by that."""
    with newsroom(tmp_path) as room:
        room.subscribe(addresses(3))
        assert send(room).accepted == 3
        assert room.ledger.providers(ISSUE) == {"outbox": 3}
        with room.sender("outbox") as sender:
            standing = sending.run(sender, room.plan("outbox"), room.templates(), rehearsed_by={"outbox"})
        assert (standing.planned, standing.accepted) == (3, 3)
        room.ledger.plan_rehearsed(ISSUE, {"smtp"}, now=NOON)
        assert not room.ledger.waiting(ISSUE), "real mail stays where it is"
