"""Consent: who comes, who goes, who stays away, and what is left of who asked to be forgotten."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from mailing import ISSUE, NOON, SECRET, Newsroom, newsroom
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import DatabaseError

from bulletin import flow
from bulletin.cli import run
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError
from bulletin.model import SubscriberState
from bulletin.publication import Publication, open_publication
from bulletin.stores import open_database
from bulletin.subscribers import importing
from bulletin.subscribers.consent import COMES_BACK_BY_OWN_CONSENT, MOVES, Cause, Suppression, why_no_mail
from bulletin.subscribers.store import Confirmed, Evidence, Subscribers
from bulletin.tables import confirmations, consents, suppressions

DAY = dt.timedelta(days=1)
FORM = Evidence(how="sign-up form", route="form", list="bulletin", wording="Send me the bulletin.", wording_version="2")
LINK = Evidence(how="link in the mail", route="mail")
SUBSCRIBED, LEFT, ERASED = SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED, SubscriberState.ERASED
MARKED = "marked.person@force.example.org"


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def state(room: Newsroom, email: str) -> SubscriberState | None:
    return dict(room.readers.states([email]))[email]


def bring(room: Newsroom, email: str, to: SubscriberState) -> None:
    """A reader in a state, by the way people get there."""
    room.subscribe([email])
    causes = {
        SubscriberState.BOUNCED: Cause.BOUNCE,
        SubscriberState.COMPLAINED: Cause.COMPLAINT,
        LEFT: Cause.UNSUBSCRIBE,
    }
    if to is ERASED:
        room.readers.erase(email, now=NOON)
    elif to in causes:
        room.readers.report(email, causes[to], now=NOON, how="test")
    assert state(room, email) is to


# ---------------------------------------------------------------- the table


def test_only_their_own_consent_leads_back_to_the_readers() -> None:
    """L-11, P-23, V-10: of all moves, confirming and rejoining alone end a leave, and only a leave ends by rejoining.

    A bounce is no leave: a person may undo that, and nothing else.
    """
    back = {
        (cause, before)
        for (cause, before), made in MOVES.items()
        if before in COMES_BACK_BY_OWN_CONSENT
        if made.after is SUBSCRIBED
    }
    assert {cause for cause, _ in back} == {Cause.CONFIRM, Cause.REJOIN, Cause.REINSTATE}
    assert {before for cause, before in back if cause is Cause.REJOIN} == {LEFT}
    assert {before for cause, before in back if cause is Cause.REINSTATE} == {SubscriberState.BOUNCED}


def test_p21_whoever_goes_is_put_on_the_suppression_list_and_only_who_comes_back_is_taken_off() -> None:
    """P-21: for every move to a state of leaving, from wherever."""
    for (_, before), made in MOVES.items():
        if made.after in COMES_BACK_BY_OWN_CONSENT and made.after is not before:
            assert made.suppression is Suppression.WRITTEN
        if made.suppression is Suppression.LIFTED:
            assert made.after is SUBSCRIBED


def test_only_who_is_subscribed_and_not_paused_gets_mail(room: Newsroom) -> None:
    assert [state for state in SubscriberState if not why_no_mail(state, None, NOON)] == [SUBSCRIBED]
    room.subscribe(["a@example.org", "b@example.org"])
    away = room.readers.find("a@example.org")
    assert away
    room.readers.pause(away.id, NOON + DAY)
    plan = room.plan()
    assert plan.withheld == {"paused": 1}
    assert plan.recipients == 1
    room.readers.pause(away.id, None)
    assert room.plan().recipients == 2


def test_l11_who_pauses_after_planning_is_withdrawn(room: Newsroom) -> None:
    room.subscribe(["a@example.org"])
    room.enter()
    room.begin()
    person = room.readers.find("a@example.org")
    assert person
    room.readers.pause(person.id, NOON + DAY)
    assert room.claim(9) is None


# ---------------------------------------------------------------- signing up


def test_p12_a_sign_up_counts_when_its_link_was_used(room: Newsroom) -> None:
    """P-10, P-12, Z-08, Z-09: pending until then; wording and version are kept; the link works once, for seven days."""
    token = room.readers.sign_up("new@example.org", now=NOON, evidence=FORM, name="Ann", lists=["bulletin"])
    assert state(room, "new@example.org") is SubscriberState.PENDING
    assert not room.plan().recipients
    assert re.fullmatch(r"[a-z2-7]{32}", token)  # 160 random bits
    with room.engine.begin() as connection:
        assert token not in str(connection.execute(select(confirmations)).all())
    assert room.readers.confirm("x" * 32, now=NOON, evidence=LINK) is Confirmed.UNKNOWN
    assert room.readers.confirm(token, now=NOON + 7 * DAY, evidence=LINK) is Confirmed.TOO_LATE
    assert room.readers.confirm(token, now=NOON + 6 * DAY, evidence=LINK) is Confirmed.NOW
    assert room.readers.confirm(token, now=NOON + 6 * DAY, evidence=LINK) is Confirmed.ALREADY
    assert room.plan().recipients == 1
    held = room.readers.holding("new@example.org")
    assert [(row["what"], row["at"], row["wording_version"]) for row in held["consents"]] == [
        ("signed up", NOON, "2"),
        ("confirmed", NOON + 6 * DAY, ""),
        ("joined list", NOON + 6 * DAY, ""),
    ]
    assert [row["list"] for row in held["lists"]] == ["bulletin"]
    assert room.readers.sign_up("new@example.org", now=NOON, evidence=FORM) == ""


def test_p12_an_unconfirmed_sign_up_goes_after_its_time_and_not_before(room: Newsroom) -> None:
    room.readers.sign_up("new@example.org", now=NOON, evidence=FORM)
    room.readers.sign_up("again@example.org", now=NOON, evidence=FORM)
    room.readers.sign_up("again@example.org", now=NOON + 5 * DAY, evidence=FORM)
    assert room.readers.expire(before=NOON) == 0
    assert room.readers.expire(before=NOON + DAY, dry_run=True) == 1
    assert room.readers.expire(before=NOON + DAY) == 1
    assert state(room, "new@example.org") is None
    assert room.readers.holding("new@example.org") == {}
    assert state(room, "again@example.org") is SubscriberState.PENDING


@pytest.mark.parametrize("gone", sorted(COMES_BACK_BY_OWN_CONSENT, key=lambda kind: kind.value))
def test_p23_who_went_comes_back_by_confirming_and_by_nothing_else(room: Newsroom, gone: SubscriberState) -> None:
    """P-21 to P-23: imports and sign-ups by anybody change nothing, also when they expire."""
    bring(room, "a@example.org", gone)
    assert room.readers.add([("a@example.org", "", "")], now=NOON, how="import") == 0
    assert room.import_list("email\na@example.org\n").left == 1
    room.readers.sign_up("a@example.org", now=NOON, evidence=FORM)
    assert room.readers.add([("a@example.org", "", "")], now=NOON, how="import") == 0
    assert not room.plan().recipients
    room.readers.expire(before=NOON + 8 * DAY)
    assert state(room, "a@example.org") is gone
    token = room.readers.sign_up("a@example.org", now=NOON + 9 * DAY, evidence=FORM)
    assert room.readers.confirm(token, now=NOON + 9 * DAY, evidence=LINK) is Confirmed.NOW
    assert room.plan().recipients == 1
    with room.engine.begin() as connection:
        assert connection.execute(select(suppressions)).all() == []


def test_a_confirmation_asked_for_before_leaving_brings_nobody_back(room: Newsroom) -> None:
    """L-11: a second link of the same sign-up, opened after its reader left."""
    first, second = (room.readers.sign_up("a@example.org", now=NOON, evidence=FORM) for _ in range(2))
    assert room.readers.confirm(first, now=NOON, evidence=LINK) is Confirmed.NOW
    room.leave("a@example.org")
    assert room.readers.confirm(second, now=NOON, evidence=LINK) is Confirmed.TOO_LATE
    assert room.readers.confirm(first, now=NOON, evidence=LINK) is Confirmed.TOO_LATE
    late = room.readers.sign_up("a@example.org", now=NOON, evidence=FORM)
    room.leave("a@example.org")  # pressed once more, for certain
    assert room.readers.confirm(late, now=NOON, evidence=LINK) is Confirmed.TOO_LATE
    assert not room.plan().recipients


def test_who_complains_while_a_list_with_them_comes_in_is_not_among_the_readers(room: Newsroom) -> None:
    """P-21: whichever of the two is first in the database, the complaint is what counts."""
    emails = [f"r{number}@example.org" for number in range(1500)]
    room.subscribe(emails[:50])
    errors: list[BaseException] = []

    def take() -> None:
        try:
            room.import_list("email,name\n" + "".join(f"{email},R\n" for email in emails), now=NOON)
        except BaseException as error:
            errors.append(error)

    importing_thread = threading.Thread(target=take)
    importing_thread.start()
    told = [email for pair in zip(emails[:50], emails[50:], strict=False) for email in pair]
    for email in told:
        room.readers.report(email, Cause.COMPLAINT, now=NOON, how="event")
    importing_thread.join()
    assert errors == []
    assert {found for _, found in room.readers.states(told)} == {SubscriberState.COMPLAINED}


@pytest.mark.parametrize("status", ["unsubscribed", "bounced", "complained"])
def test_a_file_that_says_somebody_went_ends_the_links_on_their_way_too(room: Newsroom, status: str) -> None:
    token = room.readers.sign_up("a@example.org", now=NOON, evidence=FORM)
    room.import_list(f"email,status\na@example.org,{status}\n", now=NOON)
    assert room.readers.confirm(token, now=NOON, evidence=LINK) is not Confirmed.NOW
    assert state(room, "a@example.org") is not SUBSCRIBED


@pytest.mark.parametrize("gone", [SubscriberState.BOUNCED, SubscriberState.COMPLAINED])
def test_the_preferences_page_brings_back_who_left_but_not_who_bounced_or_complained(
    room: Newsroom, gone: SubscriberState
) -> None:
    for email, kind in (("a@example.org", LEFT), ("b@example.org", gone)):
        bring(room, email, kind)
    first, second = (room.readers.find(email) for email in ("a@example.org", "b@example.org"))
    assert first
    assert second
    assert room.readers.resubscribe(first.id, now=NOON, how="page")
    assert not room.readers.resubscribe(second.id, now=NOON, how="page")


def test_an_address_that_complained_elsewhere_is_never_imported(room: Newsroom) -> None:
    """P-21: an event about somebody unknown is kept, as a hash."""
    assert room.readers.report("new@example.org", Cause.COMPLAINT, now=NOON, how="provider's list")
    assert room.readers.find("new@example.org") is None
    assert room.readers.add([("new@example.org", "", "")], now=NOON, how="import") == 0


def test_an_import_is_refused_where_nobody_can_tell_who_left(room: Newsroom) -> None:
    """P-22: hashes made with another secret say nothing; guessing would write to people who were erased."""
    room.subscribe(["a@example.org"])
    room.readers.erase("a@example.org", now=NOON)
    other = Subscribers(room.engine, b"a secret of another machine, as long")
    with pytest.raises(BulletinError, match="made with another secret"):
        other.add([("a@example.org", "", "")], now=NOON, how="import")


@pytest.mark.parametrize(
    "statement", ["UPDATE consent SET what = 'confirmed'", "DELETE FROM consent", "UPDATE consent SET wording = 'x'"]
)
def test_p10_the_database_itself_keeps_the_consent_history(room: Newsroom, statement: str) -> None:
    """P-10: append-only, also for a hand at the database."""
    room.subscribe(["a@example.org"])
    with pytest.raises(DatabaseError, match="only ever added"), room.engine.begin() as connection:
        connection.exec_driver_sql(statement)
    with room.engine.begin() as connection:
        assert connection.scalar(select(consents.c.what)) == "subscribed"


# ---------------------------------------------------------------- random lives


SAID = {"unsubscribed": Cause.UNSUBSCRIBE, "bounced": Cause.BOUNCE, "complained": Cause.COMPLAINT}
"""What a file may say of a reader; the last word is the strongest."""


class ConsentMachine(RuleBasedStateMachine):
    """Random moves beside a plain account of who must not be written to before a fresh consent of their own."""

    emails = st.sampled_from([f"reader{number}@example.org" for number in range(2)])

    def __init__(self, make_url: Callable[[], str] | None = None) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.room = Newsroom(self.folder, url=make_url() if make_url else "")
        self.now = NOON
        self.barred: set[str] = set()
        self.only_bounced: set[str] = set()
        self.links: list[tuple[str, str, dt.datetime]] = []
        self.fresh: set[str] = set()

    def teardown(self) -> None:
        self.room.engine.dispose()
        shutil.rmtree(self.folder)

    def bar(self, email: str, cause: Cause | None = None) -> None:
        if cause is not Cause.BOUNCE:
            self.only_bounced.discard(email)
        elif email not in self.barred:
            self.only_bounced.add(email)
        self.barred.add(email)
        self.fresh -= {token for token, whose, _ in self.links if whose == email}

    @rule(some=st.lists(emails, max_size=3))
    def import_list(self, some: list[str]) -> None:
        self.room.readers.add([(email, "", "") for email in some], now=self.now, how="import")

    @rule(rows=st.lists(st.tuples(emails, st.sampled_from(["", *SAID])), min_size=1, max_size=3))
    def import_file(self, rows: list[tuple[str, str]]) -> None:
        """The strongest word of a file counts; it may take readers off, and never brings one back."""
        before = dict(self.room.readers.states([email for email, _ in rows]))
        text = "".join(f"{email},{status}\n" for email, status in rows)
        self.room.import_list(f"email,status\n{text}", now=self.now, into_list="press")
        for email, stood in before.items():
            cause = SAID.get(max((status for whose, status in rows if whose == email), key=["", *SAID].index))
            if cause and (cause is not Cause.BOUNCE or state(self.room, email) is not stood):
                self.bar(email, cause)

    @rule()
    def undo_the_last_import(self) -> None:
        with suppress(BulletinError), self.room.engine.begin() as connection:
            importing.undo(connection, self.now)

    @rule(email=emails)
    def put_on_a_list(self, email: str) -> None:
        with suppress(BulletinError):
            self.room.readers.put_on_list([email], "press", now=self.now, how="test")

    @rule(email=emails)
    def sign_up(self, email: str) -> None:
        token = self.room.readers.sign_up(email, now=self.now, evidence=FORM)
        if token:
            self.links.append((token, email, self.now + 7 * DAY))
            self.fresh.add(token)

    @precondition(lambda self: self.links)
    @rule(pick=st.integers(0, 5))
    def use_a_link(self, pick: int) -> None:
        token, email, until = self.links[-1 - pick % len(self.links)]  # mostly one of the last
        answer = self.room.readers.confirm(token, now=self.now, evidence=LINK)
        if token in self.fresh and self.now < until:
            self.barred.discard(email)
            self.only_bounced.discard(email)
        else:
            assert answer is not Confirmed.NOW
        self.fresh.discard(token)

    @rule(email=emails)
    def leave(self, email: str) -> None:
        if person := self.room.readers.find(email):
            self.room.readers.unsubscribe(person.id, now=self.now, how="test")
            self.bar(email)

    @rule(email=emails)
    def rejoin(self, email: str) -> None:
        person = self.room.readers.find(email)
        if person and self.room.readers.resubscribe(person.id, now=self.now, how="test"):
            assert person.state is LEFT
            self.barred.discard(email)

    @rule(email=emails, cause=st.sampled_from([Cause.BOUNCE, Cause.COMPLAINT, Cause.UNSUBSCRIBE]))
    def event(self, email: str, cause: Cause) -> None:
        if self.room.readers.report(email, cause, now=self.now, how="event") or cause is not Cause.BOUNCE:
            self.bar(email, cause)

    @rule(email=emails)
    def a_person_undoes_a_bounce(self, email: str) -> None:
        person = self.room.readers.find(email)
        if person and self.room.readers.reinstate(person.id, now=self.now, how="test"):
            assert email in self.only_bounced
            self.only_bounced.discard(email)
            self.barred.discard(email)

    @rule(email=emails)
    def erase(self, email: str) -> None:
        self.room.readers.erase(email, now=self.now)
        self.bar(email)

    @rule(days=st.integers(1, 9))
    def time_passes_and_the_purge_runs(self, days: int) -> None:
        self.now += days * DAY
        self.room.readers.expire(before=self.now - 7 * DAY)
        self.room.readers.forget_links(before=self.now - 30 * DAY)

    @invariant()
    def nobody_who_went_is_written_to(self) -> None:
        with self.room.ledger.recipients(self.room.question()(self.now)) as found:
            planned = {line.partition(" ")[2] for lines in found for line in lines.splitlines() if line}
        assert not self.barred & {person.email for person in self.room.readers.all() if person.id in planned}
        assert not self.barred & {
            email for email, found in self.room.readers.states(self.barred) if found is SUBSCRIBED
        }

    @invariant()
    def consents_end_as_the_state_stands(self) -> None:
        last = {"subscribed": SUBSCRIBED, "confirmed": SUBSCRIBED, "reinstated": SUBSCRIBED, "unsubscribed": LEFT}
        for person in self.room.readers.all():
            history = self.room.readers.history(person.id)
            kinds = [what for what, _, _ in history if what not in {"signed up", "put on list"}]
            if kinds:
                assert (
                    last.get(kinds[-1], SubscriberState(kinds[-1]) if kinds[-1] not in last else None) is person.state
                )


TestConsentLives = ConsentMachine.TestCase
TestConsentLives.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


def test_the_same_lives_on_postgresql(postgresql: Callable[[], str]) -> None:
    few = settings(max_examples=5, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(lambda: ConsentMachine(postgresql), settings=few)


# ---------------------------------------------------------------- being forgotten, and asking what is held


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Publication:
    """A publication whose reader has been sent a mail, and whose database was copied once."""
    monkeypatch.setenv("BULLETIN_SECRET", SECRET.decode())
    folder = tmp_path / "mine"
    assert run(["init", str(folder)]) == 0
    monkeypatch.chdir(folder)
    capsys.readouterr()
    made = open_publication(folder, {"BULLETIN_SECRET": SECRET.decode()})
    with newsroom(made.state_dir) as room:
        room.subscribe([MARKED, "other@example.org"])
        token = room.readers.sign_up("late@example.org", now=NOON, evidence=FORM, lists=["bulletin"])
        room.readers.confirm(token, now=NOON, evidence=LINK)
        with room.sender() as sender:
            sending.run(sender, room.plan(), room.templates())
    backups = made.state_dir / "backups"
    backups.mkdir()
    shutil.copy(made.state_dir / "bulletin.db", backups / "bulletin-before-0002-20240530T120000000000.db")
    return made


@contextmanager
def forgetful_sqlite() -> Iterator[None]:
    """SQLite as it is built on most machines: it leaves deleted bytes where they were."""

    def forget(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA secure_delete=OFF")

    event.listen(Engine, "connect", forget)
    try:
        yield
    finally:
        event.remove(Engine, "connect", forget)


def files_with(folder: Path, text: str) -> list[str]:
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and text.encode() in path.read_bytes()]


def test_p22_an_erased_address_is_in_no_byte_of_what_we_keep(
    home: Publication, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-22, P-23: gone from database, mails, copies and receipt; refused by an import; back by their own sign-up."""
    assert len(files_with(home.state_dir, MARKED)) >= 3
    with forgetful_sqlite(), newsroom(home.state_dir) as web:  # as when the public pages are being served
        assert web.readers.find(MARKED)
        assert run(["subscribers", "erase", MARKED.upper(), "--yes"]) == 0
        assert files_with(home.root, "marked.person") == []
    said = "".join(capsys.readouterr())
    assert files_with(home.root, "marked.person") == []
    receipt = json.loads(next((home.state_dir / "receipts").glob("*.json")).read_text("utf-8"))
    assert receipt["receipt"] in said
    assert receipt["mails_deleted"] == 1
    assert (receipt["database_copies_cleaned"], receipt["consent_records_deleted"]) == (1, 1)
    assert "marked.person" not in said
    for path in (home.state_dir / "receipts").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = tmp_path / "again.csv"
    again.write_text(f"email\n{MARKED}\n")
    assert flow.import_subscribers(home, again).left == 1
    with flow.subscribers_of(home) as store:
        assert {person.email for person in store.all()} == {"other@example.org", "late@example.org"}
        assert store.counts()[ERASED] == 1
        assert receipt["hash_starts_with"] == store.erase(MARKED, now=NOON).hash[:12]
        store.confirm(store.sign_up(MARKED, now=NOON, evidence=FORM), now=NOON, evidence=LINK)
        assert dict(store.states([MARKED]))[MARKED] is SUBSCRIBED


