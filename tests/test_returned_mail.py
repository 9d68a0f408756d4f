"""Mails that come back: bounces, complaints and opt-outs as mail servers write them, and any other bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mailing import ISSUE, NOON, SECRET

from bulletin.children import ChildFailed, Children
from bulletin.mailbox.meaning import Office, events_of, kind_of
from bulletin.mailbox.reading import LARGEST_MAIL, Group, MailKind, read, unreadable
from bulletin.model import DeliveryEvent, EventKind
from bulletin.render.message import make_message_id
from bulletin.subscribers.tokens import Links, bounce_address

CORPUS = Path(__file__).parent / "data" / "mailbox"
SUBSCRIBER, READER = "0123456789abcdef0123", "reader.one@force.example.org"
KEY = f"{ISSUE}:{SUBSCRIBER}"
LINK = Links("https://news.example.org/", SECRET).personal(SUBSCRIBER, READER)["unsubscribe_url"]
TOKEN = LINK.rpartition("/")[2]
BOUNCES = bounce_address(SECRET, "bounces@bounce.example.org", KEY)


def message_id(key: str) -> str:
    return make_message_id(key, "news@news.example.org")


OFFICE = Office(
    secret=SECRET,
    unsubscribe_mailbox="leave@news.example.org",
    mailings=("2024-04", ISSUE),
    message_id=message_id,
    reader_of={READER: SUBSCRIBER}.get,
    key_of=lambda names: KEY if message_id(KEY) in names else "",
)


def mail(name: str) -> bytes:
    """A mail of the corpus, about the delivery KEY, as it comes over the wire."""
    text = (CORPUS / f"{name}.eml").read_text("utf-8")
    marks = {"BOUNCES": BOUNCES, "MESSAGE-ID": message_id(KEY), "LINK": LINK, "READER": READER, "TOKEN": TOKEN}
    for mark, value in marks.items():
        text = text.replace(f"@@{mark}@@", value)
    return text.replace("\n", "\r\n").encode()


def told(data: bytes) -> list[DeliveryEvent]:
    return events_of(read(data), OFFICE, at=NOON)


def proven(events: Sequence[DeliveryEvent]) -> list[tuple[EventKind, str]]:
    """What acts on a reader without a person."""
    return [(event.kind, event.key) for event in events if not event.doubt]


SOFT = EventKind.SOFT_BOUNCED


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("postfix-unknown-user", EventKind.BOUNCED, "User unknown"),
        ("exchange-full-mailbox", SOFT, "quota of the mailbox was exceeded"),
        ("exim-blocked", EventKind.BLOCKED, "on a list that we trust"),
        ("gmail-no-such-user", EventKind.BOUNCED, "does not exist"),
        ("yahoo-no-third-part", SOFT, "gave up after 3 days"),
        ("delayed", EventKind.DEFERRED, "timed out"),
        ("global-utf8", EventKind.BOUNCED, "nid oes blwch o'r enw tŷ"),
        ("inside-a-gateways-wrapping", EventKind.BOUNCED, ""),
        ("alias-that-arrived-at-one", EventKind.DELIVERED, ""),
        ("complaint", EventKind.COMPLAINED, ""),
        ("complaint-redacted", EventKind.COMPLAINED, ""),
    ],
)
def test_v04_v15_a_report_is_understood_and_tells_whose_copy_it_is_about(
    name: str, kind: EventKind, reason: str
) -> None:
    """V-04, V-05, V-07, V-08, V-12, V-15: by the envelope, the unsubscribe address or the Message-ID of the copy."""
    [event] = told(mail(name))
    assert (event.kind, event.key, event.doubt) == (kind, KEY if name != "complaint-redacted" else f":{SUBSCRIBER}", "")
    assert reason in event.reason
    assert event.address == ""


def test_v09_every_recipient_of_a_report_is_read_and_none_is_proven_without_our_mark() -> None:
    """V-03, V-08, V-09: groups with too many blank lines, and with none between them."""
    events = told(mail("several-recipients"))
    assert [event.kind for event in events] == [EventKind.BOUNCED, SOFT, EventKind.OTHER, EventKind.BOUNCED]
    assert [event.address for event in events] == [READER, "second@example.org", "", "fourth@example.org"]
    assert [bool(event.doubt) for event in events] == [True, True, False, True]
    assert len({event.id for event in events}) == 4


def test_v03_a_forged_report_waits_for_a_person() -> None:
    """V-03: a wrong signature in the envelope and in the link, and a Message-ID of no delivery."""
    [event] = told(mail("forged-report"))
    assert (event.kind, event.key, event.address, bool(event.doubt)) == (EventKind.BOUNCED, "", READER, True)


def test_a_failure_told_in_words_waits_for_a_person() -> None:
    """V-08: the reader is known by the envelope; what happened is not."""
    [event] = told(mail("exim-old-in-words"))
    assert (event.key, bool(event.doubt)) == (KEY, True)


def test_v13_v14_only_abuse_counts_as_a_complaint() -> None:
    """V-12, V-13, V-14: not-spam changes nobody; one that breaks the rules is for a person to judge."""
    [other] = told(mail("complaint-not-spam"))
    assert (other.kind, other.name, other.doubt) == (EventKind.OTHER, "feedback: not-spam", "")
    [broken] = told(mail("complaint-twice-a-version"))
    assert (broken.kind, "version is there more than once" in broken.doubt) == (EventKind.COMPLAINED, True)


def test_v15_a_complaint_with_nothing_but_a_message_id_is_understood() -> None:
    """V-15: everything else was blackened; a Message-ID of no delivery of ours proves nothing."""
    data = mail("complaint").replace(BOUNCES.encode(), b"redacted@example.net")
    assert proven(told(data)) == [(EventKind.COMPLAINED, KEY)]
    [event] = told(data.replace(message_id(KEY).encode(), b"another@news.example.org"))
    assert (event.key, bool(event.doubt)) == ("", True)


def test_v11_an_automatic_answer_is_never_a_bounce() -> None:
    """V-11: although it came to the envelope's own address, and quotes the code of a failure."""
    assert told(mail("away")) == []
    assert told(mail("a-letter")) == []
    subject = b"Subject: Out of office\r\nTo: " + BOUNCES.encode() + b"\r\n\r\nunsubscribe\r\n"
    assert told(subject) == []


