"""What the doctor says of domains, asked of a real DNS server on this machine (B-02, B-07, K-02 to K-08, S-40, S-41).

No question here reaches the system's own resolver: `Dns` is always given the address of ours.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import dkim
import pytest
import trustme
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dnsserver import NameServer, dns_server
from hypothesis import given, settings
from hypothesis import strategies as st
from imapserver import PASSWORD, USER, imap_server
from localweb import site
from mailserver import mail_server
from test_doctor import SETTINGS

from bulletin.asking import Dns, NoAnswerError
from bulletin.cli import cli
from bulletin.doctor import examine
from bulletin.domains import dkim as keys
from bulletin.domains import dmarc, hosts, message, spf, whole
from bulletin.domains._line import Answer, Line, NotAskedError, State, tags
from bulletin.errors import BulletinError
from bulletin.guard import Limits
from bulletin.http import Client, Fetched, Probed
from bulletin.outside import Outside, setup_of
from bulletin.publication import Publication, open_publication

NOW = dt.datetime(2026, 5, 20, 12, 0, tzinfo=dt.UTC)
ITEMS = {
    *("B-02 SPF", "B-02 DKIM", "B-02 DMARC", "B-02 From alignment", "B-02 PTR", "B-02 TLS"),
    *("B-02 RFC 5322 format", "B-02 one-click unsubscribe"),
}

Records = dict[tuple[str, str], list[str]]


def key_record(bits: int, *, rest: str = "") -> str:
    """A key record with an RSA key of this length, whose number nobody can sign with."""

    def der(tag: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
        return bytes([tag]) + length + content

    number = ((1 << (bits - 1)) | 1).to_bytes(bits // 8 + 1, "big")
    key = der(0x30, der(2, number) + der(2, b"\x01\x00\x01"))
    return f"v=DKIM1; {rest}p={base64.b64encode(key).decode()}"


def good_zone() -> Records:
    return {
        ("uk", "SOA"): ["a.nic.uk. hostmaster.nic.uk. 1 2 3 4 5"],
        ("harbour-trust.uk", "TXT"): ["v=spf1 mx -all", "some-service-verification=1"],
        ("harbour-trust.uk", "MX"): ["10 mx.harbour-trust.uk."],
        ("mx.harbour-trust.uk", "A"): ["198.51.45.7"],
        ("45.51.198.in-addr.arpa", "SOA"): ["a.nic.uk. hostmaster.nic.uk. 1 2 3 4 5"],
        ("7.45.51.198.in-addr.arpa", "PTR"): ["mx.harbour-trust.uk."],
        ("mail.harbour-trust.uk", "TXT"): ["v=spf1 include:_spf.relay.test ip4:198.51.45.0/24 ~all"],
        ("mail.harbour-trust.uk", "MX"): ["10 mx.harbour-trust.uk."],
        ("_spf.relay.test", "TXT"): ["v=spf1 a:out.relay.test -all"],
        ("out.relay.test", "A"): ["198.51.45.9"],
        ("s1._domainkey.mail.harbour-trust.uk", "TXT"): [key_record(2048)],
        ("_dmarc.harbour-trust.uk", "TXT"): ["v=DMARC1; p=reject; rua=mailto:dmarc@harbour-trust.uk"],
        **{
            (f"_mta-sts.{domain}", "TXT"): ["v=STSv1; id=20260501"]
            for domain in ("harbour-trust.uk", "mail.harbour-trust.uk")
        },
        **{(f"mta-sts.{domain}", "A"): ["198.51.45.8"] for domain in ("harbour-trust.uk", "mail.harbour-trust.uk")},
        **{
            (f"_smtp._tls.{domain}", "TXT"): ["v=TLSRPTv1; rua=mailto:tls@harbour-trust.uk"]
            for domain in ("harbour-trust.uk", "mail.harbour-trust.uk")
        },
        ("notes.harbour-trust.uk", "A"): ["198.51.45.8"],
        ("www.harbour-trust.uk", "A"): ["198.51.45.8"],
    }


POLICY = "version: STSv1\r\nmode: enforce\r\nmx: *.harbour-trust.uk\r\nmax_age: 604800\r\n"
SETUP = whole.Setup(
    author="mail.harbour-trust.uk",
    bounces="mail.harbour-trust.uk",
    signing="mail.harbour-trust.uk",
    selectors=("s1",),
    reply_to="harbour-trust.uk",
    list_id="notes.mail.harbour-trust.uk",
    sending_host="mx.harbour-trust.uk",
)


class Pages:
    """The web as the publication's names lead to it: a real server on this machine, asked through the real client.

    Only the way to a name is another, as no name here leads anywhere.
    """

    def __init__(self, policy: str = POLICY, date: str = "Wed, 20 May 2026 12:00:30 GMT", status: int = 200) -> None:
        self.policy, self.date, self.status = policy, date, status

    def get(self, url: str) -> Fetched:
        with self._server(url) as (client, there):
            return replace(client.get(there), url=url)

    def probe(self, url: str) -> Probed:
        with self._server(url) as (client, there):
            return replace(client.probe(there), url=url)

    @contextmanager
    def _server(self, url: str) -> Iterator[tuple[Client, str]]:
        path = urlsplit(url).path

        def answer(handler: BaseHTTPRequestHandler) -> None:
            policy = path == "/.well-known/mta-sts.txt"
            body = self.policy.encode() if policy else b""
            handler.send_response_only(404 if policy and not body else self.status)
            if self.date:
                handler.send_header("Date", self.date)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        with site() as server:
            there = server.does(path, answer)
            yield Client(user_agent="bulletin test", local_hosts=(server.host,)), there


def outside(server: NameServer, pages: Pages | None = None) -> Outside:
    return Outside(dns=Dns([server.address]), web=pages or Pages(), now=lambda: NOW)


def judged(zone: Records, setup: whole.Setup = SETUP, pages: Pages | None = None) -> list[Line]:
    with dns_server(zone) as server:
        ways = outside(server, pages)
        return list(whole.lines(setup, ways.look, ways.fetch))


def changed(name: str, kind: str, *values: str) -> Records:
    zone = good_zone()
    zone.pop((name, kind), None)
    return {**zone, **({(name, kind): list(values)} if values else {})}


def worst(found: list[Line], start: str) -> Line:
    """The line about a thing that stands worst."""
    order = [State.FAIL, State.LOOK, State.PASS]
    about = [line for line in found if line.what.startswith(start)]
    assert about, f"{start}: {[line.what for line in found]}"
    return min(about, key=lambda line: order.index(line.state))


def test_domains_in_order_pass_in_everything() -> None:
    found = judged(good_zone())
    assert [line.what for line in found if line.state is not State.PASS] == []
    assert {line.rule for line in found} - {""} == ITEMS - {
        "B-02 TLS",
        "B-02 RFC 5322 format",
        "B-02 one-click unsubscribe",
    }


ELEVEN = " ".join(f"a:h{number}.relay.test" for number in range(11))
AT = "mail.harbour-trust.uk"


@pytest.mark.parametrize(
    ("name", "kind", "values", "wanted"),
    [
        (AT, "TXT", [], ("SPF", "fail", "has none")),
        (AT, "TXT", ["v=spf1 -all", "v=spf1 mx -all"], ("SPF", "fail", "2 records")),
        (AT, "TXT", ["v=spf1; mx -all"], ("SPF", "fail", "not an SPF record")),
        (AT, "TXT", ["v=spf1 mx +all"], ("SPF", "fail", "anybody")),
        (AT, "TXT", ["v=spf1 mx all"], ("SPF", "fail", "anybody")),
        (AT, "TXT", ["v=spf1 mx ?all"], ("SPF ending", "look", "forbids nobody")),
        (AT, "TXT", ["v=spf1 mx"], ("SPF ending", "look", "does not say")),
        (AT, "TXT", ["v=spf1 ip4:198.51.45.300 -all"], ("SPF", "fail", "no address")),
        (AT, "TXT", ["v=spf1 ip6:198.51.45.3 -all"], ("SPF", "fail", "other kind")),
        (AT, "TXT", ["v=spf1 includes:_spf.relay.test -all"], ("SPF", "fail", "not a term")),
        (AT, "TXT", ["v=spf1 include: -all"], ("SPF", "fail", "names no domain")),
        (AT, "TXT", ["v=spf1 mx/33 -all"], ("SPF", "fail", "too big")),
        (AT, "TXT", [f"v=spf1 {ELEVEN} -all"], ("SPF", "fail", "more than 10")),
        (AT, "TXT", [f"v=spf1 include:{AT} -all"], ("SPF", "fail", "back to itself")),
        (AT, "TXT", ["v=spf1 include:nobody.relay.test -all"], ("SPF", "fail", "no SPF record")),
        (AT, "TXT", ["v=spf1 a:x.test a:y.test a:z.test -all"], ("SPF", "fail", "lead to nothing")),
        (AT, "TXT", ["v=spf1 ptr -all"], ("SPF", "look", "given up")),
        (AT, "TXT", ["v=spf1 redirect=_spf.relay.test"], ("SPF ending", "pass", "-all")),
        (AT, "TXT", ["v=spf1 include:%{d}.relay.test -all"], ("SPF", "pass", "1 of 10")),
        (f"s1._domainkey.{AT}", "TXT", [], ("DKIM", "fail", "does not exist")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(512)], ("DKIM", "fail", "512 bits")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(1024)], ("DKIM", "look", "2048 are recommended")),
        (f"s1._domainkey.{AT}", "TXT", ["v=DKIM1; p="], ("DKIM", "fail", "withdrawn")),
        (f"s1._domainkey.{AT}", "TXT", ["v=DKIM1; k=rsa; p=!!!!"], ("DKIM", "fail", "damaged")),
        (f"s1._domainkey.{AT}", "TXT", ["v=DKIM1; p=AAAA"], ("DKIM", "fail", "damaged")),
        (f"s1._domainkey.{AT}", "TXT", ["hello"], ("DKIM", "fail", "not a key")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(2048, rest="t=y; ")], ("DKIM key", "look", "being tested")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(2048, rest="t=s; ")], ("DKIM", "pass", "2048 bits")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(2048, rest="h=sha1; ")], ("DKIM", "fail", "sha256")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(2048, rest="s=tlsrpt; ")], ("DKIM", "fail", "not for mail")),
        (f"s1._domainkey.{AT}", "TXT", [key_record(2048), key_record(1024)], ("DKIM", "fail", "2 records")),
        (f"s1._domainkey.{AT}", "TXT", ["k=ed25519; p=" + "A" * 43 + "="], ("DKIM", "fail", "Ed25519")),
        ("_dmarc.harbour-trust.uk", "TXT", [], ("DMARC", "fail", "no domain above")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=none"], ("DMARC policy", "look", "let through")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=none"], ("DMARC reports", "look", "asks for none")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=reject; sp=none"], ("DMARC policy", "look", "let through")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=all; rua=mailto:a@b.c"], ("DMARC policy", "look", "not know")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=reject; sp=all"], ("DMARC", "fail", "counts")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=dmarc1; p=reject"], ("DMARC", "fail", "counts")),
        ("_dmarc.mail.harbour-trust.uk", "TXT", ["p=reject"], ("DMARC", "pass", "holds for")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=reject; t=y"], ("DMARC policy", "look", "quarantine")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=reject; pct=20"], ("DMARC tags", "look", "no longer")),
        ("_dmarc.harbour-trust.uk", "TXT", ["v=DMARC1; p=reject", "v=DMARC1; p=none"], ("DMARC", "fail", "2 records")),
        (f"_dmarc.{AT}", "TXT", ["v=DMARC1; p=reject; sp=none"], ("DMARC sp", "look", "less protected")),
        (f"_dmarc.{AT}", "TXT", ["v=DMARC1; p=reject; np=none"], ("DMARC np", "look", "do not exist")),
        (f"_dmarc.{AT}", "TXT", ["v=DMARC1; p=reject; rua=mailto:x@reports.test"], ("DMARC reports", "look", "agreed")),
        ("harbour-trust.uk", "MX", ["0 ."], ("Answers by mail", "fail", "null MX")),
        ("harbour-trust.uk", "MX", [], ("Answers by mail", "fail", "no MX")),
        ("harbour-trust.uk", "MX", ["5 gone.harbour-trust.uk."], ("Answers by mail", "fail", "does not exist")),
        (AT, "MX", ["0 ."], ("Bounces", "look", "null MX")),
        ("_mta-sts.harbour-trust.uk", "TXT", [], ("MTA-STS", "look", "has none")),
        ("_mta-sts.harbour-trust.uk", "TXT", ["v=STSv1;"], ("MTA-STS", "look", "for nothing")),
        ("mta-sts.harbour-trust.uk", "A", [], ("MTA-STS", "look", "does not exist")),
        ("_smtp._tls.harbour-trust.uk", "TXT", [], ("TLS reports", "look", "asks for none")),
        ("_smtp._tls.harbour-trust.uk", "TXT", ["v=TLSRPTv1; rua="], ("TLS reports", "look", "nobody")),
        ("7.45.51.198.in-addr.arpa", "PTR", [], ("PTR", "fail", "198.51.45.7")),
        ("7.45.51.198.in-addr.arpa", "PTR", ["www.harbour-trust.uk."], ("PTR", "fail", "leads back")),
        ("mx.harbour-trust.uk", "A", ["10.1.2.3"], ("PTR", "look", "no public address")),
    ],
)  # fmt: skip
def test_each_fault_is_one_line_with_what_to_do(
    name: str, kind: str, values: list[str], wanted: tuple[str, str, str]
) -> None:
    """S-40, K-02 to K-08. Wanted are the start of the line, its state, and words in it."""
    start, state, said = wanted
    line = worst(judged(changed(name, kind, *values)), start)
    assert (line.state.value, said in line.what) == (state, True), line
    assert bool(line.hint) == (state != "pass")


def test_ten_look_ups_are_allowed_and_included_records_count() -> None:
    """K-06, RFC 7208 4.6.4: the eleventh may stand far below."""
    zone = good_zone()
    zone.update({(f"h{number}.relay.test", "A"): ["198.51.45.1"] for number in range(12)})
    eight = " ".join(f"a:h{number}.relay.test" for number in range(8))
    zone[AT, "TXT"] = [f"v=spf1 include:_spf.relay.test {eight} -all"]
    assert "(10 of 10 look-ups)" in judged(zone)[0].what
    zone["_spf.relay.test", "TXT"] = ["v=spf1 a:out.relay.test a:h9.relay.test -all"]
    assert "more than 10" in judged(zone)[0].what


def test_a_mail_service_that_the_record_leaves_out_fails() -> None:
    setup = whole.Setup(
        author=AT, bounces=AT, signing=AT, selectors=("s1",), spf_include="mailgun.org", service="Mailgun"
    )
    line = worst(judged(good_zone(), setup), "SPF")
    assert (line.state, "include:mailgun.org" in line.hint) == (State.FAIL, True)
    zone = changed(AT, "TXT", "v=spf1 include:mailgun.org -all")
    zone["mailgun.org", "TXT"] = ["v=spf1 ip4:198.51.45.0/24 ~all"]
    assert worst(judged(zone, setup), "SPF").state is State.PASS


def test_a_service_that_takes_bounces_itself_leaves_dkim_to_vouch_for_us() -> None:
    setup = whole.Setup(author=AT, bounces="", signing=AT, selectors=("s1",), service="Postmark")
    found = judged(good_zone(), setup)
    assert worst(found, "SPF").what.startswith("SPF: Postmark sees to it")
    assert worst(found, "Alignment").state is State.PASS
    unsigned = good_zone()
    del unsigned[f"s1._domainkey.{AT}", "TXT"]
    assert worst(judged(unsigned, setup), "Alignment").state is State.FAIL


def test_the_names_of_a_service_are_those_that_are_looked_at(tmp_path: Path) -> None:
    for provider, names in {
        "postmark": (AT, "", AT),
        'postmark"\n[providers.postmark]\nreturn_path = "Back.harbour-trust.uk': (AT, "back.harbour-trust.uk", AT),
        "resend": (AT, f"send.{AT}", AT),
        'notify"\n[providers.notify]\ntemplate_id = "x': ("notifications.service.gov.uk", "", None),
    }.items():
        (tmp_path / "bulletin.toml").write_text(SETTINGS.replace('provider = "outbox', f'provider = "{provider}'))
        setup, _ = setup_of(open_publication(tmp_path, {}))
        assert (setup.author, setup.bounces, setup.signing) == (*names[:2], names[2] or names[0])


def test_a_key_that_a_service_keeps_elsewhere_is_followed() -> None:
    zone = good_zone()
    zone["keys.relay.test", "TXT"] = zone.pop((f"s1._domainkey.{AT}", "TXT"))
    zone[f"s1._domainkey.{AT}", "CNAME"] = ["keys.relay.test"]
    assert worst(judged(zone), "DKIM").state is State.PASS


def test_one_good_key_is_enough_and_the_bad_one_is_named() -> None:
    setup = whole.Setup(author=AT, bounces=AT, signing=AT, selectors=("old", "s1"))
    found = judged(good_zone(), setup)
    assert next(line for line in found if line.rule == "B-02 DKIM").state is State.PASS
    assert worst(found, "DKIM key old").state is State.LOOK


@pytest.mark.parametrize(
    ("signing", "bounces", "policy", "state"),
    [
        (AT, AT, "v=DMARC1; p=reject", "pass"),
        ("harbour-trust.uk", "relay.test", "v=DMARC1; p=reject", "pass"),
        ("relay.test", "harbour-trust.uk", "v=DMARC1; p=reject", "pass"),
        ("relay.test", "relay.test", "v=DMARC1; p=reject", "fail"),
        ("harbour-trust.uk", "relay.test", "v=DMARC1; p=reject; adkim=s", "fail"),
        ("relay.test", "harbour-trust.uk", "v=DMARC1; p=reject; aspf=s", "fail"),
    ],
)
def test_something_must_vouch_for_the_senders_own_domain(signing: str, bounces: str, policy: str, state: str) -> None:
    """K-05."""
    zone = changed("_dmarc.harbour-trust.uk", "TXT", policy)
    for domain in ("harbour-trust.uk", "relay.test"):
        zone[f"s1._domainkey.{domain}", "TXT"] = [key_record(2048)]
        zone[domain, "TXT"] = ["v=spf1 ip4:198.51.45.7 -all"]
    setup = whole.Setup(author=AT, bounces=bounces, signing=signing, selectors=("s1",))
    assert worst(judged(zone, setup), "Alignment").state.value == state


def test_what_passes_nowhere_vouches_for_nobody() -> None:
    zone = changed(AT, "TXT")
    zone.pop((f"s1._domainkey.{AT}", "TXT"))
    assert worst(judged(zone), "Alignment").state is State.FAIL


@pytest.mark.parametrize(
    ("start", "published", "organisation", "holds"),
    [
        ("a.mail.example.com", {"example.com": "p=none"}, "example.com", "example.com"),
        ("a.b.x.uk", {"a.b.x.uk": "p=none", "x.uk": "p=none"}, "x.uk", "a.b.x.uk"),
        ("a.b.x.uk", {"b.x.uk": "p=none; psd=n", "x.uk": "p=none"}, "b.x.uk", "b.x.uk"),
        ("a.b.police.uk", {"police.uk": "p=none; psd=y", "b.police.uk": "p=reject"}, "b.police.uk", "b.police.uk"),
        ("a.b.police.uk", {"police.uk": "p=none; psd=y"}, "b.police.uk", "police.uk"),
        ("a.example.com", {"com": "p=none; psd=y", "example.com": "p=none"}, "example.com", "example.com"),
        ("example.com", {}, "example.com", None),
        ("1.2.3.4.5.6.7.8.9.x.uk", {"5.6.7.8.9.x.uk": "p=none"}, "5.6.7.8.9.x.uk", "5.6.7.8.9.x.uk"),
        ("1.2.3.4.5.6.7.8.9.x.uk", {"4.5.6.7.8.9.x.uk": "p=none"}, "1.2.3.4.5.6.7.8.9.x.uk", None),
    ],
)  # fmt: skip
def test_the_walk_up_finds_the_organisation(
    start: str, published: dict[str, str], organisation: str, holds: str | None
) -> None:
    """K-04, RFC 9989 4.10: eight names at most, no list of suffixes."""
    zone = {(f"_dmarc.{domain}", "TXT"): [f"v=DMARC1; {record}"] for domain, record in published.items()}
    with dns_server(zone) as server:
        walked = dmarc.walk(start, outside(server).look)
        assert len(server.asked) <= 8
    assert walked.organisation == organisation
    assert (walked.policy.domain if walked.policy else None) == holds


def test_a_domain_that_does_not_exist_gets_the_policy_for_those() -> None:
    walked = dmarc.Walk(
        "new.example.com",
        (dmarc.Policy("example.com", {"p": "none", "sp": "quarantine", "np": "reject"}),),
        "example.com",
    )
    assert dmarc.asked_for(walked, exists=False) == "reject"
    assert dmarc.asked_for(walked) == "quarantine"


def test_a_subdomain_without_any_record_gets_the_policy_for_those_that_do_not_exist() -> None:
    zone = {("_dmarc.x.uk", "TXT"): ["v=DMARC1; p=reject; np=none"], ("here.x.uk", "A"): ["198.51.45.1"]}
    with dns_server(zone) as server:
        look = outside(server).look
        for name, state in (("here.x.uk", State.PASS), ("gone.x.uk", State.LOOK)):
            assert worst(list(dmarc.lines(name, dmarc.walk(name, look), look)), "DMARC policy").state is state


@pytest.mark.parametrize(
    ("list_id", "state"),
    [
        ("notes.mail.harbour-trust.uk", State.PASS),
        ("notes.harbour-trust.uk", State.PASS),
        ("notes.other.uk", State.LOOK),
        ("notes.notharbour-trust.uk", State.LOOK),
    ],
)
def test_the_list_is_named_at_a_domain_of_ours(list_id: str, state: State) -> None:
    """L-12."""
    assert worst(judged(good_zone(), replace(SETUP, list_id=list_id)), "List-Id").state is state


def test_each_question_is_asked_once() -> None:
    with dns_server(good_zone()) as server:
        ways = outside(server)
        list(whole.lines(SETUP, ways.look, ways.fetch))
        assert len(server.asked) == len(set(server.asked))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("", "answered 404"),
        (POLICY.replace("enforce", "testing"), "not in force"),
        (POLICY.replace("*.harbour-trust.uk", "*.other.test"), "leaves out"),
        (POLICY.replace("*.harbour-trust.uk", "*.uk"), "leaves out"),
        (POLICY.replace("604800", "60"), "less than a day"),
        (POLICY.replace("604800", "99999999999"), "max_age"),
        (POLICY.replace("STSv1", "STSv2"), "version"),
        ("<html>", "version"),
    ],
)
def test_a_policy_for_the_way_in_is_read_as_others_would(policy: str, said: str) -> None:
    """K-08, RFC 8461."""
    line = worst(judged(good_zone(), pages=Pages(policy)), "MTA-STS")
    assert (line.state, said in line.what) == (State.LOOK, True), line


# ---------------------------------------------------------------- the publication as a whole


def home_with(folder: Path, *, provider: str = "", **environment: str) -> Publication:
    """The publication of the other tests with a key named. `provider` is a name, a colon, and the settings it needs."""
    text = SETTINGS.replace("[web]", 'dkim_selectors = ["s1"]\n\n[web]')
    name, _, more = provider.partition(":")
    if provider:
        text = text.replace('provider = "outbox"', f'provider = "{name}"') + more
    (folder / "bulletin.toml").write_text(text, encoding="utf-8")
    return open_publication(folder, environment)


def test_every_item_of_the_bulk_senders_rules_has_one_line(tmp_path: Path) -> None:
    """B-07: one line for each of B-02's items, for a publication in order as for one that is not."""
    for zone in (good_zone(), {("uk", "SOA"): good_zone()["uk", "SOA"]}):
        with dns_server(zone) as server:
            found = examine(home_with(tmp_path), outside(server))
        assert sorted(line.rule for line in found if line.rule) == sorted(ITEMS)


