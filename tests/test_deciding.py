"""What people decide about a mailing: when it leaves, how far, how fast, whether they approve it, or call it off."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mailing import ISSUE, NOON, Newsroom, edition, newsroom
from mailserver import MailServer, mail_server
from test_story import send_by

from bulletin import cli
from bulletin.delivery import sender as sending
from bulletin.delivery import steering
from bulletin.delivery.ledger import Claim
from bulletin.delivery.plan import Plan, make_plan
from bulletin.errors import BulletinError, StoppedPartWay
from bulletin.model import DeliveryState, OutcomeKind

ROOT = Path(__file__).parent.parent
ACCEPTED, RETRY = OutcomeKind.ACCEPTED, OutcomeKind.RETRY


# ---------------------------------------------------------------- as people type it


class Desk:
    """A publication in a folder, where commands are typed."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys, self._monkeypatch = home, capsys, monkeypatch

    def __call__(self, *arguments: str, typed: str = "", code: int = 0) -> str:
        """What a command prints; fails unless it ends with the exit code `code`."""
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        ended = cli.run(arguments)
        said = "".join(self._capsys.readouterr())
        assert ended == code, said
        return said

    def plan(self) -> Any:
        """The plan as a machine reads it."""
        assert cli.run(["send", "2024-05", "--dry-run", "--json"]) == 0
        return json.loads(self._capsys.readouterr().out)


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Desk, MailServer]]:
    """This publication in a repository of its own, where somebody else has to approve, and a mail server."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for name in [name for name in os.environ if name.startswith("BULLETIN_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "vkpp"
    home.mkdir()
    shutil.copy(ROOT / "bulletin.toml", home)
    shutil.copytree(ROOT / "issues", home / "issues")
    with mail_server() as server:
        send_by(home, "smtp", f'host = "127.0.0.1"\nport = {server.port}\ntls = "none"')
        settings = home / "bulletin.toml"
        settings.write_text(settings.read_text().replace("[sending]", '[sending]\napproval = "another"', 1))
        git(home, "init")
        git(home, "config", "user.name", "Ann Editor")
        git(home, "config", "user.email", "ann@example.org")
        commit(home)
        monkeypatch.chdir(home)
        desk = Desk(home, capsys, monkeypatch)
        desk("subscribers", "import", str(ROOT / "templates/start/subscribers.csv"), "--basis", "asked")
        yield desk, server


def git(home: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(home), *arguments], check=True, capture_output=True)


def commit(home: Path) -> None:
    git(home, "add", "-A")
    git(home, "commit", "-m", "A change")


def change(home: Path, before: str, after: str) -> None:
    file = home / "issues/2024-05/issue.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_a_mailing_waits_until_somebody_else_has_approved_it(office: tuple[Desk, MailServer]) -> None:
    desk, server = office
    home = desk.home
    said = desk("send", "2024-05", code=3)
    assert "Approved by nobody yet" in said
    assert "Nothing was sent. Somebody else than who edited it last has to approve it: bulletin approve 2024-05" in said
    said = desk("approve", "2024-05", typed="12\n", code=2)
    assert "Ann Editor <ann@example.org> changed this issue last, so somebody else has to approve it." in said
    desk("approve", "2024-05", "--by", "Ben Reader <ben@example.org>", typed="11\n", code=2)
    said = desk("approve", "2024-05", "--by", "Ben Reader <ben@example.org>", typed="12\n")
    assert "Approved by Ben Reader <ben@example.org>. It leaves with: bulletin send 2024-05" in said
    assert server.delivered == []
    desk("subscribers", "unsubscribe", "amal@force.example.org")
    said = desk("send", "2024-05", "--yes")
    assert "Approved by Ben Reader" in said
    assert len(server.delivered) == 11, "a reader who left since makes it fewer, and no less approved"

    folder = home / "issues/2024-05/mailing"
    record = json.loads((folder / "mailing.json").read_text())
    assert record["approved"]["by"] == "Ben Reader"
    assert record["approved"]["digest"] == record["plan"]["digest"]
    assert record["result"] | {"as_of": ""} == {
        "as_of": "",
        "finished": True,
        "planned": 12,
        "accepted": 11,
        "refused": 0,
        "withdrawn": 1,
        "unknown": 0,
        "waiting": 0,
        "why_refused": {},
    }
    assert sorted(path.name for path in folder.glob("*.html")) == ["everyone.en-GB.html", "forces.en-GB.html"]
    kept = b"".join(path.read_bytes() for path in folder.iterdir()).decode()
    found = set(re.findall(r"[\w.]+@[\w.-]+", (ROOT / "templates/start/subscribers.csv").read_text()))
    assert len(found) == 12
    assert not {address for address in found if address in kept}, "no reader's address is kept there"


def test_any_change_makes_an_approval_void_and_is_named(office: tuple[Desk, MailServer]) -> None:
    desk, server = office
    home = desk.home
    plan = desk.plan()
    assert not plan["may_leave"]
    desk("approve", "2024-05", "--by", "Ben Reader", "--digest", "0" * 64, code=2)
    desk("approve", "2024-05", "--by", "Ben Reader", "--digest", plan["digest"][:16])
    assert desk.plan()["may_leave"]

    change(home, "Online safety codes", "New online safety codes")
    said = desk("send", "2024-05", "--yes", code=3)
    assert "Approved by Ben Reader" in said
    assert "no longer holds" in said
    assert "the edition everyone.en-GB was changed" in said
    assert "the edition forces.en-GB was changed" in said
    change(home, "New online safety codes", "Online safety codes")
    said = desk("send", "2024-05", "--yes", "--at", "2099-01-01 09:00", code=3)
    assert "the time of sending was at once and is Thursday 1 January 2099, 09:00 GMT" in said

    desk("approve", "2024-05", "--by", "Ben Reader", "--at", "now", typed="12\n")
    assert "The approval is taken back" in desk("approve", "2024-05", "--withdraw")
    desk("send", "2024-05", "--yes", code=3)
    assert server.delivered == []


def test_the_first_ones_leave_the_rest_waits_is_called_off_and_goes_on(office: tuple[Desk, MailServer]) -> None:
    desk, server = office
    home = desk.home
    settings = home / "bulletin.toml"
    settings.write_text(settings.read_text().replace('approval = "another"', "price_per_1000 = 500"))
    said = desk("send", "2024-05", "--limit", "5", typed="5\n", code=3)
    assert "Cost     about 6.00 GBP" in said
    assert "the first ones have left, as you wished; 7 of 12 wait for your word" in said
    assert len(set(server.delivered)) == 5
    desk("send", "2024-05", "--yes", code=3)
    assert "held after the first copies" in desk("status", "2024-05", code=3)
    said = desk("cancel", "2024-05", "--by", "Cai", "--yes")
    assert "7 messages of issue 2024-05 will not leave." in said
    assert "5 messages had left" in said
    assert "Cai cancelled this mailing" in desk("send", "2024-05", "--yes", code=2)
    assert "cancelled by Cai" in desk("status", "2024-05")
    assert len(server.delivered) == 5
    desk("send", "2024-05", "--continue", "--yes")
    assert len(server.delivered) == len(set(server.delivered)) == 12
    assert "all of issue 2024-05 has left" in desk("cancel", "2024-05", "--yes", code=2)


def test_a_mailing_waits_for_its_time_and_leaves_only_as_it_was(office: tuple[Desk, MailServer]) -> None:
    desk, server = office
    home = desk.home
    settings = home / "bulletin.toml"
    settings.write_text(settings.read_text().replace('approval = "another"', ""))
    due_at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    said = desk("send", "2024-05", "--at", due_at.isoformat(), "--yes")
    assert re.search(r"It leaves on \w+ \d+ \w+ \d{4}, \d\d:\d\d (GMT|BST)\. Leave this running until then", said)
    assert len(server.delivered) == 12
    assert dt.datetime.now(dt.UTC) >= due_at
    assert "is past" in desk("send", "2024-05", "--at", "2024-01-01 09:00", code=2)
    said = desk("send", "2024-05", "--dry-run", "--stagger", "90 m")
    assert "Spread   over 1 h 30 min, each mail domain evenly" in said
    assert "dry run" in said


def test_s29_what_is_for_some_goes_only_through_providers_that_may_carry_it(office: tuple[Desk, MailServer]) -> None:
    desk, server = office
    settings = desk.home / "bulletin.toml"
    before = settings.read_text()
    for allowed, code in (('["mailgun"]', 2), ('["mailgun", "smtp"]', 0)):
        settings.write_text(before.replace('id = "forces"', f'id = "forces"\nproviders = {allowed}', 1))
        for command in (["--dry-run"], ["--test", "editors@bulletin.example.org"]):
            said = desk("send", "2024-05", *command, code=code)
            assert ("forces.en-GB may leave by mailgun only, not by smtp" in said) is bool(code)
    assert len(server.delivered) == 2, "one test copy of each edition, once both may leave"


# ---------------------------------------------------------------- in the ledger


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    """A publication's stores, on each kind of database."""
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def planned(room: Newsroom, **wishes: dt.timedelta) -> Plan:
    with room.ledger.recipients(room.question()(NOON), spread="spread" in wishes) as found:
        rendered = (edition("forces"), edition())
        return make_plan(ISSUE, rendered, found, room.config, "outbox", withheld={}, **wishes)


