"""Messages: what leaves is what the rules of mail ask for, and reads back as what was rendered."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import html
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import mailrules
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailing import HTML, MARKERS, NOON, SECRET, TEXT, config, edition, letter, template

from bulletin.config import Sender, Web
from bulletin.errors import BulletinError
from bulletin.render.message import Envelope, ServiceMessage, make_message_id
from bulletin.subscribers.tokens import UNSUBSCRIBE, Links, read_token

PARTS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200) | st.sampled_from(["." * 80, "From "])
).map("".join)


def read(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")


def lines(data: bytes) -> list[bytes]:
    return data.split(b"\r\n")


def test_m11_text_and_html_read_back_exactly_with_every_value_in_place() -> None:
    """M-11, M-12, L-16, H-26: the parts decode to the rendered edition with this reader's values."""
    reader = replace(letter(), personal={**letter().personal, "address": "o'neil&co@example.org"})
    message = read(template().fill(reader, date=NOON))
    text, page = TEXT, HTML
    for field, marker in MARKERS.items():
        text = text.replace(marker, reader.personal[field])
        page = page.replace(marker, html.escape(reader.personal[field]))
    assert body(message, "plain") == text
    assert body(message, "html") == page
    assert reader.personal["unsubscribe_url"] in text
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert all(part.get_content_charset() == "utf-8" for part in message.iter_parts())


@settings(max_examples=150, deadline=None)
@given(PARTS, PARTS, PARTS, st.text(max_size=300).filter(lambda value: "\r" not in value))
def test_m11_any_text_around_any_value_reads_back_exactly(before: str, between: str, after: str, value: str) -> None:
    """M-01, M-03, M-11: whatever stands around a marker and is put there, lines stay short and nothing is cut."""
    reader = replace(letter(), personal={**letter().personal, "preferences_url": value})
    content = f"{before}pxpreferences{between}pxunsubscribepxpreferences{after}"
    rendered = edition(text=content, html=content)
    data = template(rendered).fill(reader, date=NOON)
    unsubscribe = reader.personal["unsubscribe_url"]
    message = read(data)
    assert body(message, "plain") == content.replace("pxpreferences", value).replace("pxunsubscribe", unsubscribe)
    assert body(message, "html") == content.replace("pxpreferences", html.escape(value)).replace(
        "pxunsubscribe", html.escape(unsubscribe)
    )
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    body_lines = lines(data.partition(b"\r\n\r\n")[2])
    assert max(map(len, body_lines)) <= 76
    assert not [line for line in body_lines if line.startswith((b".", b"From "))]


def test_m04_each_header_stands_once() -> None:
    """M-04, M-16, M-17, Q-02, Q-05: one of each, one reader, no Auto-Submitted, no out-of-office replies."""
    message = read(template().fill(letter(), date=NOON))
    once = ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Reply-To", "List-Id", "List-Unsubscribe")
    assert {name: len(message.get_all(name, [])) for name in once} == dict.fromkeys(once, 1)
    assert message["To"] == "reader@example.org"
    assert message["From"].addresses[0].display_name == "Test News"
    assert message["Reply-To"] == "editors@example.org"
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert not {"Auto-Submitted", "Cc", "Bcc", "Sender"} & set(message.keys())


def test_l01_one_click_unsubscribe_is_one_short_https_address() -> None:
    """L-01, L-02, L-12, L-15: exactly one address in angle brackets, and the fixed word beside it."""
    message = read(template().fill(letter(), date=NOON))
    address = re.fullmatch(r"<(https://\S+)>", str(message["List-Unsubscribe"]))
    assert address
    assert len(address[1]) <= 250
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "Test News <news.news.example.org>"


def test_l01_readers_may_also_leave_by_mail_where_a_mailbox_takes_it() -> None:
    """L-01, L-13: the mail address follows the link, with the same token; who answers is named too."""
    sender = Sender(name="News", address="news@news.example.org", unsubscribe_mailbox="leave@news.example.org")
    made = template(settings=config(sender=sender))
    data = made.fill(letter(), date=NOON)
    link = letter().personal["unsubscribe_url"]
    by_mail = f"mailto:leave@news.example.org?subject=unsubscribe%20{link.rpartition('/')[2]}"
    assert made.personal_headers(letter())["List-Unsubscribe"] == f"<{link}>, <{by_mail}>"
    assert mailrules.broken_rules(data, reader="reader@example.org", domain="news.example.org") == []
    assert "subject" not in read(template().fill(letter(), date=NOON))["List-Unsubscribe"]
    message = read(template().fill(letter(), date=NOON))
    assert message["List-Owner"] == "<mailto:editors@example.org>"
    assert message["List-Help"] == "<mailto:editors@example.org?subject=help>"