def test_what_fails_outside_is_only_worth_a_look_while_mail_goes_to_files(tmp_path: Path) -> None:
    with dns_server({("uk", "SOA"): good_zone()["uk", "SOA"]}) as server:
        found = examine(home_with(tmp_path), outside(server))
        assert State.FAIL not in [line.state for line in found]
        sends = home_with(tmp_path, provider='mailgun:\n[providers.mailgun]\ndomain = "mg.harbour-trust.uk"\n')
        found = examine(sends, outside(server))
    failed = {line.rule for line in found if line.state is State.FAIL}
    assert {"B-02 SPF", "B-02 DKIM", "B-02 DMARC", "B-02 From alignment"} <= failed


def test_the_domain_at_the_mail_service_is_the_one_that_is_looked_at(tmp_path: Path) -> None:
    home = home_with(tmp_path, provider='mailgun:\n[providers.mailgun]\ndomain = "mg.harbour-trust.uk"\n')
    setup, way = setup_of(home)
    assert (setup.author, setup.bounces, setup.signing) == (AT, "mg.harbour-trust.uk", "mg.harbour-trust.uk")
    assert way.service == "Mailgun"


@pytest.mark.parametrize("strict", [True, False])
def test_a_service_that_may_fall_back_to_clear_text_is_worth_a_look(tmp_path: Path, strict: bool) -> None:
    """S-43."""
    settings = f'mailgun:\n[providers.mailgun]\ndomain = "mg.harbour-trust.uk"\nrequire_tls = {str(strict).lower()}\n'
    with dns_server(good_zone()) as server:
        found = examine(home_with(tmp_path, provider=settings), outside(server))
    assert bool([line for line in found if line.what.startswith("TLS onwards")]) is not strict