def test_p22_a_copy_of_the_database_that_is_put_back_still_refuses_who_was_erased(home: Publication) -> None:
    copy = next((home.state_dir / "backups").iterdir())
    assert run(["subscribers", "erase", MARKED, "--yes"]) == 0
    engine = open_database(f"sqlite:///{copy}")
    assert Subscribers(engine, SECRET).add([(MARKED, "", "")], now=NOON, how="import") == 0
    assert dict(Subscribers(engine, SECRET).states([MARKED]))[MARKED] is ERASED
    engine.dispose()


def test_erasing_one_reader_touches_nobody_whose_address_is_longer(home: Publication) -> None:
    """Neither the mail nor the copy of the database that holds ex-marked.person@... goes with marked.person@..."""
    longer = f"ex-{MARKED}"
    with newsroom(home.state_dir) as room:
        room.subscribe([longer])
        with room.sender() as sender:
            sending.run(sender, room.plan(), room.templates())
    copy = next((home.state_dir / "backups").iterdir())
    shutil.copy(home.state_dir / "bulletin.db", copy)
    _, text, left = flow.erase_subscriber(home, MARKED, reason="asked")
    assert left == ()
    assert "and deleted: 1\n" in text
    assert copy.is_file()
    assert len([path for path in files_with(home.state_dir, longer) if path.endswith(".eml")]) == 1
    with flow.subscribers_of(home) as store:
        assert store.find(longer)
        assert store.find(MARKED) is None


