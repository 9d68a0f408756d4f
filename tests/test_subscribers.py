"""Readers: who is let in, what is kept of their consent, and links that nobody else can make."""

from __future__ import annotations

import hashlib
import hmac
import re
import string
from base64 import b32encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailing import NOON, SECRET, Newsroom, config, newsroom

from bulletin.config import AudienceSetting
from bulletin.errors import BulletinError
from bulletin.model import PERSONAL_FIELDS, SubscriberState
from bulletin.subscribers.address import AddressRefused, normalise
from bulletin.subscribers.belonging import audience_of_address as audience_of
from bulletin.subscribers.tokens import (
    PREFERENCES,
    UNSUBSCRIBE,
    Links,
    bounce_address,
    make_token,
    read_bounce,
    read_token,
)


@pytest.fixture
def room(tmp_path: Path, database_url: str) -> Iterator[Newsroom]:
    with newsroom(tmp_path, url=database_url) as made:
        yield made


def test_who_left_is_never_brought_back_by_a_file(room: Newsroom) -> None:
    """An import passes over who left, even when told to add them, and the consent history keeps both events (P-10)."""
    room.subscribe(["left@example.org"])
    room.leave("left@example.org")
    assert room.readers.add([("left@example.org", "", "")], now=NOON, how="import") == 0
    person = room.readers.find("left@example.org")
    assert person
    assert person.state is SubscriberState.UNSUBSCRIBED
    assert [what for what, _, _ in room.readers.history(person.id)] == ["subscribed", "unsubscribed"]
    assert room.readers.history(person.id)[0][1] == NOON
    assert not room.readers.unsubscribe(person.id, now=NOON, how="again")


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (" Ann.Other@Example.ORG ", "ann.other@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("o'neil+news@force.example.org", "o'neil+news@force.example.org"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_m08_an_address_is_kept_in_one_form(raw: str, kept: str) -> None:
    """M-08: small letters, the domain in ASCII."""
    assert normalise(raw) == kept


@pytest.mark.parametrize(
    "raw",
    [
        *("", "ann", "@example.org", "ann@", "a b@example.org", "ann@example", "ann@-a.example", "ann..b@example.org"),
        *("ann@example.org\n", "a\0@example.org", "a\r\nBcc: b@example.org", '"ann b"@example.org', "ann@[127.0.0.1]"),
        *("ŵyn@example.org", "a" * 65 + "@example.org", "ann@" + "a." * 130 + "org", "<ann@example.org>"),
        "a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".example",
    ],
)
def test_m09_an_address_that_cannot_be_mailed_is_refused_without_repeating_it(raw: str) -> None:
    """M-08, M-09, M-10: the reason is for people and holds no address."""
    with pytest.raises(AddressRefused) as refused:
        normalise(raw)
    assert "@e" not in str(refused.value)


def test_s26_only_the_exact_domain_belongs_to_an_audience() -> None:
    """S-26: neither a suffix nor a subdomain is enough; the first audience in the settings wins."""
    settings = config(
        audiences=(
            AudienceSetting(id="forces", title="Forces", domains=("kent.police.example.org",)),
            AudienceSetting(
                id="partners", title="Partners", domains=("kent.police.example.org", "council.example.org")
            ),
        )
    )
    assert audience_of("a@kent.police.example.org", settings) == "forces"
    assert audience_of("a@KENT.police.example.org", settings) == "forces"
    assert audience_of("a@council.example.org", settings) == "partners"
    for outside in ("pcc.kent.police.example.org", "police.example.org", "xkent.police.example.org", "example.org"):
        assert audience_of(f"a@{outside}", settings) == "everyone"


def test_z08_a_token_serves_one_purpose_and_one_reader(room: Newsroom) -> None:
    """Z-08, L-03, G-06, L-15: signed, of plain signs, and worthless for anything else."""
    room.subscribe(["a@example.org"])
    person = room.readers.find("a@example.org")
    assert person
    token = make_token(SECRET, UNSUBSCRIBE, person.id)
    assert set(token) <= set(string.ascii_letters + string.digits + "_-")
    assert token[-1].isalnum()
    assert read_token(SECRET, UNSUBSCRIBE, token) == person.id
    assert read_token(SECRET, PREFERENCES, token) is None
    assert read_token(SECRET, PREFERENCES, make_token(SECRET, PREFERENCES, person.id)) == person.id
    earlier = hmac.digest(SECRET, f"bulletin link\0{UNSUBSCRIBE}\0{person.id}".encode(), hashlib.sha256)
    link_of_before = f"{person.id}_{b32encode(earlier).decode().rstrip('=').lower()}"
    assert read_token(SECRET, UNSUBSCRIBE, link_of_before) == person.id, "mails with such links were sent"
    assert read_token(SECRET, PREFERENCES, link_of_before) is None
    assert read_token(b"another secret", UNSUBSCRIBE, token) is None
    other = "b" if token[0] != "b" else "c"
    assert read_token(SECRET, UNSUBSCRIBE, other + token[1:]) is None
    links = Links("https://news.example.org/", SECRET).personal(person.id, person.email)
    assert set(links) == set(PERSONAL_FIELDS)
    assert re.fullmatch(r"https://news\.example\.org/unsubscribe/[A-Za-z0-9_-]{1,200}", links["unsubscribe_url"])


@given(st.text(max_size=120))
def test_no_made_up_token_is_taken(token: str) -> None:
    """L-03: whatever is put in place of a token, it names nobody and nothing breaks."""
    assert read_token(SECRET, UNSUBSCRIBE, token) is None


SUBSCRIBERS = st.from_regex(r"[0-9a-f]{20}", fullmatch=True)


@given(
    SUBSCRIBERS,
    st.from_regex(r"[A-Za-z0-9]+([-_.][A-Za-z0-9]+){0,5}", fullmatch=True),
    st.from_regex(r"[a-z]{1,12}([+.-][a-z]{1,12})?", fullmatch=True),
)
def test_v01_the_address_for_bounces_tells_whose_copy_came_back(subscriber: str, mailing: str, mailbox: str) -> None:
    """V-01, V-03: it fits into 64 octets, and leaves out the mailing rather than the reader."""
    address = bounce_address(SECRET, f"{mailbox}@bounce.example.org", f"{mailing}:{subscriber}")
    local, _, domain = address.rpartition("@")
    assert domain == "bounce.example.org"
    assert re.fullmatch(rf"{re.escape(mailbox)}\+[A-Za-z0-9._-]+", local)
    assert len(local) <= 64
    fits = len(mailbox) + len(mailing) + len("+b--") + 20 + 16 <= 64
    assert read_bounce(SECRET, local) == (mailing if fits else "", subscriber)
    assert read_bounce(SECRET, local.lower()) == (mailing.lower() if fits else "", subscriber)
    assert read_bounce(b"another secret", local) is None
    changed = local.replace(f"+b{subscriber}", f"+b{subscriber[1:]}{subscriber[0]}x")
    assert read_bounce(SECRET, changed) is None


@given(st.text() | st.from_regex(r"x\+b[a-z0-9]{1,40}-[a-z2-7]{16}(-[a-z]+)?", fullmatch=True))
def test_v03_no_made_up_address_for_bounces_is_taken(local: str) -> None:
    """V-03: a report at an address that nobody here made names nobody."""
    assert read_bounce(SECRET, local) is None


def test_l01_links_that_no_mail_program_would_follow_stop_the_sending() -> None:
    """L-01, L-15: https and at most 250 characters, said before anything is sent."""
    with pytest.raises(BulletinError, match="not secure"):
        Links("http://news.example.org/", SECRET)
    with pytest.raises(BulletinError, match="250 is the limit"):
        Links(f"https://news.example.org/{'x' * 200}/", SECRET)


def test_a_number_is_no_mail_domain() -> None:
    """RFC 3696 2: a top-level domain is never all digits, so 127.0.0.1 is no domain."""
    with pytest.raises(AddressRefused, match="not a domain name"):
        normalise("reader@127.0.0.1")