def test_an_example_is_asked_about_nowhere(tmp_path: Path) -> None:
    (tmp_path / "bulletin.toml").write_text(SETTINGS.replace(AT, "bulletin.example.org"), encoding="utf-8")
    with dns_server(good_zone()) as server:
        found = examine(open_publication(tmp_path, {}), outside(server))
        assert server.asked == []
    assert worst(list(found), "Domain").state is State.LOOK


def test_an_example_for_answers_is_not_asked_about_either(tmp_path: Path) -> None:
    text = SETTINGS.replace("editors@harbour-trust.uk", "editors@example.com")
    (tmp_path / "bulletin.toml").write_text(text, encoding="utf-8")
    with dns_server(good_zone()) as server:
        examine(open_publication(tmp_path, {}), outside(server))
        assert server.asked
        assert not [name for name, _ in server.asked if name.endswith("example.com")]


def test_no_answer_at_all_is_one_line(tmp_path: Path) -> None:
    """A server that never answers costs one wait, not one for each question."""
    home = home_with(tmp_path)
    without = examine(home)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        ways = Outside(dns=Dns([f"127.0.0.1:{silent.getsockname()[1]}"], total=0.5), web=Pages(), now=lambda: NOW)
        found = examine(home, ways)
        packets = 0
        silent.setblocking(False)
        while True:
            try:
                silent.recv(2000)
            except BlockingIOError:
                break
            packets += 1
    more = [line for line in found if line not in without]
    assert [line.state for line in more] == [State.LOOK]
    assert "--offline" in more[0].hint
    assert packets <= 3