def test_erasing_asks_for_the_address_again(
    home: Publication, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("other@example.org\n"))
    assert run(["subscribers", "erase", MARKED]) == 2
    assert "nothing was deleted" in capsys.readouterr().err
    assert run(["subscribers", "erase", MARKED, "--yes", "--reason", f"{MARKED} wrote"]) == 2
    assert files_with(home.state_dir, MARKED)


def test_p22_erasing_on_postgresql_leaves_the_hash_and_nothing_else(
    postgresql: Callable[[], str], home: Publication
) -> None:
    there = open_publication(home.root, {"BULLETIN_SECRET": SECRET.decode(), "BULLETIN_DATABASE_URL": postgresql()})
    with flow.subscribers_of(there) as store:
        store.add([(MARKED, "Ann", "")], now=NOON, how="test")
    flow.erase_subscriber(there, MARKED, reason="asked")
    with flow.subscribers_of(there) as store:
        assert list(store.all()) == []
        assert list(store.holding(MARKED)) == ["suppression"]
        assert store.add([(MARKED, "", "")], now=NOON, how="import") == 0


def test_p24_one_command_gives_a_person_everything_that_is_held(
    home: Publication, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """P-24, Z-23: one file to read and one for machines, with the consent history, for the owner's eyes."""
    out = tmp_path / "out"
    assert run(["subscribers", "show", "late@example.org", "--out", str(out)]) == 0
    capsys.readouterr()
    machine, readable = sorted(out.iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in (machine, readable)} == {0o600}
    assert "late" not in machine.name
    held = json.loads(machine.read_text("utf-8"))
    assert held["reader"]["email"] == "late@example.org"
    assert [row["what"] for row in held["consents"]] == ["signed up", "confirmed", "joined list"]
    assert [row["mailing"] for row in held["mailings"]] == [ISSUE]
    text = readable.read_text("utf-8")
    for fact in ("late@example.org", "Send me the bulletin.", "2024-05-30 12:00:00 UTC", "accepted"):
        assert fact in text
    assert MARKED not in text
    assert run(["subscribers", "show", "late@example.org"]) == 0
    assert "signed up" in capsys.readouterr().out
    assert run(["subscribers", "show", "nobody@example.org"]) == 1


def test_p26_the_purge_deletes_what_was_kept_long_enough(home: Publication, capsys: pytest.CaptureFixture[str]) -> None:
    """P-26: everything in this room is years old; a rehearsal says so and deletes nothing."""
    with flow.subscribers_of(home) as store:
        store.sign_up("never@example.org", now=NOON, evidence=FORM)
    rehearsed = flow.purge(home, dry_run=True)
    assert rehearsed["sign-ups that nobody confirmed"] == 1
    assert rehearsed["links that expired"] == 2
    assert files_with(home.state_dir, "never@example.org")
    assert run(["subscribers", "purge"]) == 0
    assert "sign-ups that nobody confirmed" in capsys.readouterr().err
    assert not files_with(home.state_dir, "never@example.org")
    assert not any(flow.purge(home).values())


@pytest.mark.parametrize("months", [0, -1, 5000])
def test_p26_a_time_that_cannot_be_kept_is_refused_in_the_settings(home: Publication, months: int) -> None:
    file = home.root / "bulletin.toml"
    file.write_text(file.read_text("utf-8") + f"\n[retention]\nsend_logs_months = {months}\n", "utf-8")
    with pytest.raises(BulletinError, match="problem"):
        open_publication(home.root, {})