def test_l11_an_opt_out_by_mail_is_proven_by_the_readers_token_and_by_nothing_else() -> None:
    """L-11: whoever it is from, as mail programs write from other addresses; without a token it is for a person."""
    [event] = told(mail("opt-out"))
    assert (event.kind, event.key, event.doubt, event.address) == (EventKind.UNSUBSCRIBED, f":{SUBSCRIBER}", "", "")
    [plain] = told(mail("opt-out-in-words"))
    assert (plain.kind, plain.key, plain.address) == (EventKind.UNSUBSCRIBED, "", READER)
    assert plain.doubt
    [empty] = told(b"From: x@example.net\r\nTo: <Leave@news.example.org>\r\n\r\n")
    assert (empty.kind, bool(empty.doubt), empty.address) == (EventKind.UNSUBSCRIBED, True, "x@example.net")
    other_purpose = mail("opt-out").replace(TOKEN.encode(), f"{SUBSCRIBER}_{'a' * 52}".encode())
    assert proven(told(other_purpose)) == []


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        *((f"5.1.{detail}", "", EventKind.BOUNCED) for detail in (1, 2, 3, 10)),
        *((status, "", SOFT) for status in ("4.2.2", "5.2.2", "4.1.1", "4.4.1", "5.2.1", "5.3.0", "")),
        *((status, "", EventKind.BLOCKED) for status in ("5.7.1", "5.7.26", "4.7.0", "5.6.1", "5.3.4", "5.1.8")),
        ("5.0.0", "smtp; 550 5.1.1 unknown", EventKind.BOUNCED),
        ("5.0.0", "smtp; 550 we are at 5.1.1.0 now", SOFT),
        ("", "smtp; 550-5.7.1 spam", EventKind.BLOCKED),
        ("5.2.2", "smtp; 550 5.1.1 unknown", SOFT),
    ],
)
def test_v07_what_a_status_comes_to(status: str, diagnostic: str, kind: EventKind) -> None:
    """V-05, V-07."""
    group = Group(action="failed", status=status, original="", final="", diagnostic=diagnostic)
    assert kind_of(group) is kind


# ---------------------------------------------------------------- too much, and any bytes


def nested(depth: int) -> bytes:
    head = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(depth))
    return f"Subject: deep\r\n{head}\r\nx\r\n".encode()