def test_a_server_that_knows_only_its_own_network_is_one_line(tmp_path: Path) -> None:
    home = home_with(tmp_path)
    without = examine(home)
    with dns_server({("intranet", "A"): ["10.0.0.1"]}) as server:
        more = [line for line in examine(home, outside(server)) if line not in without]
    assert [line.state for line in more] == [State.LOOK]
    assert "only its own network" in more[0].what


def test_one_failed_question_leaves_the_others(tmp_path: Path) -> None:
    with dns_server(good_zone(), refuse={f"s1._domainkey.{AT}"}) as server:
        ways = outside(server)
        found = list(whole.lines(SETUP, ways.look, ways.fetch))
    assert "could not be asked" in worst(found, "DKIM").what
    assert worst(found, "SPF").state is State.PASS
    assert worst(found, "DMARC").state is State.PASS


def test_a_rule_has_one_line_even_if_a_later_question_fails() -> None:
    """B-07."""
    zone = changed("_dmarc.harbour-trust.uk", "TXT", "v=DMARC1; p=reject; rua=mailto:x@reports.test")
    with dns_server(zone, refuse={"harbour-trust.uk._report._dmarc.reports.test"}) as server:
        ways = outside(server)
        found = list(whole.lines(SETUP, ways.look, ways.fetch))
    assert [line.state for line in found if line.rule == "B-02 DMARC"] == [State.PASS]
    assert "could not be asked" in worst(found, "DMARC:").what


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Wed, 20 May 2026 12:04:00 GMT", "agrees"),
        ("Wed, 20 May 2026 12:10:00 GMT", "10 minutes behind"),
        ("Wed, 20 May 2026 06:00:00 GMT", "6 hours ahead"),
        ("Wed, 20 May 2020 06:00:00 GMT", "days ahead"),
    ],
)
def test_the_clock_is_compared_with_the_web_server(tmp_path: Path, date: str, said: str) -> None:
    with dns_server(good_zone()) as server:
        found = examine(home_with(tmp_path), outside(server, Pages(date=date)))
    assert said in worst(list(found), "Clock").what