def test_a_publication_without_pages_lets_readers_leave_by_mail_alone() -> None:
    """L-16: the links of the mail are mails to write, by which the reader is known; nothing claims one click (L-02)."""
    sender = Sender(name="News", address="news@news.example.org", unsubscribe_mailbox="leave+list@news.example.org")
    by_mail = config(sender=sender, web=Web(archive_url="https://news.example.org/", service_url=""))
    links = Links(by_mail.service_url, SECRET, by_mail.leave_by_mail)
    one = replace(letter(), personal=links.personal("abc123", "reader@example.org"))
    message = read(template(settings=by_mail).fill(one, date=NOON))
    link = one.personal["unsubscribe_url"]
    assert link.startswith("mailto:leave+list@news.example.org?subject=unsubscribe%20abc123_")
    assert read_token(SECRET, UNSUBSCRIBE, link.rpartition("%20")[2]) == "abc123"
    assert message["List-Unsubscribe"] == f"<{link}>"
    assert "List-Unsubscribe-Post" not in message
    assert link in body(message, "plain")
    assert html.escape(link) in body(message, "html")
    assert not config(sender=sender).leave_by_mail, "where there are pages, they are used"


def test_q06_complaints_are_counted_by_issue_audience_and_language_and_never_by_reader() -> None:
    """Q-06: the last field is the same in every issue of a publication, and another's is another."""
    first, other = (read(template().fill(letter(subscriber=name), date=NOON))["Feedback-ID"] for name in ("a1", "b2"))
    assert first == other
    issue, audience, language, sender = str(first).split(":")
    assert (issue, audience, language) == ("2024-05", "everyone", "en-GB")
    assert 5 <= len(sender) <= 15
    assert str(read(template(edition("forces")).fill(letter(), date=NOON))["Feedback-ID"]).endswith(f":{sender}")
    elsewhere = config(sender=Sender(name="News", address="news@other.example.org"))
    assert not template(settings=elsewhere).headers["Feedback-ID"].endswith(sender)


@pytest.mark.parametrize("name", ["Bwletin Tŷ'r Heddlu", "x" * 250, "Test News"])
def test_the_headers_told_to_a_service_are_those_that_leave_by_mail(name: str) -> None:
    """A service that makes the bytes itself is told each header once, on one line, in ASCII."""
    made = template(settings=config(name=name))
    told = {**made.headers, **made.personal_headers(letter())}
    assert all(value.isascii() and value.isprintable() for value in told.values())
    message = email.message_from_bytes(made.fill(letter(), date=NOON))
    ours = {"Date", "From", "To", "Reply-To", "Subject", "Message-ID", "MIME-Version", "Content-Type"}
    assert {key: re.sub(r"\r\n(?=\s)", "", value) for key, value in message.items() if key not in ours} == told


def test_q01_a_service_mail_says_that_nobody_wrote_it_and_names_no_list() -> None:
    """Q-01, L-14: Auto-Submitted once, no way to unsubscribe from what is no list; the rest as in every mail."""
    link = "https://news.example.org/confirm/abc"
    service = ServiceMessage(
        Envelope.of(config()),
        subject="Cadarnhewch: tŷ",
        html=f'<p>Tŷ</p><a href="{link}">Yes</a>',
        text=f".\nTŷ: {link}\n",
        language="cy",
    )
    bare = replace(letter(), personal={})
    data = service.fill(bare, date=NOON)
    message = read(data)
    assert data == service.fill(bare, date=NOON)
    assert message.get_all("Auto-Submitted") == ["auto-generated"]
    assert not [name for name in message if name.startswith(("List-", "Precedence", "Feedback"))]
    assert (message["To"], message["Reply-To"], message["Subject"]) == (
        "reader@example.org",
        "editors@example.org",
        "Cadarnhewch: tŷ",
    )
    assert (body(message, "plain"), body(message, "html")) == (service.text_of(bare), service.html_of(bare))
    with pytest.raises(BulletinError, match="header Subject"):
        ServiceMessage(Envelope.of(config()), subject="a\r\nBcc: b", html="", text="", language="en-GB")


def test_words_for_one_reader_are_filled_in_once_and_safely() -> None:
    """What a service is told to send is what we would send; a value that looks like a marker stays a value."""
    reader = replace(letter(), personal={**letter().personal, "address": "pxunsubscribe&co@example.org"})
    message = read(template().fill(reader, date=NOON))
    assert body(message, "html") == template().html_of(reader)
    assert body(message, "plain") == template().text_of(reader)
    assert "pxunsubscribe&amp;co@example.org" in template().html_of(reader)


def test_l12_the_list_keeps_its_name_when_the_sender_changes() -> None:
    """L-12: a name in the settings is used as it is, whoever sends."""
    for address in ("news@news.example.org", "other@elsewhere.example.org"):
        sender = Sender(name="Test News", address=address, list_id="news.lists.example.org")
        message = read(template(settings=config(sender=sender)).fill(letter(), date=NOON))
        assert message["List-Id"] == "Test News <news.lists.example.org>"


def test_l13_a_restricted_edition_does_not_name_the_public_archive() -> None:
    """L-13: only everyone's edition has a List-Archive; posting is closed in both."""
    everyone = read(template().fill(letter(), date=NOON))
    forces = read(template(edition("forces")).fill(letter(), date=NOON))
    assert everyone["List-Archive"] == "<https://news.example.org/>"
    assert "List-Archive" not in forces
    assert everyone["List-Post"] == forces["List-Post"] == "NO"