def wide(parts: int) -> bytes:
    part = "--w\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return f'Content-Type: multipart/mixed; boundary="w"\r\n\r\n{part * parts}--w--\r\n'.encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"Subject: x\r\n\r\n" + b"x" * LARGEST_MAIL, "larger than 1 MB"),
        (nested(30), "more than 20 parts"),
        (nested(5000), ""),
        (wide(40), "more than 20 parts"),
    ],
    ids=["large", "deep", "very deep", "wide"],
)
def test_v16_a_mail_that_is_too_much_is_set_aside_and_shown(data: bytes, why: str) -> None:
    """V-16."""
    found = read(data)
    assert found.kind is MailKind.ASIDE
    [event] = events_of(found, OFFICE, at=NOON)
    assert (event.kind, why in event.doubt, bool(event.doubt)) == (EventKind.OTHER, True, True)


def test_v16_a_report_on_twenty_recipients_is_no_mail_of_many_parts() -> None:
    groups = "".join(f"Final-Recipient: rfc822; r{n}@example.org\r\nAction: failed\r\n\r\n" for n in range(25))
    whole = mail("several-recipients").decode()
    whole = re.sub(r"(?s)Final-Recipient.*(?=--ss--)", lambda _: groups, whole, count=1)
    assert len(told(whole.encode())) == 25


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Original-Rcpt-To: " + "a" * 900_000, MailKind.COMPLAINT),
        ("Action: failed\r\nDiagnostic-Code: " + "a" * 900_000, MailKind.REPORT),
        ("Action: failed\r\n" * 50_000, MailKind.ASIDE),
    ],
    ids=["long address", "long reason", "many recipients"],
)
def test_v16_one_mail_cannot_make_much_work(said: str, kind: MailKind) -> None:
    """V-16: long fields are cut before they are looked at, and nobody has to decide on thousands of recipients."""
    part = "delivery-status" if "Action" in said else "feedback-report"
    head = f"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/{part}\r\n\r\n"
    found = read(f"{head}{said}\r\n--b--\r\n".encode())
    assert found.kind is kind
    [event] = events_of(found, OFFICE, at=NOON)
    assert event.doubt
    assert len(event.reason + event.address) < 5000


def test_v16_a_mail_that_takes_long_to_read_is_ended_and_set_aside() -> None:
    """V-16: decoding this subject would take many seconds."""
    slow = b"Subject: " + b"=?utf-8?q?x?= " * 65_000 + b"\r\n\r\n"
    with Children(["bulletin.mailbox.reading"], workers=1, seconds=1) as children:
        with pytest.raises(ChildFailed) as failure:
            children.run(read, slow)
        assert children.run(read, mail("opt-out")).kind is MailKind.OTHER
    [event] = events_of(unreadable(slow, str(failure.value)), OFFICE, at=NOON)
    assert "takes longer than 1 s" in event.doubt


NAMES = sorted(path.stem for path in CORPUS.glob("*.eml"))
CUT = st.tuples(st.integers(0, 4000), st.integers(0, 400), st.binary(max_size=20))


@settings(max_examples=150)
@given(data=st.binary(max_size=400))
@example(data=b"Content-Type: multipart/report; report-type=delivery-status; boundary=\xff\r\n\r\n--\xff")
@example(data=b"Subject: =?utf-8?q?=FF?=\r\nContent-Type: message/delivery-status\r\n\r\n\xff\x00")
@example(data=b"From: @\r\nReceived: x; Fri, 99 May 99999\r\nSubject: unsubscribe\r\n\r\n")
def test_any_bytes_are_read_and_concern_nobody(data: bytes) -> None:
    assert not any(key for _, key in proven(told(data)))


@settings(max_examples=150)
@given(name=st.sampled_from(NAMES), cuts=st.lists(CUT, min_size=1, max_size=4))
def test_a_mail_with_bytes_cut_out_and_put_in_is_read_and_concerns_no_other_reader(
    name: str, cuts: list[tuple[int, int, bytes]]
) -> None:
    data = mail(name)
    for start, length, more in cuts:
        data = data[:start] + more + data[start + length :]
    assert {key.rpartition(":")[2] for _, key in proven(told(data))} <= {SUBSCRIBER, ""}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_mail_makes_the_same_events(name: str) -> None:
    """So that it counts once, however often it is read; with Message-ID or without."""
    assert told(mail(name)) == told(mail(name))
    nameless = re.sub(rb"(?im)^message-id: .*\r\n", b"", mail(name), count=1)
    assert read(nameless).id == hashlib.sha256(nameless).hexdigest()


def test_a_mail_tells_when_our_own_server_took_it() -> None:
    assert read(mail("postfix-unknown-user")).at == dt.datetime(2024, 5, 31, 8, 15, 2, tzinfo=dt.UTC)
    assert read(mail("opt-out")).at is None