@pytest.mark.parametrize("date", ["", "yesterday", "Wed, 99 May 2026 99:00:00 GMT"])
def test_a_web_server_without_a_date_says_nothing_about_the_clock(tmp_path: Path, date: str) -> None:
    with dns_server(good_zone()) as server:
        found = examine(home_with(tmp_path), outside(server, Pages(date=date)))
    assert not [line for line in found if line.what.startswith("Clock")]


def test_pages_that_readers_are_led_to_must_answer(tmp_path: Path) -> None:
    zone = good_zone()
    zone.pop(("www.harbour-trust.uk", "A"))
    with dns_server(zone) as server:
        found = list(examine(home_with(tmp_path), outside(server, Pages(status=404))))
    assert "answers 404" in worst(found, "Archive, reached").what
    assert "no such host" in worst(found, "Privacy notice, reached").what


def test_a_page_is_asked_through_the_guarded_client() -> None:
    """Z-32: a name that leads to a private address is not opened, and here a real server stands there."""

    with site() as server, dns_server(good_zone()) as names:
        client = Client(user_agent="bulletin test", limits=Limits(connect=2, total=4))
        ways = Outside(dns=Dns([names.address]), web=client, now=lambda: NOW)
        with pytest.raises(NotAskedError, match="port"):
            ways.fetch(server.gives("/mta-sts.txt", POLICY))
        assert server.requests == []


