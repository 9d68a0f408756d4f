"""What every mail service must keep to, found through the registry and held over real connections.

Each has a stand-in (`standins/`): a local server that holds every request against the service's own description, and
does with it what the service does. A new provider needs a stand-in and no test of its own for what stands here.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import standins
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mailing import HTML, ISSUE, MARKERS, NOON, SECRET, TEXT, addresses, config, edition, letter, newsroom, template
from standins import Mail, StandIn

from bulletin import providers, registry
from bulletin.delivery import sender as sending
from bulletin.errors import BulletinError
from bulletin.model import EventKind, Letter, Outcome, OutcomeKind
from bulletin.providers import ProviderError
from bulletin.providers._provider import (
    CallRefused,
    HasEvents,
    HasQuota,
    HasSuppressions,
    LooksUp,
    UnsupportedFeature,
    check_of,
    receiver_of,
    way_of,
)
from bulletin.render.message import Envelope, Message, ServiceMessage

ACCEPTED, REFUSED, RETRY, UNKNOWN = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.REFUSED,
    OutcomeKind.RETRY,
    OutcomeKind.UNKNOWN,
)
LOCAL = {"outbox", "smtp"}
"""Providers that are no mail service with an interface of its own; see `test_providers.py`."""


@pytest.fixture(params=standins.NAMES)
def service(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    """A running stand-in."""
    with standins.start(standins.load(request.param)()) as started:
        yield started
        assert not started.faults, "a request does not fit the service's own description"


def module_of(service: StandIn) -> ModuleType:
    return registry.load("providers", service.name)


def surroundings_of(service: StandIn, **changed: Any) -> providers.Surroundings:
    settings = {"endpoint": service.endpoint, "timeout": 20.0, **service.settings, **service.webhook_settings}
    made = providers.Surroundings(
        config=config(providers={service.name: settings | changed}),
        environment=service.environment | service.webhook_environment,
        secret=lambda: SECRET,
        outbox_dir=Path("unused"),
        now=lambda: NOON,
        sleep=lambda seconds: None,
    )
    assert SECRET.decode() not in repr(made)
    return made


@contextmanager
def session_with(service: StandIn, **changed: Any) -> Iterator[Any]:
    with providers.load(service.name).open(surroundings_of(service, **changed)) as session:
        yield session


def deliver(
    service: StandIn, letters: Sequence[Letter], message: Message | None = None, **changed: Any
) -> tuple[list[Outcome], float]:
    with session_with(service, **changed) as session:
        return session.deliver(ISSUE, letters, message or template()), session.wait


def letters(*names: str) -> list[Letter]:
    return [letter(f"{name}@example.org", f"id{number}", number) for number, name in enumerate(names, 1)]


def kinds(outcomes: Sequence[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


def capabilities_of(service: StandIn) -> providers.Capabilities:
    return providers.load(service.name).CAPABILITIES


def at_once(service: StandIn) -> int:
    """Letters for one call: three, where it takes as many."""
    return min(3, capabilities_of(service).batch)


# ---------------------------------------------------------------- all providers


def test_every_provider_that_reaches_a_service_is_held_to_the_contract() -> None:
    assert set(registry.names("providers")) - LOCAL == set(standins.NAMES)


def test_every_description_says_whose_it_is_and_under_what_licence() -> None:
    for name in standins.NAMES:
        source = standins.load(name).source()
        assert {"file", "commit", "licence"} <= source.keys() or "by hand" in source["what"], name


# ---------------------------------------------------------------- copies


def test_l01_l02_each_reader_gets_one_copy_of_their_own(service: StandIn) -> None:
    """L-01, L-02, P-32, promise 5: own values, own unsubscribe header, own key, and nothing that tracks."""
    names = ["ann", "o'neil", "b+c", "dan", "eve", "fay", "gus"]
    outcomes, _ = deliver(service, letters(*names))
    assert kinds(outcomes) == [ACCEPTED] * 7
    assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*names)]
    assert all(outcome.provider_id for outcome in outcomes)
    assert [mail.address for mail in service.mails] == [f"{name}@example.org" for name in names]
    for one, mail in zip(letters(*names), service.mails, strict=True):
        assert_copy(service, one, mail, TEXT, HTML, subject="May news")


def assert_copy(service: StandIn, one: Letter, mail: Mail, text: str, page: str, *, subject: str) -> None:
    has_address = MARKERS["address"] in page
    for name, marker in MARKERS.items():
        text = text.replace(marker, one.personal[name])
        page = page.replace(marker, html.escape(one.personal[name]))
    assert mail.address == one.address
    assert mail.key == one.key
    assert mail.subject == subject
    assert mail.text == text
    if not capabilities_of(service).text_only:
        assert html.unescape(mail.html) == html.unescape(page)
        assert not has_address or html.escape(one.address) in mail.html
    assert mail.headers["list-unsubscribe"] == f"<{one.personal['unsubscribe_url']}>"
    assert mail.headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert service.few_headers or mail.headers["precedence"] == "bulk"
    assert ("list-id" in mail.headers) == (service.names_lists and not service.few_headers)
    assert not mail.tracked
    assert not mail.tested


MERGE = (
    *("{{", "}}", "{{{", "}}}", "{", "}", "\\", "{{#if x}}", "{{address}}", "{{ params.x }}", "{$name}", "((address))"),
    *("%recipient.key%", "%recipient%", "%unsubscribe_url%", "%", "[[var:x]]", "{{var:x}}", "*|UNSUB|*", "<%x%>"),
    *("-name-", "[unsubscribe]", "%7B", "=?utf-8?q?x?=", '"', "'", "&amp;", "<b>", "\\n", "\t", "é", "ŵ", "\U0001f4f0"),
)
WORDS = st.lists(st.sampled_from((*MERGE, "word", " ", "pxaddress")) | st.text(max_size=3), max_size=12).map("".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS)
def test_words_that_look_like_merge_tags_stay_words(service: StandIn, words: str) -> None:
    """What an editor or a feed wrote is what readers see; nothing is smuggled in, and nothing is eaten."""
    words = "".join(sign for sign in words.strip() if sign.isprintable() or sign == "\t")
    text, page = f"{words}pxunsubscribe{words}", f"<p>{html.escape(words)}pxunsubscribe{html.escape(words)}</p>"
    subject = " ".join(words.replace("pxaddress", "").split()) or "May news"
    service.forget()
    (one,) = letters("ann")
    deliver(service, [one], template(edition(text=text, html=page, subject=subject)))
    (mail,) = service.mails
    assert_copy(service, one, mail, text, page, subject=subject)


def test_q01_l14_a_service_mail_is_marked_as_one_and_is_no_lists(service: StandIn) -> None:
    """Q-01, L-14: such as a confirmation; to one person, with no way to unsubscribe from it."""
    envelope = Envelope.of(config())
    words = "Please confirm {{x}} %recipient.key%: https://news.example.org/confirm/abc"
    message = ServiceMessage(envelope, subject="Confirm", html=f"<p>{words}</p>", text=words, language="en-GB")
    outcomes, _ = deliver(service, letters("ann"), message)
    assert kinds(outcomes) == [ACCEPTED]
    (mail,) = service.mails
    assert (mail.subject, mail.text) == ("Confirm", words)
    assert not [name for name in mail.headers if name.startswith("list-unsubscribe")]
    assert service.few_headers or mail.headers["auto-submitted"] == "auto-generated"


def test_m10_a_letter_that_cannot_be_a_message_is_refused_alone(service: StandIn) -> None:
    """M-10, promise 6: nobody can reach a second reader, or another header, through an address."""
    for address in ("b\r\nob@example.org", "bob@example.org,eve@example.org", "Bob <bob@example.org>", '"b"@x.org'):
        service.forget()
        ann, cat = letters("ann", "cat")
        outcomes, _ = deliver(service, [ann, replace(letter(address, "id9", 9)), cat])
        assert kinds(outcomes) == [ACCEPTED, REFUSED, ACCEPTED]
        assert [mail.address for mail in service.mails] == ["ann@example.org", "cat@example.org"]


def test_a_trial_at_the_service_is_asked_for_where_it_has_one(service: StandIn) -> None:
    if capabilities_of(service).test_mode and "test_mode" in module_of(service).Settings.__dataclass_fields__:
        deliver(service, letters("ann"), test_mode=True)
        assert [mail.tested for mail in service.mails] == [True]


# ---------------------------------------------------------------- answers


def test_one_bad_address_does_not_cost_the_others_their_copy(service: StandIn) -> None:
    names = ["ann", "bob", "bad", "cat", "dan", "eve", "fay"]
    outcomes, _ = deliver(service, letters(*names))
    assert [outcome.key for outcome in outcomes] == [one.key for one in letters(*names)]
    found = dict(zip(names, kinds(outcomes), strict=True))
    if service.tells_later:
        assert set(found.values()) == {ACCEPTED}
    else:
        assert found.pop("bad") is REFUSED
        assert set(found.values()) == {ACCEPTED}
        assert sorted(mail.address for mail in service.mails) == sorted(f"{name}@example.org" for name in found)


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Date": "Thu, 30 May 2024 12:00:00 GMT", "Retry-After": "Thu, 30 May 2024 12:01:30 GMT"}, 90),
        ({"Retry-After": "soon"}, 30),
        ({}, 30),
    ],
)
def test_an_answer_that_says_later_puts_off_and_gives_the_time(
    service: StandIn, headers: dict[str, str], waited: float
) -> None:
    service.script = [(429, headers, service.too_many)]
    outcomes, wait = deliver(service, letters("ann", "bob", "cat"))
    assert kinds(outcomes) == [RETRY] * 3
    assert wait == waited
    assert service.mails == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_the_service_puts_off(service: StandIn, status: int) -> None:
    service.script = [(status, {}, "<html>out of order</html>")]
    outcomes, wait = deliver(service, letters("ann"))
    assert kinds(outcomes) == [RETRY]
    assert wait > 0


@pytest.mark.parametrize("happens", ["hang", "take", "drop", "cut", 502, 504])
def test_what_nobody_can_tell_is_unknown_or_asked_again_under_its_key(service: StandIn, happens: str | int) -> None:
    """Promise 4: handed over and not answered. Nobody is mailed twice, and nobody is counted who was not."""
    answer: Any = happens if isinstance(happens, str) else (happens, {}, "<html>bad gateway</html>")
    service.script = [answer]
    one = letters("ann", "bob", "cat")[: at_once(service)]
    outcomes, _ = deliver(service, one, timeout=0.3 if happens == "hang" else 20.0)
    if service.knows_keys:
        assert kinds(outcomes) == [ACCEPTED] * len(one)
        assert [mail.address for mail in service.mails] == [each.address for each in one]
    else:
        assert kinds(outcomes) == [UNKNOWN] * len(one)
        assert len(service.mails) == (len(one) if happens == "take" else 0)


def test_an_answer_that_confirms_nothing_is_no_success(service: StandIn) -> None:
    for answer in service.nonsense:
        service.script = [answer] * 3
        outcomes, _ = deliver(service, letters("ann", "bob", "cat")[: at_once(service)])
        assert set(kinds(outcomes)) == {UNKNOWN}, answer
    assert service.mails == []


def test_a_call_that_stays_unanswered_under_its_key_is_unknown(service: StandIn) -> None:
    """Promise 4: that the second try is put off says nothing about the first, which may have been carried out."""
    service.script = ["take", (503, {}, ""), (503, {}, "")]
    one = letters("ann", "bob", "cat")[: at_once(service)]
    outcomes, _ = deliver(service, one)
    assert kinds(outcomes) == [UNKNOWN] * len(one)
    assert len(service.mails) == len(one)


def test_a_bad_address_in_a_call_that_was_lost_at_first_costs_only_itself(service: StandIn) -> None:
    service.script = ["drop"]
    outcomes, _ = deliver(service, letters("ann", "bad", "cat"))
    if service.knows_keys:
        assert kinds(outcomes) == [ACCEPTED, REFUSED, ACCEPTED]
    assert len(service.mails) == sum(kind is ACCEPTED for kind in kinds(outcomes))


def test_the_same_call_made_twice_is_one_where_it_has_a_key(service: StandIn) -> None:
    """The key is made of the words of the call, so that another process finds the same one."""
    one = letters("ann", "bob", "cat")[: at_once(service)]
    for _ in range(2):
        outcomes, _ = deliver(service, one)
        assert kinds(outcomes) == [ACCEPTED] * len(one)
    assert len(service.mails) == len(one) * (1 if service.knows_keys or service.blocks_seconds else 2)


def test_a_call_that_is_too_large_is_made_in_parts(service: StandIn) -> None:
    one = letters("ann", "bob", "cat")[: at_once(service)]
    service.script = [(413, {}, "{}")]
    if len(one) > 1:
        outcomes, _ = deliver(service, one)
        assert kinds(outcomes) == [ACCEPTED] * len(one)
        assert [mail.address for mail in service.mails] == [each.address for each in one]
        service.script = [(413, {}, "{}")]
    with pytest.raises(ProviderError, match="413"):
        deliver(service, one[:1])


def test_a_service_that_cannot_be_reached_was_certainly_not_told(service: StandIn) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    outcomes, wait = deliver(service, letters("ann", "bob"), endpoint=nowhere)
    assert kinds(outcomes) == [RETRY] * 2
    assert wait > 0


def test_z23_a_wrong_key_stops_the_run_and_is_never_repeated(service: StandIn) -> None:
    """Z-23: not even by a service that repeats what it was told."""
    told = {"message": " ".join(filter(None, (service.key, *service.environment.values())))}
    for status in (401, 403):
        service.script = [(status, {}, json.dumps(told))]
        with pytest.raises(ProviderError, match=str(status)) as caught:
            deliver(service, letters("ann", "bob"))
        assert caught.value.outcomes == ()
        assert caught.value.hint
        for secret in service.secrets:
            assert secret not in str(caught.value) + repr(caught.value)
    service.script = [(500, {}, json.dumps(told))]
    outcomes, _ = deliver(service, letters("ann"))
    assert not [secret for secret in service.secrets if secret in repr(outcomes)]


def test_z23_a_key_comes_from_the_environment_and_travels_protected(service: StandIn) -> None:
    """Z-23: named when missing, never sent in clear text to another machine, never shown."""
    provider = providers.load(service.name)
    made = surroundings_of(service)
    with pytest.raises(BulletinError, match="there is no") as caught, provider.open(replace(made, environment={})):
        pass
    assert next(iter(service.environment)) in caught.value.hint
    with (
        pytest.raises(BulletinError, match="clear text"),
        provider.open(surroundings_of(service, endpoint="http://service.example.org")),
    ):
        pass
    with provider.open(made) as session:
        assert not [secret for secret in service.secrets if secret in repr(vars(session))]


def test_what_stops_the_run_keeps_what_is_known_of_those_before(service: StandIn) -> None:
    """The letters of the calls before are counted; the rest never left."""
    batch = capabilities_of(service).batch
    many = [letter(f"r{number}@example.org", f"id{number}", number) for number in range(1, batch + 3)]
    service.script = ["answer", service.refused]
    with pytest.raises(ProviderError) as caught:
        deliver(service, many)
    assert kinds(caught.value.outcomes) == [ACCEPTED] * batch
    assert len(service.mails) == batch


def test_the_doctor_tells_whether_the_service_takes_the_key(service: StandIn) -> None:
    check = check_of(providers.load(service.name))
    assert check is not None, "the doctor cannot try this service out"
    said = check(surroundings_of(service))
    assert said.endswith(".")
    way = way_of(providers.load(service.name), surroundings_of(service).config)
    assert way.service
    wrong = {name: value[:-5] + "00000" for name, value in service.environment.items()}
    with pytest.raises(BulletinError, match=r"answered 40[13]"):
        check(replace(surroundings_of(service), environment=wrong))
    assert not [mail for mail in service.mails if not mail.tested]


def test_a_whole_mailing_in_bad_weather_leaves_nobody_out_and_nobody_twice(service: StandIn, tmp_path: Path) -> None:
    """Promise 4: put off, out of order, an answer lost. Then all is counted, and what can be asked has been asked."""
    readers = [*addresses(9), *addresses(3, "force.example.org")]
    service.script = [
        *((429, {"Retry-After": "2"}, service.too_many), "answer", (503, {}, ""), "answer", "take"),
        *("answer", (500, {}, "<html>"), "answer"),
    ]
    clock = [NOON]

    def sleep(seconds: float) -> None:
        clock[0] += dt.timedelta(seconds=seconds)
        service.now = clock[0].timestamp()

    made = replace(surroundings_of(service), now=lambda: clock[0], sleep=sleep)
    provider = providers.load(service.name)
    with newsroom(tmp_path, made.config) as room:
        room.subscribe(readers)
        plan, templates = room.plan(service.name), room.templates()
        with room.sender(service.name, made.environment) as usual:
            sender = replace(usual, now=made.now, sleep=sleep, open_session=lambda: provider.open(made))
            standing = sending.run(sender, plan, templates)
            service.script.clear()  # the weather is fine again
            standing = sending.run(sender, plan, templates)
        doubtful = len(room.ledger.unknown(ISSUE))
    assert standing.accepted + doubtful == len(readers)
    assert sorted(mail.address for mail in service.mails) == sorted(readers)
    assert doubtful == 0 or not (service.knows_keys or service.looks_up)
    for mail in service.mails:
        assert ("For forces only." in mail.text) == mail.address.endswith("@force.example.org")


# ---------------------------------------------------------------- afterwards


def test_a_lost_answer_can_be_looked_up(service: StandIn) -> None:
    """Promise 4: found means accepted. Not found means nothing yet."""
    with session_with(service) as session:
        assert isinstance(session, LooksUp) == service.looks_up
        if not service.looks_up:
            return
        sent = letters("ann", "bob", "cat")[: at_once(service)]
        session.deliver(ISSUE, sent, template())
        lost = letter("zoe@example.org", "id9", 9)
        found = session.look_up(ISSUE, [*sent, lost])
    assert [outcome and outcome.kind for outcome in found] == [ACCEPTED] * len(sent) + [None]
    assert [outcome.key for outcome in found if outcome] == [one.key for one in sent]


def test_z15_a_report_is_believed_only_with_its_proof(service: StandIn) -> None:
    """Z-15: on the bytes as they came, within five minutes; whatever is reported keeps our key."""
    receive = receiver_of(providers.load(service.name))
    assert receive is not None
    assert capabilities_of(service).webhooks == ("signed" if service.signs else "secret")
    made = surroundings_of(service)
    for kind in service.webhook_kinds:
        call = service.webhook(kind, key="2024-05:id1", address="ann@example.org", at=NOON.timestamp())
        (event,) = receive(call, made)
        assert event.kind is EventKind[kind], event
        assert event.provider == service.name
        assert event.key == "2024-05:id1"
        assert event.address == "ann@example.org"
        assert abs(event.at - NOON) < dt.timedelta(seconds=2)
        assert event.id
        assert receive(call, made)[0].id == event.id, "told twice, it must have the same id"


def test_z15_reports_without_proof_or_too_old_are_refused(service: StandIn) -> None:
    """Z-15: wrong, missing, for other words, and old."""
    receive = receiver_of(providers.load(service.name))
    assert receive is not None
    made = surroundings_of(service)
    good = service.webhook("BOUNCED", key="2024-05:id1", address="ann@example.org", at=NOON.timestamp())
    for call in service.unproved(good):
        with pytest.raises(CallRefused):
            receive(call, made)
    if service.signs_time:
        for seconds in (-301, 301):
            old = service.webhook("BOUNCED", key="k", address="ann@example.org", at=NOON.timestamp() + seconds)
            with pytest.raises(CallRefused, match="five minutes"):
                receive(old, made)
    with pytest.raises(BulletinError) as caught:
        receive(good, replace(made, environment=service.environment, config=config()))
    assert not isinstance(caught.value, CallRefused)


NAMES = ("event", "event-data", "Type", "RecordType", "Message", "data", "type", "email", "to", "status", "timestamp")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_z15_no_report_breaks_the_receiver(service: StandIn, value: object) -> None:
    """Anything that is proved and not known is kept as an event of no consequence, or refused."""
    receive = receiver_of(providers.load(service.name))
    assert receive is not None
    call = service.prove(value, at=NOON.timestamp())
    try:
        events = receive(call, surroundings_of(service))
    except CallRefused:
        return
    for event in events:
        assert event.id
        assert event.kind in EventKind


def test_events_are_read_page_by_page_and_from_where_it_stopped(service: StandIn) -> None:
    with session_with(service) as session:
        assert isinstance(session, HasEvents) == service.events
        if not service.events:
            return
        for number in range(5):
            service.report("BOUNCED", key=f"2024-05:id{number}", address=f"r{number}@example.org", at=NOON.timestamp())
        found, cursor, pages = [], "", 0
        more = True
        while more and pages < 20:
            page = session.events(cursor)
            found += page.events
            cursor, more, pages = page.cursor, page.more, pages + 1
        assert {event.address for event in found} == {f"r{number}@example.org" for number in range(5)}
        assert {event.kind for event in found} == {EventKind.BOUNCED}
        assert len({event.id for event in found}) == 5
        service.report("DELIVERED", key="2024-05:id9", address="late@example.org", at=NOON.timestamp() + 60)
        later = []
        more = True
        while more:
            page = session.events(cursor)
            later += page.events
            cursor, more = page.cursor, page.more
        assert "late@example.org" in {event.address for event in later}


def test_suppression_lists_go_both_ways(service: StandIn) -> None:
    with session_with(service) as session:
        assert isinstance(session, HasSuppressions) == service.suppresses
        if not service.suppresses:
            return
        service.listed = {f"gone{number}@example.org": "bounce" for number in range(3)}
        service.listed |= {"cross@example.org": "complaint"}
        found = {one.address: one.kind for one in session.suppressed()}
        expected = {f"gone{number}@example.org": EventKind.BOUNCED for number in range(3)}
        assert found == expected | {"cross@example.org": EventKind.COMPLAINED}
        if not service.adds:
            with pytest.raises(UnsupportedFeature):
                session.suppress(["left@example.org"])
            return
        session.suppress(["left@example.org", "left2@example.org"])
        assert {"left@example.org", "left2@example.org"} <= service.listed.keys()
        assert {"left@example.org", "left2@example.org"} <= {one.address for one in session.suppressed()}


def test_how_much_may_still_leave_is_known_where_the_service_tells(service: StandIn) -> None:
    with session_with(service) as session:
        assert isinstance(session, HasQuota) == service.tells_quota
        if isinstance(session, HasQuota):
            quota = session.quota()
            assert quota.left is not None or quota.per_second