def domains(room: Newsroom, claims: Sequence[Claim]) -> list[str]:
    return [row.address.partition("@")[2] for claim in claims for row in claim.deliveries]


def test_the_readers_of_each_domain_lie_evenly_over_the_time(room: Newsroom) -> None:
    room.subscribe(f"many{number}@big.example.org" for number in range(40))
    room.subscribe(f"few{number}@small.example.org" for number in range(4))
    plan = planned(room, spread=dt.timedelta(hours=2))
    room.ledger.enter(plan, room.question()(NOON), now=NOON, batch=1000)
    known = room.ledger.mailing(ISSUE)
    assert known
    assert (known.digest, known.spread) == (plan.digest, dt.timedelta(hours=2))
    room.begin()
    claim = room.claim()
    assert claim
    places = [place for place, name in enumerate(domains(room, [claim])) if name == "small.example.org"]
    assert [place // 11 for place in places] == [0, 1, 2, 3]
    assert sending.pace(plan.recipients, plan.spread, None) == pytest.approx(44 / 7200)
    assert sending.pace(plan.recipients, plan.spread, 0.001) == 0.001


def test_held_after_some_the_others_are_in_nobodys_hands(room: Newsroom) -> None:
    room.subscribe(f"reader{number}@example.org" for number in range(10))
    room.enter(batch=4)
    assert steering.hold_after(room.engine, ISSUE, 6)
    room.begin()
    left = 0
    while claim := room.claim():
        left += len(claim.deliveries)
        room.answer(claim, ACCEPTED)
    assert left == 6
    assert not steering.hold_after(room.engine, ISSUE, 4), "that is all there is"
    while claim := room.claim():
        left += len(claim.deliveries)
        room.answer(claim, ACCEPTED)
    assert left == 10


def test_called_off_in_the_middle_what_is_in_hand_is_written_down_and_nothing_follows(room: Newsroom) -> None:
    room.subscribe(f"reader{number}@example.org" for number in range(10))
    room.enter(batch=4)
    run = room.begin()
    claim = room.claim()
    assert claim
    stopped = steering.cancel(room.engine, ISSUE, who="Cai", now=NOON)
    assert (stopped.withdrawn, stopped.in_hand, stopped.unknown) == (6, 4, 0)
    room.answer(claim, ACCEPTED, ACCEPTED, RETRY, RETRY)
    assert room.claim() is None
    room.ledger.end(run, now=NOON)
    standing = room.ledger.standing(ISSUE)
    assert standing
    assert standing.counts == {DeliveryState.ACCEPTED: 2, DeliveryState.WITHDRAWN: 8}
    assert standing.finished


def test_called_off_after_a_sender_died_what_it_had_in_hand_is_unknown(room: Newsroom) -> None:
    room.subscribe(f"reader{number}@example.org" for number in range(10))
    room.enter(batch=4)
    room.begin()
    assert room.claim()
    stopped = steering.cancel(room.engine, ISSUE, who="Cai", now=NOON + dt.timedelta(minutes=5))
    assert (stopped.withdrawn, stopped.in_hand, stopped.unknown) == (6, 0, 4)
    assert len(room.ledger.unknown(ISSUE)) == 4


def test_a_sender_stops_for_who_calls_it_off_and_says_so(room: Newsroom) -> None:
    room.subscribe(f"reader{number}@example.org" for number in range(30))
    with room.sender() as sender:

        def cancel(done: int, _of: int) -> None:
            if done >= 7:
                steering.cancel(room.engine, ISSUE, who="Cai", now=room.clock())

        object.__setattr__(sender, "on_progress", cancel)
        with pytest.raises(StoppedPartWay, match="Cai cancelled this mailing after 14 of 30 copies were accepted"):
            sending.run(sender, room.plan(), room.templates())
        with pytest.raises(BulletinError, match="Cai cancelled this mailing"):
            sending.run(sender, room.plan(), room.templates())
    assert len(room.outbox()) == 14, "what was in hand is finished, and nothing follows"


def test_nothing_leaves_before_its_time_and_a_missed_time_is_asked_about(room: Newsroom) -> None:
    room.subscribe(["reader@example.org"])
    soon = room.clock() + dt.timedelta(hours=3)
    with room.ledger.recipients(room.question()(NOON)) as found:
        plan = make_plan(ISSUE, (edition("forces"), edition()), found, room.config, "outbox", due_at=soon)
    room.ledger.enter(plan, room.question()(NOON), now=NOON, batch=7)
    with room.sender() as sender:
        with pytest.raises(BulletinError, match="and not before"):
            sending.run(sender, plan, room.templates())
        room.sleep(3 * 3600 + 3601)
        with pytest.raises(BulletinError, match="and did not") as asked:
            sending.run(sender, plan, room.templates())
        assert "bulletin send --take-over" in str(asked.value)
        assert room.outbox() == {}
        sending.run(sender, plan, room.templates(), accept_doubts=True)
    assert list(room.outbox()) == ["reader@example.org"]


def test_a_plan_nobody_began_is_planned_anew_as_a_whole(room: Newsroom) -> None:
    """Else who came later would lie behind all others, whatever the order is."""
    room.subscribe(f"reader{number}@example.org" for number in range(5))
    room.enter()
    room.subscribe(f"later{number}@example.org" for number in range(5))
    plan = room.plan()
    room.ledger.enter(plan, room.question()(NOON), now=NOON, batch=7)
    known = room.ledger.mailing(ISSUE)
    assert known
    assert known.digest == plan.digest


def test_an_approval_is_the_last_word_on_one_plan(room: Newsroom) -> None:
    room.subscribe(["reader@example.org"])
    assert steering.approval_of(room.engine, ISSUE) is None
    for who in ("Ann", "Ben"):
        room.enter(then=lambda connection, number, who=who: steering.approve(connection, number, who=who, now=NOON))
    found, known = steering.approval_of(room.engine, ISSUE), room.ledger.mailing(ISSUE)
    assert found
    assert known
    assert (found.who, found.digest, found.at) == ("Ben", known.digest, NOON)
    assert found.parts == known.parts
    assert steering.withdraw_approval(room.engine, ISSUE, now=NOON)
    assert not steering.withdraw_approval(room.engine, ISSUE, now=NOON)
    assert steering.approval_of(room.engine, ISSUE) is None, "Ann's word was on another plan"


def test_where_approval_is_asked_for_nothing_is_planned_by_sending_it(room: Newsroom) -> None:
    room.subscribe(["reader@example.org"])
    with room.sender() as sender:
        object.__setattr__(sender, "may_enter", False)
        with pytest.raises(BulletinError, match="nobody approved this"):
            sending.run(sender, room.plan(), room.templates())
        room.enter()
        sending.run(sender, room.plan(), room.templates())
        room.subscribe(["later@example.org"])
        sending.run(sender, room.plan(), room.templates())
    assert list(room.outbox()) == ["reader@example.org"], "who came later is in no plan that somebody approved"