def test_a_policy_that_is_led_on_from_does_not_count() -> None:
    """RFC 8461 3.3."""
    with site() as server, dns_server({}) as names:
        policy = server.gives("/policy.txt", POLICY)
        first = server.gives("/mta-sts.txt", status=302, headers={"Location": policy})
        client = Client(user_agent="bulletin test", local_hosts=(server.host,))
        ways = Outside(dns=Dns([names.address]), web=client, now=lambda: NOW)
        assert ways.fetch(policy) == POLICY
        with pytest.raises(NotAskedError, match="elsewhere"):
            ways.fetch(first)


def test_a_mail_server_without_protection_or_log_in_fails(tmp_path: Path) -> None:
    """K-07."""
    with mail_server() as server, dns_server(good_zone()) as names:
        for tls, state, said in (("none", State.LOOK, "clear text"), ("starttls", State.FAIL, "does not offer")):
            more = f'smtp:\n[providers.smtp]\nhost = "127.0.0.1"\nport = {server.port}\ntls = "{tls}"\n'
            line = worst(list(examine(home_with(tmp_path, provider=more), outside(names))), "TLS:")
            assert (line.state, line.rule, said in line.what) == (state, "B-02 TLS", True), line
        assert server.delivered == []


def test_a_mail_server_with_protection_and_log_in_passes(tmp_path: Path) -> None:
    """K-07: the certificate is checked, the password is tried, and nothing is sent."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with mail_server(tls=context, login=True) as server, dns_server(good_zone()) as names:
        for trust, password, state in (("ca.pem", "let me in", State.PASS), ("ca.pem", "let me out", State.FAIL)):
            more = (
                f'smtp:\n[providers.smtp]\nhost = "127.0.0.1"\nport = {server.port}\nuser = "bulletin"\n'
                f'ca_file = "{(tmp_path / trust).as_posix()}"\n'
            )
            home = home_with(tmp_path, provider=more, BULLETIN_SMTP_PASSWORD=password)
            line = worst(list(examine(home, outside(names))), "TLS:")
            assert (line.state, password in repr(line)) == (state, False), line
        assert server.delivered == []


def test_the_mailbox_for_bounces_and_opt_outs_is_tried_out(tmp_path: Path) -> None:
    """L-11: nothing in it is changed, and a mailbox that nobody reads is told of."""
    with imap_server(tmp_path) as server, dns_server(good_zone()) as names:
        server.put(b"Subject: x\r\n\r\n")
        settings = f'host = "localhost"\nport = {server.port}\nuser = "{USER}"\ndone_folder = "Done"\n'
        mailbox = f'outbox:\n[mailbox]\n{settings}ca_file = "{server.ca_file.as_posix()}"\n'
        for password, state in ((PASSWORD, State.PASS), ("wrong", State.LOOK)):
            home = home_with(tmp_path, provider=mailbox, BULLETIN_MAILBOX_PASSWORD=password)
            assert worst(list(examine(home, outside(names))), "Mailbox").state is state
        assert server.flags() == [set()]
        file = tmp_path / "bulletin.toml"
        text = file.read_text("utf-8").partition("[mailbox]")[0]
        file.write_text(text.replace("[sender]", '[sender]\nbounces = "bounces@harbour-trust.uk"'), "utf-8")
        line = worst(list(examine(open_publication(tmp_path, {}), outside(names))), "Mailbox")
        assert (line.state, "[mailbox]" in line.hint) == (State.LOOK, True)


def test_the_end_of_passwords_at_microsoft_is_told_in_time(tmp_path: Path) -> None:
    """B-09."""
    more = 'smtp:\n[providers.smtp]\nhost = "smtp.office365.com"\n'
    with_user = home_with(tmp_path, provider=f'{more}user = "notes"\n', BULLETIN_SMTP_PASSWORD="x")
    assert worst(list(examine(with_user)), "Log-in").state is State.LOOK
    assert not [line for line in examine(home_with(tmp_path, provider=more)) if line.what.startswith("Log-in")]


# ---------------------------------------------------------------- a message that arrived


@pytest.fixture(scope="module")
def signing_key() -> tuple[bytes, str]:
    """A private key, and the record of its public half."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


