"""Finished messages, held against the rules of mail by a judge that shares no code with what makes them."""

from __future__ import annotations

import email
import email.policy
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import mailrules
import pytest
from mailing import ISSUE, NOON, config, edition, letter, template

from bulletin import flow
from bulletin.config import Sender
from bulletin.errors import BulletinError
from bulletin.publication import open_publication

ROOT = Path(__file__).parent.parent
READERS = {
    "plain": "reader@example.org",
    "of a force": "officer@northforce.example.org",
    "as long as can be": f"{'l' * 64}@{'d' * 63}.{'e' * 63}.{'f' * 56}.test",
    "with signs": "o'neil+bulletin=may@example.org",
    "at a Welsh domain": "darllenydd@tŷ-ŵyn.example.org",
    "in capitals": "READER.TWO@EXAMPLE.ORG",
}


def broken(data: bytes, reader: str = "reader@example.org") -> list[str]:
    return mailrules.broken_rules(data, reader=reader, domain="news.example.org", sent=NOON)


# ---------------------------------------------------------------- the May issue, as it leaves


@pytest.fixture(scope="module")
def may(tmp_path_factory: pytest.TempPathFactory) -> tuple[flow.Publication, list[bytes]]:
    """This repository's own issue in the outbox, for readers with every kind of address."""
    folder = tmp_path_factory.mktemp("may")
    shutil.copytree(ROOT / "issues", folder / "issues")
    shutil.copy(ROOT / "bulletin.toml", folder)
    home = open_publication(folder, {key: value for key, value in os.environ.items() if key[:9] != "BULLETIN_"})
    force = home.config.audiences[0].domains[0]
    rows = [*READERS.values(), f"officer@{force}"]
    (folder / "readers.csv").write_text("email\n" + "".join(f'"{row}"\n' for row in rows), "utf-8")
    assert not flow.import_subscribers(home, folder / "readers.csv").refused_count
    flow.send(home, flow.prepare_sending(home, ISSUE))
    return home, [path.read_bytes() for path in sorted((home.outbox_dir / ISSUE).glob("*.eml"))]


def test_m01_to_m18_and_l01_to_l16_hold_in_every_copy_of_the_may_issue(
    may: tuple[flow.Publication, list[bytes]],
) -> None:
    """M-01 to M-17, L-01, L-02, L-12, L-13, L-15, L-16, Q-02, Q-05, G-01, G-06, for readers with hard addresses."""
    home, copies = may
    domain = home.config.sender.address.partition("@")[2]
    assert len(copies) == len(READERS) + 1
    for data in copies:
        reader = mailrules.header(data, "To").strip(b"<>").decode()
        assert mailrules.broken_rules(data, reader=reader, domain=domain, sent=flow.now()) == []
    ids = [mailrules.header(data, name) for data in copies for name in ("Message-ID", "List-Unsubscribe")]
    assert len(set(ids)) == len(ids), "M-06, L-03: each copy has an id and a link of its own"


def test_m08_m09_an_address_reaches_the_header_in_the_form_that_servers_carry(
    may: tuple[flow.Publication, list[bytes]],
) -> None:
    """M-08, M-09: a domain beyond ASCII as its A-label, 64 letters before the @ and 254 in all as they are."""
    to = {mailrules.header(data, "To").strip(b"<>").decode() for data in may[1]}
    assert any(re.fullmatch(r"darllenydd@xn--[a-z0-9-]+\.example\.org", address) for address in to)
    assert READERS["as long as can be"] in to
    assert max(map(len, to)) == 254


def test_m11_the_copies_decode_to_what_render_writes(may: tuple[flow.Publication, list[bytes]], tmp_path: Path) -> None:
    """M-11, H-24: decoded by hand and by Python's own reader, the parts are the rendered edition and the same links."""
    home, copies = may
    rendered = {made.audience: made for made in flow.render(home, ISSUE)}
    for data in copies:
        (_, text), (_, page) = mailrules.parts(data)
        message = email.message_from_bytes(data, policy=email.policy.default)
        inner = [part.get_payload(decode=True) for part in message.iter_parts()]  # type: ignore[attr-defined]
        assert inner == [text, page]
        link = mailrules.header(data, "List-Unsubscribe").strip(b"<>").decode()
        texts = {made.text.replace(made.markers["unsubscribe_url"], link) for made in rendered.values()}
        mine = text.decode().replace("\r\n", "\n")
        assert any(mine.splitlines()[:40] == made.splitlines()[:40] for made in texts)


def test_m18_the_may_issue_renders_to_the_same_bytes_again(may: tuple[flow.Publication, list[bytes]]) -> None:
    """M-18: twice from the file, the same digest and the same bytes."""
    first, second = ([(made.digest, made.html, made.text) for made in flow.render(may[0], ISSUE)] for _ in range(2))
    assert first == second


def test_m13_p33_no_attachment_no_hidden_picture_and_one_picture_for_all(
    may: tuple[flow.Publication, list[bytes]],
) -> None:
    """M-13, P-33, H-06, H-13: pictures are https with a width, the same in every copy, and none is a dot."""
    seen = set()
    for data in may[1]:
        page = mailrules.parts(data)[1][1].decode()
        images = re.findall(r"<img\b[^>]*>", page)
        assert images
        for image in images:
            assert re.search(r'\ssrc="https://', image)
            width = re.search(r'\swidth="(\d+)"', image)
            assert width
            assert int(width[1]) > 3
            assert re.search(r"\salt=", image)
        seen.update(re.findall(r'src="([^"]+)"', page))
        assert not re.search(r"<(?:script|form|input|iframe|object|video|audio|base)\b", page)
    assert all("?" not in source for source in seen)