WELSH = "Bwletin mis Mai: canllawiau newydd i'r heddlu ar gyfer tŷ, ŵyn a'r holl wasanaethau " * 3


@pytest.mark.parametrize(
    "subject",
    [WELSH[:200], "x" * 300, "Plain words " * 20 + "end", "=?utf-8?q?hidden?=", "ŵ" * 200, "🚓" * 90, " edges ", ""],
)
def test_m07_any_subject_decodes_to_the_same_text(subject: str) -> None:
    """M-02, M-07: encoded words of at most 75 characters in lines of at most 76, none cut inside a character."""
    data = template(edition(subject=subject)).fill(letter(), date=NOON)
    assert str(read(data)["Subject"]) == subject
    head = lines(data.partition(b"\r\n\r\n")[0])
    assert max(map(len, head)) <= 998
    for line in head:
        assert b"=?" not in line or len(line) <= 76
        if len(line) > 76:
            assert b" " not in line.partition(b": ")[2].strip(), "there was white space to fold at"
        for word in re.findall(rb"=\?utf-8\?[bq]\?.*?\?=", line):
            assert len(word) <= 75
            assert str(make_header(decode_header(word.decode())))


def test_m07_a_sender_name_with_letters_beyond_ascii_or_signs_is_kept() -> None:
    """M-07, M-17: the name reads back, and the address is never inside an encoded word."""
    for name in ("Bwletin Tŷ'r Heddlu, y Rhaglen Gwybodaeth ac Ymarfer ynghylch Bregusrwydd ŵ", 'News, "daily" (UK)'):
        data = template(settings=config(sender=Sender(name=name, address="news@news.example.org"))).fill(
            letter(), date=NOON
        )
        # The older reader, because the newer one of Python 3.11 leaves spaces between encoded words of a name.
        sender = email.message_from_bytes(data)["From"]
        shown, address = parseaddr(str(sender).replace("\r\n", ""))
        assert (str(make_header(decode_header(shown))), address) == (name, "news@news.example.org")


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\0b", "a\r\nBcc: all@example.org", "=?utf-8?q?a=0D=0ABcc:_x?="])
def test_m10_a_line_break_in_a_header_is_refused_by_its_name(bad: str) -> None:
    """M-10: refused, not cleaned, also as an encoded word; in the subject, the names, the address and the link."""
    with pytest.raises(BulletinError, match="header Subject"):
        template(edition(subject=bad))
    with pytest.raises(BulletinError, match="header From"):
        template(settings=config(sender=Sender(name=bad, address="news@news.example.org")))
    with pytest.raises(BulletinError, match="header Reply-To"):
        template(settings=config(sender=Sender(name="News", address="news@news.example.org", reply_to=bad)))
    with pytest.raises(BulletinError, match="header List-Id"):
        template(settings=config(name=bad))
    with pytest.raises(BulletinError, match="header To"):
        template().fill(letter(address=f"{bad}@example.org"), date=NOON)
    link = {**letter().personal, "unsubscribe_url": f"https://news.example.org/{bad}"}
    if "=?" not in bad:
        with pytest.raises(BulletinError, match="header List-Unsubscribe"):
            template().fill(replace(letter(), personal=link), date=NOON)


def test_m18_the_same_letter_and_clock_give_the_same_bytes() -> None:
    """M-05, M-06, M-18: no randomness; the Message-ID belongs to the delivery, not to the attempt."""
    first, second = (template().fill(letter(), date=NOON) for _ in range(2))
    assert first == second
    later = template().fill(letter(), date=NOON + dt.timedelta(hours=1))
    assert read(first)["Date"].datetime == NOON
    assert str(read(first)["Date"]).endswith("+0000")
    assert read(later)["Message-ID"] == read(first)["Message-ID"]
    assert make_message_id("2024-05:a", "x@news.example.org") != make_message_id("2024-05:b", "x@news.example.org")
    assert make_message_id("2024-05:a", "x@news.example.org").endswith("@news.example.org")


def test_m14_the_boundary_stands_in_no_part() -> None:
    """M-14: a boundary that starts with =_ cannot occur in quoted-printable text."""
    boundary = f"=_{edition().digest[:40]}"
    tricky = edition(text=f"--{boundary}\npxunsubscribe --{boundary}--\n")
    message = read(template(tricky).fill(letter(), date=NOON))
    assert len(list(message.iter_parts())) == 2
    assert len(str(message.get_boundary())) <= 70


def test_l16_an_edition_without_a_visible_unsubscribe_link_is_no_message() -> None:
    """L-16: the link stands in the HTML and in the text, or nothing is sent."""
    with pytest.raises(BulletinError, match=r"the plain text of everyone\.en-GB gives readers no link"):
        template(edition(text="No way out."))
    with pytest.raises(BulletinError, match="the HTML"):
        template(edition(html="<p>No way out.</p>"))