MESSAGE = (
    b"Date: Wed, 20 May 2026 12:00:00 +0000\r\nFrom: Harbour Notes <notes@mail.harbour-trust.uk>\r\n"
    b"To: <reader@example.org>\r\nSubject: News\r\nMessage-ID: <1@mail.harbour-trust.uk>\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://notes.harbour-trust.uk/unsubscribe/1_x>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nContent-Type: text/plain\r\n\r\nHello.\r\n"
)
COVERED = [b"from", b"subject", b"list-unsubscribe", b"list-unsubscribe-post"]


@pytest.mark.parametrize(
    ("headers", "arrives", "state", "said"),
    [
        (COVERED, b"Hello", "pass", "is valid"),
        (COVERED[:-1], b"Hello", "fail", "does not cover list-unsubscribe-post"),
        (COVERED, b"Hullo", "fail", "is not valid"),
        ([], b"Hello", "fail", "has none"),
    ],
)
def test_the_signature_of_a_message_that_arrived_is_proved(
    signing_key: tuple[bytes, str], headers: list[bytes], arrives: bytes, state: str, said: str
) -> None:
    """L-04."""
    private, record = signing_key
    signature = dkim.sign(MESSAGE, b"s1", AT.encode(), private, include_headers=headers) if headers else b""
    raw = signature + MESSAGE.replace(b"Hello", arrives)
    with dns_server({(f"s1._domainkey.{AT}", "TXT"): [record]}) as server:
        lines = list(message.signatures(raw, outside(server).look))
    assert [line.state.value for line in lines] == [state]
    assert said in lines[0].what


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"Subject: News\r\n", b"", "0 headers Subject"),
        (b"To: ", b"From: other@example.org\r\nTo: ", "2 headers From"),
        (b"Hello.", b"x" * 999, "998"),
        (b"Subject: News", b"Subject: N\xc3\xa9ws", "not plain"),
        (b"Wed, 20 May 2026 12:00:00 +0000", b"today", "Date"),
        (b"<1@mail.harbour-trust.uk>", b"1", "Message-ID"),
    ],
)
def test_a_message_that_is_out_of_form_fails(old: bytes, new: bytes, said: str) -> None:
    assert message.form(MESSAGE).state is State.PASS
    line = message.form(MESSAGE.replace(old, new))
    assert (line.state, said in line.what) == (State.FAIL, True), line


@pytest.mark.parametrize(
    ("old", "new"), [(b"https:", b"http:"), (b"=One-Click", b"=OneClick"), (b"List-Unsubscribe-Post", b"X-Post")]
)
def test_a_message_without_one_click_fails(old: bytes, new: bytes) -> None:
    """L-01, L-02."""
    assert message.one_click(MESSAGE).state is State.PASS
    assert message.one_click(MESSAGE.replace(old, new)).state is State.FAIL


def test_a_message_whose_reader_can_only_write_a_mail_to_leave_is_told_apart() -> None:
    """L-01, B-02: that is what the settings say, and no fault of whoever carried it."""
    link, post = (re.search(rb"(?m)^" + name + rb":.*\r?\n", MESSAGE) for name in LEAVING)
    assert link
    assert post
    by_mail = MESSAGE.replace(post[0], b"").replace(link[0], b"List-Unsubscribe: <mailto:leave@example.org>\r\n")
    line = message.one_click(by_mail)
    assert (line.state, line.what) == (State.FAIL, "One-click unsubscribe: readers can leave by mail only.")


LEAVING = (b"List-Unsubscribe", b"List-Unsubscribe-Post")