# ---------------------------------------------------------------- hostile words


HOSTILE = {
    "one word of 1,200 letters": "x" * 1200,
    "one word that needs quotes": "x." * 600,
    "1,100 spaces": "a" + " " * 1100 + "b",
    "nothing but quotes": '"' * 700,
    "300 words": "word " * 299 + "word",
    "emoji of several signs": "🚓👮🏽‍♀️" * 60,
    "right to left": "نشرة الشرطة " * 30 + "نشرة",
    "letters with marks of their own": "e\u0301" * 200,
    "one letter beyond ASCII in a long word": "ŵ" + "x" * 400,
    "what looks like an address": "A, B <x@example.org>; (c)",
    "what looks like an encoded word": "a =?utf-8?b?eA==?= b",
    "edges": "  a  ",
    "a tab": "a\tb",
    "merge tags": "%recipient.address% {{ 7*7 }} *|EMAIL|* <%= x %>",
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE.keys())
def test_m01_m02_m07_hostile_words_make_good_messages(words: str) -> None:
    """M-01, M-02, M-07, L-12: as subject, as the sender's name and as the list's, and the subject reads as written."""
    subject = template(edition(subject=words)).fill(letter(), date=NOON)
    assert broken(subject) == []
    assert mailrules.decoded(mailrules.header(subject, "Subject")) == words.strip(" \t") or words != words.strip()
    sender = Sender(name=words, address="news@news.example.org")
    assert broken(template(settings=config(sender=sender, name=words)).fill(letter(), date=NOON)) == []


def test_l12_a_list_whose_name_is_too_long_is_known_by_its_id_alone() -> None:
    """L-12: at most 255 octets; an id that is too long by itself is refused."""
    data = template(settings=config(name="Test News " * 30)).fill(letter(), date=NOON)
    assert mailrules.header(data, "List-Id") == b"<news.news.example.org>"
    sender = Sender(name="News", address="news@news.example.org", list_id="label." * 60 + "example.org")
    with pytest.raises(BulletinError, match="List-Id would be longer"):
        template(settings=config(sender=sender))


@pytest.mark.parametrize(
    "bad", ["\r", "\n", "\0", "\x0b", "\x85", "\u2028", "\u2029", "\ud800", "\r\nBcc: b@example.org"]
)
def test_m10_no_sign_that_any_reader_takes_for_a_line_break_gets_into_a_header(bad: str) -> None:
    """M-10: refused in the names and in the reader's own values."""
    with pytest.raises(BulletinError, match="header From"):
        template(settings=config(sender=Sender(name=f"a{bad}b", address="news@news.example.org")))
    with pytest.raises(BulletinError, match="header List-Id"):
        template(settings=config(name=f"a{bad}b"))
    with pytest.raises(BulletinError, match="header To"):
        template().fill(letter(address=f"a{bad}b@example.org"), date=NOON)
    with pytest.raises(BulletinError, match="header Message-ID"):
        template().fill(replace(letter(), message_id=f"a{bad}@news.example.org"), date=NOON)


# ---------------------------------------------------------------- the judge is judged


GOOD = template().fill(letter(), date=NOON)
WRONG = {
    "M-01": (b"Subject: May news", b"Subject: " + b"x" * 1000),
    "M-02": (b"Subject: May news", b"Subject: " + b"word " * 20),
    "M-03": (b"Subject: May news\r\n", b"Subject: May news\n"),
    "M-04": (b"Subject: May news\r\n", b"Subject: May news\r\nSubject: May\r\n"),
    "M-05": (b"+0000", b"GMT"),
    "M-06": (b"Message-ID: <", b"Message-ID: <@"),
    "M-07": (b"Subject: May news", b"Subject: =?utf-8?b?" + b"eHh4" * 30 + b"?="),
    "M-10": (b"Subject: May news", b"Subject: =?utf-8?q?a=0D=0ABcc?="),
    "M-11": (b"quoted-printable", b"8bit"),
    "M-12": (b"text/plain", b"text/css"),
    "M-14": (b'boundary="', b'boundary="other'),
    "M-16": (b"Subject:", b"Bcc: b@example.org\r\nSubject:"),
    "M-17": (b"<news@news.example.org>", b"<news@example.com>"),
    "L-01": (b"List-Unsubscribe: <https", b"List-Unsubscribe: <http"),
    "L-02": (b"One-Click", b"Two-Clicks"),
    "L-12": (b"<news.news.example.org>", b"news"),
    "L-15": (b"/unsubscribe/", b"/" + b"u" * 250 + b"/"),
    "L-13": (b"List-Owner: <mailto:", b"List-Owner: <"),
    "Q-06": (b"Feedback-ID: ", b"Feedback-ID: reader:"),
    "Q-02": (b"Subject:", b"Auto-Submitted: auto-generated\r\nSubject:"),
    "Q-05": (b"OOF, AutoReply", b"All"),
}


@pytest.mark.parametrize("rule", WRONG)
def test_the_judge_sees_each_broken_rule(rule: str) -> None:
    """A judge that never finds anything would prove nothing."""
    assert broken(GOOD) == []
    old, new = WRONG[rule]
    assert old in GOOD
    assert rule in " ".join(broken(GOOD.replace(old, new, 1)))
