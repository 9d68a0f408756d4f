"""What mail services report, for every service: to our webhook over real HTTP, or when they are asked."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import standins
import uvicorn
from mailing import ISSUE, NOON, SECRET, newsroom
from standins import StandIn

from bulletin import flow
from bulletin.cli import run
from bulletin.delivery import sender as sending
from bulletin.model import EventKind, SubscriberState
from bulletin.providers import Call
from bulletin.publication import Publication, open_publication
from bulletin.subscribers.consent import Cause
from bulletin.web.app import make_app
from bulletin.web.events import LARGEST_REPORT, event_routes
from bulletin.web.serving import settings_for

READER, OTHER = "marked.person@force.example.org", "other@example.org"
BOUNCED, SUBSCRIBED, LEFT = SubscriberState.BOUNCED, SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED


@pytest.fixture(params=standins.NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """A running stand-in."""
    with standins.start(standins.load(request.param)()) as started:
        started.now = time.time()
        yield started
        assert not started.faults


class Bureau:
    """A publication that has sent an issue to two readers, and now has this service as its provider."""

    def __init__(self, home: Publication, service: StandIn) -> None:
        self.home, self.service = home, service
        with newsroom(home.state_dir) as room:
            room.subscribe([READER, OTHER])
            with room.sender() as sender:
                sending.run(sender, room.plan(), room.templates())
            person = room.readers.find(READER)
        assert person
        self.key = f"{ISSUE}:{person.id}"

    def state(self, address: str = READER) -> SubscriberState | None:
        with newsroom(self.home.state_dir) as room:
            return dict(room.readers.states([address]))[address]

    def call(self, kind: str = "BOUNCED", key: str = "") -> Call:
        return self.service.webhook(kind, key=key or self.key, address=READER, at=float(int(time.time())))

    def counts(self) -> dict[str, dict[EventKind, int]]:
        with flow.receiver_of(self.home) as receiver:
            return receiver.log.counts()


@pytest.fixture
def bureau(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], service: StandIn
) -> Bureau:
    environment = {"BULLETIN_SECRET": SECRET.decode(), **service.environment, **service.webhook_environment}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "mine"
    assert run(["init", str(folder)]) == 0
    monkeypatch.chdir(folder)
    file = folder / "bulletin.toml"
    settings = {"endpoint": service.endpoint, **service.settings, **service.webhook_settings}
    lines = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
    text = file.read_text("utf-8").replace('provider = "outbox"', f'provider = "{service.name}"')
    file.write_text(f"{text}\n[providers.{service.name}]\n{lines}\n", "utf-8")
    capsys.readouterr()
    return Bureau(open_publication(folder, environment), service)


@contextmanager
def serving(bureau: Bureau) -> Iterator[Callable[..., requests.Response]]:
    """The public pages, as `bulletin serve` makes them; makes a call of a service over HTTP."""
    home = bureau.home
    listening = socket.create_server(("127.0.0.1", 0))
    with flow.reception(home) as reception, flow.receiver_of(home) as receiver:
        app = make_app(
            home.config,
            reception.subscribers,
            reception.desk,
            secret=home.secret(),
            template_dirs=home.template_dirs,
            now=flow.now,
            hosts=("127.0.0.1",),
            more_routes=event_routes(home.config, lambda provider, call: flow.hear(home, receiver, provider, call)),
        )
        server = uvicorn.Server(settings_for(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        root = f"http://127.0.0.1:{listening.getsockname()[1]}{urlsplit(home.config.service_url).path}"

        def ask(call: Call, *, provider: str = "", method: str = "POST") -> requests.Response:
            path = "/".join(filter(None, ("events", provider or bureau.service.name, call.secret)))
            headers = {"Content-Type": "application/json", **call.headers}
            return requests.request(
                method, root + path, data=call.body, headers=headers, timeout=10, allow_redirects=False
            )

        try:
            yield ask
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
            listening.close()


def test_z15_a_report_to_the_webhook_counts_once_and_only_with_its_proof(
    bureau: Bureau, caplog: pytest.LogCaptureFixture
) -> None:
    """Z-01, Z-13, Z-15, Z-20, V-03: and no answer is a fault of ours, whatever the call is."""
    caplog.set_level(logging.DEBUG)
    good = bureau.call()
    with serving(bureau) as ask:
        for bad in bureau.service.unproved(good):
            assert ask(bad).status_code == 403
        for provider in ("outbox", "nobody", "_http", "%00"):
            assert ask(good, provider=provider).status_code == 404
        for method in ("GET", "PUT", "DELETE"):
            assert ask(good, method=method).status_code == 405
        assert ask(replace(good, body=b"x" * (LARGEST_REPORT + 1))).status_code == 413
        assert ask(replace(good, body=b"\xff{")).status_code == 403
        assert bureau.counts() == {}

        assert [ask(good).status_code for _ in range(3)] == [200, 200, 200]
        assert bureau.state() is BOUNCED
        assert bureau.counts() == {ISSUE: {EventKind.BOUNCED: 1}}
        for value in ([], {}, None, {"event-data": []}, {"RecordType": 7}, {"type": None}):
            assert ask(bureau.service.prove(value, at=float(int(time.time())))).status_code in {200, 403}
    assert "marked.person" not in caplog.text


@pytest.mark.parametrize(("kind", "key", "doubtful"), [("OTHER", "", 0), ("BOUNCED", "2019-01:nobody0", 1)])
def test_v03_a_report_of_no_known_kind_or_delivery_is_kept_and_changes_nobody(
    bureau: Bureau, kind: str, key: str, doubtful: int
) -> None:
    """V-03: both are answered 200, as the service can do nothing about them."""
    with serving(bureau) as ask:
        assert ask(bureau.call(kind, key=key)).status_code == 200
    assert bureau.state() is SUBSCRIBED
    assert [sum(kinds.values()) for kinds in bureau.counts().values()] == [1]
    assert len(flow.overview_of_events(bureau.home).in_doubt) == doubtful


def test_a_report_that_cannot_be_written_down_is_asked_for_again(bureau: Bureau) -> None:
    """Nothing is lost while the database is out of reach: services report again after an answer of 503."""
    with serving(bureau) as ask:
        with newsroom(bureau.home.state_dir) as room, room.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE event RENAME TO elsewhere")
        answer = ask(bureau.call())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        with newsroom(bureau.home.state_dir) as room, room.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO event")
        assert ask(bureau.call()).status_code == 200
    assert bureau.state() is BOUNCED


def test_a_service_is_asked_for_events_and_each_counts_once(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it can be asked; else the command says what to do instead."""
    if not bureau.service.events:
        assert run(["events", "pull"]) == 2
        assert "after-sending" in capsys.readouterr().err
        return
    at = float(int(time.time())) - 60
    bureau.service.report("BOUNCED", key=bureau.key, address=READER, at=at)
    bureau.service.report("DELIVERED", key=f"{ISSUE}:nobody", address="nobody@example.org", at=at)
    assert run(["events", "pull"]) == 0
    assert "2 new reports" in capsys.readouterr().out
    assert bureau.state() is BOUNCED
    with newsroom(bureau.home.state_dir) as room:
        assert room.readers.reinstate(bureau.key.partition(":")[2], now=flow.now(), how="test")
    bureau.service.report("BOUNCED", key="", address=OTHER, at=float(int(time.time())))
    assert run(["events", "pull"]) == 0
    assert "1 new report\n" in capsys.readouterr().out
    assert (bureau.state(), bureau.state(OTHER)) == (SUBSCRIBED, BOUNCED)