# ---------------------------------------------------------------- the command


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zone_less_pages = SETTINGS.replace("notes.harbour-trust.uk", "notes.example.org")
    text = zone_less_pages.replace("www.harbour-trust.uk", "www.example.org").replace(
        "[web]", 'dkim_selectors = ["s1"]\n\n[web]'
    )
    (tmp_path / "bulletin.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command_zone() -> Records:
    """Without the hosts of web pages: the command asks those through the system's own look-up."""
    return {key: value for key, value in good_zone().items() if not key[0].startswith("mta-sts.")}


def test_the_command_asks_the_named_server_and_tells_machines_the_rules(in_folder: Path) -> None:
    with dns_server(command_zone()) as server:
        done = CliRunner().invoke(cli, ["doctor", "--json", "--resolver", server.address], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert {entry["rule"] for entry in said} - {""} == ITEMS
    assert {entry["state"] for entry in said if entry["rule"] == "B-02 DMARC"} == {"pass"}
    assert done.exit_code == 0


def test_the_command_keeps_the_rules_of_bulk_senders_together(in_folder: Path) -> None:
    with dns_server(command_zone()) as server:
        done = CliRunner().invoke(cli, ["doctor", "--resolver", server.address], catch_exceptions=False)
    rules = done.stdout.partition("Gmail, Yahoo and Outlook")[2]
    assert len(re.findall(r"^[✓!✗]", rules, re.MULTILINE)) == len(ITEMS)


def test_a_message_that_arrived_is_looked_at_beside_the_rest(in_folder: Path) -> None:
    """L-04: unsigned, as it is here."""
    (in_folder / "test.eml").write_bytes(MESSAGE)
    with dns_server(command_zone()) as server:
        arguments = ["doctor", "--json", "--resolver", server.address, "--message", "test.eml"]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    said = [entry for entry in json.loads(done.stdout) if entry["what"].startswith("The message that arrived")]
    assert [entry["state"] for entry in said] == ["pass", "pass", "fail"]
    assert done.exit_code == 1


def test_a_message_cannot_be_proved_offline(in_folder: Path) -> None:
    (in_folder / "test.eml").write_bytes(MESSAGE)
    done = CliRunner().invoke(cli, ["doctor", "--offline", "--message", "test.eml"])
    assert done.exit_code == 2
    assert "--offline" in done.output


def test_offline_asks_nobody(in_folder: Path) -> None:
    with dns_server(command_zone()) as server:
        arguments = ["doctor", "--offline", "--json", "--resolver", server.address]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert server.asked == []
    assert "SPF" not in done.stdout


@pytest.mark.parametrize("address", ["dns.example.org", "127.0.0.1:99999", "127.0.0.1:x", "", "[::1", "1.2.3"])
def test_a_resolver_that_is_no_address_is_refused_with_a_hint(address: str) -> None:
    with pytest.raises(BulletinError, match="not the address") as caught:
        Dns([address])
    assert "--resolver" in caught.value.hint


# ---------------------------------------------------------------- whatever stands in a record

ANYTHING = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *(
                    "v=spf1",
                    "v=DMARC1",
                    "v=DKIM1",
                    "v=STSv1",
                    "v=TLSRPTv1",
                    ";",
                    " ",
                    "=",
                    ":",
                    "/",
                    "//",
                    "%{",
                    "}",
                    "-",
                ),
                *(
                    "p=",
                    "p=none",
                    "psd=y",
                    "psd=n",
                    "t=y",
                    "rua=mailto:",
                    "@",
                    "a.test",
                    "include:",
                    "redirect=",
                    "mx/",
                ),
                *(
                    "ip4:",
                    "ip6:",
                    "::1",
                    "+all",
                    "?all",
                    "exists:",
                    "a:",
                    "ptr",
                    "999",
                    "id=1",
                    "k=ed25519",
                    "MIIB",
                    "MAA=",
                ),
                *(
                    "h=",
                    "s=",
                    "²",
                    "8.8.8.8",
                    "2001:4860::1",
                    "::8.%{8",
                    "%x",
                    "0 .",
                    "٣",
                    "\x00",
                    "x" * 300,
                    ".",
                    "..",
                ),
            ]
        ),
        max_size=14,
    ).map("".join),
    st.binary(max_size=80).map(lambda data: f"v=DKIM1; p={base64.b64encode(data).decode()}"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANYTHING, max_size=3), st.lists(ANYTHING, max_size=3), ANYTHING)
def test_no_record_makes_the_doctor_raise(here: list[str], there: list[str], policy: str) -> None:
    """Every name has the same records of every kind, so that whatever is pointed to is followed."""

    def look(name: str, kind: str) -> Answer:
        return Answer(tuple(here if name.endswith("harbour-trust.uk") else there))

    found = list(whole.lines(SETUP, look, lambda url: policy))
    assert all(line.what and line.what.isprintable() for line in found)
    assert all(line.hint or line.state is State.PASS for line in found)


@settings(max_examples=200, deadline=None)
@given(ANYTHING, st.binary(max_size=300))
def test_no_text_makes_a_reader_raise(text: str, raw: bytes) -> None:
    spf.read(text)
    keys.read(text)
    tags(text)
    hosts.policy_trouble(text, ["mx.example.org"])
    for mail in (raw, MESSAGE.replace(b"News", raw), b"DKIM-Signature: " + raw + b"\r\n" + MESSAGE):
        message.form(mail)
        message.one_click(mail)
        list(message.signatures(mail, lambda name, kind: Answer((text,))))


@given(st.text(max_size=80))
@settings(max_examples=50, deadline=None)
def test_a_name_that_cannot_be_asked_for_does_not_exist(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        try:
            records, exists = Dns([f"127.0.0.1:{silent.getsockname()[1]}"], total=0.02).ask(name, "TXT")
        except NoAnswerError:
            return
    assert (records, exists) == ((), False)
