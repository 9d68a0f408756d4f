"""What mail services have in common, part by part: encoding, signing, proofs, times, and what a failure means."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import standins
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from mailing import ISSUE, NOON, edition, letter, template
from standins.ses import CERTIFIED_FOR, TOPIC, note
from test_provider_contract import deliver, kinds, letters, session_with, surroundings_of

from bulletin import providers
from bulletin.errors import BulletinError
from bulletin.model import EventKind, Letters, OutcomeKind
from bulletin.providers import _aws, _reports, mailgun, ses
from bulletin.providers._copies import Copy, Entries, key_as_tag, key_of_tag
from bulletin.providers._http import HttpRequest, HttpResponse, with_query
from bulletin.providers._provider import CallRefused, ProviderError
from bulletin.providers._service import Trouble, trouble
from bulletin.render.message import MessageTemplate, ServiceMessage
from bulletin.subscribers.tokens import Links

ACCEPTED, REFUSED = OutcomeKind.ACCEPTED, OutcomeKind.REFUSED

# ---------------------------------------------------------------- copies


VALUES = st.text(st.characters(codec="utf-8"), max_size=12)


@given(url=VALUES, other=VALUES, words=VALUES, nested=st.booleans())
def test_entries_are_json_whatever_the_values_are(url: str, other: str, words: str, nested: bool) -> None:
    """Quotes, backslashes, line breaks and letters beyond ASCII arrive as they were, also in JSON within JSON."""
    page = f"<p>{words}</p>pxunsubscribe pxpreferences"
    made = template(edition(text=f"{words} pxunsubscribe pxpreferences {words}", html=page))
    personal = {"unsubscribe_url": "https://x.example.org/u", "preferences_url": url, "address": other}
    one = replace(letter(), personal=personal)

    def describe(copy: Copy) -> Any:
        values = {"text": copy.text, **copy.personal}
        return {"to": copy.address, "key": copy.key, "in": json.dumps(values) if nested else values}

    first, second = json.loads(Entries(made, describe, nested=nested).joined([one, letter("b@example.org", "b")]))
    inside = json.loads(first["in"]) if nested else first["in"]
    assert (first["to"], first["key"]) == (one.address, one.key)
    assert inside["preferences_url"] == url
    assert inside["address"] == other
    assert inside["text"] == f"{words} https://x.example.org/u {url} {words}"
    assert second["to"] == "b@example.org"


@given(
    urls=st.lists(VALUES, min_size=1, max_size=4),
    others=st.lists(VALUES, min_size=4, max_size=4),
    nested=st.booleans(),
    mailbox=st.sampled_from([None, "leave@news.example.org"]),
    start=st.sampled_from(["https://x.example.org/u/", "mailto:leave@news.example.org?subject="]),
)
def test_copies_filled_column_by_column_are_those_filled_one_by_one(
    urls: list[str], others: list[str], nested: bool, mailbox: str | None, start: str
) -> None:
    """However many letters are made at once, each says the same as if it were made alone."""
    envelope = replace(template().envelope, unsubscribe_mailbox=mailbox)
    made = MessageTemplate(edition(html="<p>pxunsubscribe pxpreferences pxaddress</p>"), envelope)

    def describe(copy: Copy) -> Any:
        values = {"html": copy.html, **copy.personal, **copy.own}
        return {"to": copy.address, "key": copy.key, "in": json.dumps(values) if nested else values}

    many = Letters(
        keys=[f"{ISSUE}:reader{number}" for number in range(len(urls))],
        numbers=range(len(urls)),
        addresses=others[: len(urls)],
        personal={
            "unsubscribe_url": [f"{start}{number}" for number in range(len(urls))],
            "preferences_url": urls,
            "address": others[: len(urls)],
        },
        message_id_of=str.upper,
    )
    entries = Entries(made, describe, tag=key_as_tag, nested=nested)
    assert entries.joined(many) == entries.joined(list(many))
    assert entries.joined(many[1:]) == entries.joined(list(many)[1:]) or len(many) == 1
    assert entries.digest(many) == entries.digest(list(many))


@given(subscribers=st.lists(st.text("abcdef0123456789", min_size=1, max_size=40)), secret=st.binary(max_size=300))
def test_links_made_for_many_readers_are_those_made_for_each(subscribers: list[str], secret: bytes) -> None:
    """Also with a secret longer than a block of the hash (L-03)."""
    for mailbox in ("", "leave@news.example.org"):
        links = Links("https://news.example.org/", secret, mailbox)
        many = links.personal_of_all(subscribers, subscribers)
        alone = [links.personal(subscriber, subscriber) for subscriber in subscribers]
        assert {name: list(column) for name, column in many.items()} == {
            name: [personal[name] for personal in alone] for name in many
        }


def test_the_digest_of_a_call_changes_with_whatever_is_in_it() -> None:
    def digest_of(words: str, *letters: Any) -> bytes:
        made = template(edition(text=f"{words} pxunsubscribe"))
        return Entries(made, lambda copy: [copy.text, copy.address, copy.key]).digest(letters)

    ann, bob = letter("ann@example.org", "a"), letter("bob@example.org", "b")
    digests = [digest_of("x", ann), digest_of("x", bob), digest_of("x", ann, bob), digest_of("x", bob, ann)]
    digests += [digest_of("y", ann), digest_of("x", replace(ann, address="a@example.org"))]
    assert len(set(digests)) == 6
    assert digest_of("x", ann) == digest_of("x", letter("ann@example.org", "a"))


@given(
    issue=st.from_regex(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*", fullmatch=True),
    subscriber=st.from_regex("[A-Za-z0-9]{1,40}", fullmatch=True),
)
def test_a_key_comes_back_from_a_tag_of_few_letters(issue: str, subscriber: str) -> None:
    tag = key_as_tag(f"{issue}:{subscriber}")
    assert tag.isascii()
    assert tag.replace("-", "").replace("_", "").isalnum()
    assert key_of_tag(tag) == f"{issue}:{subscriber}"


# ---------------------------------------------------------------- calls


@pytest.fixture
def mailgun_stand_in() -> Iterator[standins.StandIn]:
    with standins.start(standins.load("mailgun")()) as started:
        yield started


def test_a_call_with_too_many_bytes_is_made_in_parts(mailgun_stand_in: standins.StandIn) -> None:
    """Nothing larger than the service takes is offered to it; one letter alone is, for it has to say so itself."""
    with session_with(mailgun_stand_in) as session:
        whole = len(session._service.request(ISSUE, letters("ann"), template()).body)
        session._service.capabilities = replace(mailgun.CAPABILITIES, batch_bytes=whole + 1000)
        outcomes = session.deliver(ISSUE, letters("ann", "bob", "cat", "dan", "eve"), template())
        assert kinds(outcomes) == [ACCEPTED] * 5
        sizes = [len(call.body) for call in mailgun_stand_in.calls]
        assert max(sizes) <= whole + 1000
        assert len(sizes) > 1


def test_the_pace_of_a_service_is_kept_whoever_calls() -> None:
    """Ten calls a minute: waited for between two deliveries, and within one; not again if somebody waited already."""
    slept: list[float] = []
    clock = [NOON]
    with standins.start(standins.load("mailersend")()) as service:
        made = replace(surroundings_of(service), sleep=slept.append, now=lambda: clock[0])
        with providers.load("mailersend").open(made) as session:
            session.deliver(ISSUE, letters("ann"), template())
            assert session.wait == 6
            assert slept == []
            clock[0] += dt.timedelta(seconds=2)
            session.deliver(ISSUE, letters("bob"), template())
            assert slept == [4]
            clock[0] += dt.timedelta(seconds=60)
            session.deliver(ISSUE, letters("cat"), template())
            assert slept == [4]
            clock[0] -= dt.timedelta(days=1)  # a clock that is put right makes nobody wait for a day
            session.deliver(ISSUE, letters(*(f"r{number}" for number in range(101))), template())
            assert slept == [4, 6, 6]


def test_a_question_that_is_put_off_gives_the_time_to_wait(mailgun_stand_in: standins.StandIn) -> None:
    mailgun_stand_in.script = [(429, {"Retry-After": "7"}, "{}")]
    with session_with(mailgun_stand_in) as session:
        with pytest.raises(ProviderError, match="Mailgun answered 429"):
            session.events("")
        assert session.wait == 7


def test_sixty_bad_addresses_among_many_cost_only_themselves(mailgun_stand_in: standins.StandIn) -> None:
    """The worst of lists: each is found by halves, and everybody else gets one copy."""
    names = [f"{'bad' if number % 7 == 0 else 'r'}{number}" for number in range(100)]
    outcomes, _ = deliver(mailgun_stand_in, letters(*names))
    assert kinds(outcomes) == [REFUSED if name.startswith("bad") else ACCEPTED for name in names]
    sent = [mail.address for mail in mailgun_stand_in.mails]
    assert sent == [f"{name}@example.org" for name in names if not name.startswith("bad")]


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        *((status, Trouble.LATER) for status in (408, 425, 429, 500, 503, 507, 599)),
        *((status, Trouble.UNSURE) for status in (200, 202, 204, 502, 504)),
        *((status, Trouble.STOP) for status in (301, 302, 400, 401, 402, 403, 404, 409, 410, 418, 422)),
        (413, Trouble.SIZE),
    ],
)
def test_every_status_is_later_unsure_or_the_end(status: int, meaning: Trouble) -> None:
    assert trouble(HttpResponse(status=status, body="")) is meaning


def test_postmark_keeps_bulletins_and_mails_to_one_person_apart() -> None:
    """Its rule: what goes to many must go by a stream for broadcasts, and what somebody waits for by another."""
    service_mail = ServiceMessage(
        template().envelope, subject="Confirm", html="<p>Confirm</p>", text="Confirm", language="en-GB"
    )
    with standins.start(standins.load("postmark")()) as service:
        for message in (template(), service_mail):
            deliver(service, letters("ann"), message)
        assert [mail.stream for mail in service.mails] == ["broadcast", "outbound"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("postmark", (422, {}, '{"ErrorCode": 413, "Message": "Payload too large"}')),
        ("mailjet", (400, {}, '{"ErrorCode": "mj-0011", "ErrorMessage": "Payload too big"}')),
    ],
)
def test_too_much_for_one_call_is_told_in_a_services_own_words(name: str, answer: standins.Answer) -> None:
    with standins.start(standins.load(name)()) as service:
        service.script = [answer]
        outcomes, _ = deliver(service, letters("ann", "bob"))
        assert kinds(outcomes) == [ACCEPTED] * 2
        assert [mail.address for mail in service.mails] == ["ann@example.org", "bob@example.org"]


@pytest.mark.parametrize(
    ("name", "answer", "meaning"),
    [
        ("ses", (429, {}, '{"message": "Maximum sending rate exceeded."}'), OutcomeKind.RETRY),
        ("ses", (429, {}, '{"message": "Daily message quota exceeded."}'), None),
        ("ses", (200, {}, '{"BulkEmailEntryResults": [{"Status": "ACCOUNT_THROTTLED"}]}'), OutcomeKind.RETRY),
        ("ses", (200, {}, '{"BulkEmailEntryResults": [{"Status": "ACCOUNT_SENDING_PAUSED"}]}'), None),
        ("ses", (200, {}, '{"BulkEmailEntryResults": [{"Status": "MESSAGE_REJECTED"}]}'), REFUSED),
        ("resend", (429, {}, '{"name": "rate_limit_exceeded"}'), OutcomeKind.RETRY),
        ("resend", (429, {}, '{"name": "monthly_quota_exceeded"}'), None),
        ("notify", (429, {}, '{"errors": [{"error": "RateLimitError"}]}'), OutcomeKind.RETRY),
        ("notify", (429, {}, '{"errors": [{"error": "TooManyRequestsError"}]}'), None),
        ("postmark", (200, {}, '[{"ErrorCode": 406, "Message": "inactive"}]'), REFUSED),
        ("postmark", (200, {}, '[{"ErrorCode": 405, "Message": "not allowed to send"}]'), None),
        ("mailjet", (401, {}, '{"Messages": [{"Status": "error", "Errors": [{"ErrorCode": "send-0008"}]}]}'), None),
        ("brevo", (402, {}, '{"code": "not_enough_credits", "message": "no credits"}'), None),
        ("mailersend", (421, {}, "{}"), OutcomeKind.RETRY),
        ("mailersend", (422, {}, '{"errors": {"0.to.0.email": ["The email must be valid."]}}'), REFUSED),
        ("mailersend", (422, {}, '{"errors": {"0.from.email": ["The domain must be verified."]}}'), None),
        ("sendgrid", (400, {}, '{"errors": [{"field": "from.email", "message": "bad"}]}'), None),
        ("sendgrid", (413, {}, '{"errors": [{"message": "too large"}]}'), None),
    ],
)
def test_what_a_service_says_in_its_own_words(name: str, answer: standins.Answer, meaning: OutcomeKind | None) -> None:
    """Later, this reader's own loss, or (none of these) everybody's, which stops the run."""
    with standins.start(standins.load(name)()) as service:
        service.script = [answer]
        if meaning is None:
            with pytest.raises(ProviderError, match=str(answer[0])):
                deliver(service, letters("ann"))
        else:
            outcomes, _ = deliver(service, letters("ann"))
            assert kinds(outcomes) == [meaning]
        assert service.mails == []


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "120"}, "", 120),
        ({"retry-after": "0.5"}, "", 0.5),
        ({"retry-after": "Thu, 30 May 2024 12:00:30 GMT", "date": "Thu, 30 May 2024 12:00:00 GMT"}, "", 30),
        ({"retry-after": "Thu, 30 May 2024 11:00:00 GMT", "date": "Thu, 30 May 2024 12:00:00 GMT"}, "", 0),
        ({"retry-after": "Thu, 30 May 2024 12:00:30 GMT"}, "", None),
        ({"x-ratelimit-reset": "1717070460", "date": "Thu, 30 May 2024 12:00:00 GMT"}, "", 60),
        ({}, "limit exceeded, try again after 7 seconds", 7),
        ({"retry-after": "-1"}, "", None),
        ({"retry-after": "١٢"}, "", None),
        ({}, "", None),
    ],
)
def test_the_time_to_wait_is_found_wherever_it_is_told(
    headers: dict[str, str], body: str, seconds: float | None
) -> None:
    assert HttpResponse(status=429, body=body, headers=headers).retry_after == seconds


# ---------------------------------------------------------------- Amazon's signatures


@pytest.mark.parametrize("token", ["", "a-session/token=="])
@pytest.mark.parametrize(
    ("method", "parameters", "body"),
    [
        ("POST", {}, b'{"a": "\xc5\xb5"}'),
        ("GET", {"PageSize": 1000, "NextToken": "a+b/c= ~'é"}, b""),
        ("PUT", {}, b"{}"),
    ],
)
def test_requests_are_signed_as_amazons_own_library_does(
    method: str, parameters: dict[str, Any], body: bytes, token: str
) -> None:
    url = with_query("https://email.eu-west-2.amazonaws.com/v2/email/x", parameters.items())
    headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if body else {})}
    who = _aws.Credentials(key_id="AKIDEXAMPLE", secret="made-up", token=token, region="eu-west-2", service="ses")
    made = _aws.signed(HttpRequest(url=url, method=method, headers=headers, body=body), who, NOON)
    theirs = AWSRequest(method=method, url=url, headers=headers, data=body)
    theirs.headers["X-Amz-Date"] = theirs.context["timestamp"] = "20240530T120000Z"
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "made-up", token or None), "ses", "eu-west-2")
    canonical = auth.canonical_request(theirs)
    signature = auth.signature(auth.string_to_sign(theirs, canonical), theirs)
    assert made.headers["Authorization"].endswith(f"Signature={signature}")
    assert "made-up" not in repr(who) + repr(made)


# ---------------------------------------------------------------- reports


def test_z15_a_topic_is_confirmed_at_amazon_only() -> None:
    """Z-15: not even one of ours, truly signed, makes us ask another address."""
    stand_in = standins.load("ses")()
    stand_in.endpoint = "http://127.0.0.1:1"
    for url in ("https://sns.eu-west-2.amazonaws.com.example.org/", "http://sns.eu-west-2.amazonaws.com/", "file:///x"):
        asked = {"Type": "SubscriptionConfirmation", "Message": "Confirm?", "Token": "t", "SubscribeURL": url}
        with pytest.raises(CallRefused, match="not SNS's"):
            ses.receive(note(asked, at=NOON.timestamp()), surroundings_of(stand_in))


def test_z15_a_topic_of_somebody_else_proves_nothing() -> None:
    """Z-15: a true signature of SNS says only that some account sent it."""
    stand_in = standins.load("ses")()
    stand_in.endpoint = "http://127.0.0.1:1"
    other = {"Type": "Notification", "Message": "{}", "TopicArn": f"{TOPIC}-of-somebody-else"}
    with pytest.raises(CallRefused, match="not ours"):
        ses.receive(note(other, at=NOON.timestamp()), surroundings_of(stand_in))


def test_z15_a_certificate_that_has_run_out_proves_nothing() -> None:
    stand_in = standins.load("ses")()
    stand_in.endpoint = "http://127.0.0.1:1"
    later = NOON + CERTIFIED_FOR + dt.timedelta(days=3)
    call = stand_in.webhook("DELIVERED", key="2024-05:id1", address="ann@example.org", at=later.timestamp())
    with pytest.raises(CallRefused, match="not signed"):
        ses.receive(call, replace(surroundings_of(stand_in), now=lambda: later))


def test_a_line_of_words_from_amazon_is_no_event() -> None:
    stand_in = standins.load("ses")()
    stand_in.endpoint = "http://127.0.0.1:1"
    words = {"Type": "Notification", "Message": "Successfully validated SNS topic for Amazon SES event publishing."}
    assert ses.receive(note(words, at=NOON.timestamp()), surroundings_of(stand_in)) == []
    assert TOPIC.startswith("arn:aws:sns:eu-west-2:")


def test_reports_without_our_own_secret_are_our_mistake() -> None:
    stand_in = standins.load("postmark")()
    stand_in.endpoint = "http://127.0.0.1:1"
    made = replace(surroundings_of(stand_in), environment={})
    good = stand_in.webhook("BOUNCED", key="2024-05:id1", address="ann@example.org", at=NOON.timestamp())
    with pytest.raises(BulletinError, match="no secret") as caught:
        _reports.refuse_unless_secret(replace(good, secret=""), made, "Postmark", "BULLETIN_POSTMARK_WEBHOOK")
    assert caught.value.hint == "Put it into BULLETIN_POSTMARK_WEBHOOK."


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("550 5.1.1 No such user", EventKind.BOUNCED),
        ("5.1.10", EventKind.BOUNCED),
        ("smtp; 550-5.1.2 bad domain", EventKind.BOUNCED),
        ("552 5.2.2 mailbox full", EventKind.SOFT_BOUNCED),
        ("4.2.2 over quota", EventKind.SOFT_BOUNCED),
        ("451 4.7.1 greylisted", EventKind.BLOCKED),
        ("554 5.7.1 blocked by policy", EventKind.BLOCKED),
        ("550 no such user", EventKind.OTHER),
        ("version 15.1.1 of the server", EventKind.OTHER),
        ("", EventKind.OTHER),
    ],
)
def test_v07_a_status_tells_the_reader_from_the_sender(words: str, kind: EventKind) -> None:
    """V-07: policy and sender faults say nothing about the reader."""
    assert _reports.failure(words, otherwise=EventKind.OTHER) is kind


@pytest.mark.parametrize(
    "written",
    [
        *(
            1717070400,
            1717070400.0,
            "1717070400",
            1717070400000,
            "2024-05-30T12:00:00Z",
            "2024-05-30T12:00:00.1234567Z",
        ),
        *("2024-05-30 12:00:00.123+00", "2024-05-30T13:00:00+01:00", "2024-05-30T12:00:00", "2024-05-30 12:00:00 UTC"),
        *("Thu, 30 May 2024 12:00:00 GMT", "Thu, 30 May 2024 13:00:00 +0100"),
    ],
)
def test_moments_are_read_as_services_write_them(written: object) -> None:
    found = _reports.moment(written, dt.datetime(1999, 1, 1, tzinfo=dt.UTC))
    assert abs(found - NOON) < dt.timedelta(seconds=1)
    assert found.tzinfo is dt.UTC


@given(written=st.none() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.integers(), max_size=2))
def test_a_moment_that_is_none_is_now(written: object) -> None:
    found = _reports.moment(written, NOON)
    assert found.tzinfo is dt.UTC