def test_p21_suppression_lists_are_filled_up_on_both_sides(bureau: Bureau, capsys: pytest.CaptureFixture[str]) -> None:
    """P-21: theirs is honoured here, also for who is not known yet; ours there. A dry run changes neither."""
    if not bureau.service.suppresses:
        assert run(["events", "suppressions"]) == 2
        return
    stranger = "stranger@example.org"
    bureau.service.listed = {READER: "bounce", stranger: "complaint"}
    with newsroom(bureau.home.state_dir) as room:
        room.readers.report(OTHER, Cause.UNSUBSCRIBE, now=NOON, how="test")
    assert run(["events", "suppressions", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 of them new to us" in said
    assert "1 of ours new to the service" in said
    assert (bureau.state(), bureau.state(stranger), OTHER in bureau.service.listed) == (SUBSCRIBED, None, False)
    assert run(["events", "suppressions"]) == 0
    assert bureau.state(stranger) is SubscriberState.COMPLAINED
    if OTHER not in bureau.service.listed:
        assert "takes no addresses" in capsys.readouterr().err
    assert "marked.person" not in "".join(capsys.readouterr())
    capsys.readouterr()
    assert run(["events", "suppressions"]) == 0
    assert "0 of them new to us" in capsys.readouterr().out


def test_the_address_for_the_webhook_is_shown_and_no_secret_is(
    bureau: Bureau, capsys: pytest.CaptureFixture[str]
) -> None:
    """Z-15, Z-23: one that does not sign is called weak."""
    assert run(["events", "webhook"]) == 0
    said = capsys.readouterr()
    address = f"{bureau.home.config.service_url}events/{bureau.service.name}"
    assert said.out.strip() == (address if bureau.service.signs else f"{address}/SECRET")
    assert ("does not sign" in said.err) is not bureau.service.signs
    assert not any(secret in said.out + said.err for secret in bureau.service.webhook_environment.values())


def test_the_report_of_an_issue_counts_what_was_reported_by_domain(
    bureau: Bureau, capsys: pytest.CaptureFixture[str]
) -> None:
    with flow.receiver_of(bureau.home) as receiver:
        assert flow.hear(bureau.home, receiver, bureau.service.name, bureau.call())
    assert run(["report", ISSUE]) == 0
    said = capsys.readouterr().out
    assert "force.example.org" in said
    assert "marked.person" not in said
    assert run(["report", ISSUE, "--json"]) == 0
    assert '"bounced": 1' in capsys.readouterr().out
