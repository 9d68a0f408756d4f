"""Readers come, change their minds, see what is held and move: from the form to the mail and back, over real HTTP."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from mailserver import mail_server
from office import CONFIG, NOW, OURS, READER, SECRET, Office, ask, behind_a_proxy, field, forwarded, running
from sqlalchemy import Engine, func, select

from bulletin.cli.serve import warnings
from bulletin.config import AudienceSetting, Web
from bulletin.model import SubscriberState
from bulletin.stores import open_database
from bulletin.subscribers.consent import Cause
from bulletin.subscribers.desk import ASKED_AN_HOUR, MAILS_A_DAY, Asked, Desk, Wish
from bulletin.subscribers.mails import ServiceMails
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import read_bounce
from bulletin.tables import rate_limits, service_mails, web_requests

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
NEW = "new.reader@example.com"
PENDING, SUBSCRIBED, LEFT = SubscriberState.PENDING, SubscriberState.SUBSCRIBED, SubscriberState.UNSUBSCRIBED


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    with running(tmp_path, behind_a_proxy(), database_url) as opened:
        yield opened


def press(url: str, **fields: object) -> str:
    """Open a page and press a button on it; the page after that."""
    token = field(ask("GET", url).text, "form")
    answer = ask("POST", url, data={"form": token} | fields, headers=OURS)
    assert answer.status_code == 200, answer.text
    return answer.text


# ---------------------------------------------------------------- signing up


def test_p12_signing_up_needs_the_link_in_the_mail_and_a_button_behind_it(office: Office) -> None:
    """P-10, P-11, P-12, Z-09, Q-01, L-14: nothing before that; the evidence holds what the form said."""
    answer = office.sign_up(NEW, name="Siân Ŵyn", list=["events", "crew"])
    assert answer.status_code == 200
    assert "Check your email" in answer.text
    office.answer()
    assert office.state(NEW) is PENDING
    [letter] = office.letters(NEW)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Subject"] == "Please confirm: Harbour Bulletin"
    assert letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"] is None
    assert letter["From"] == "Harbour Bulletin <bulletin@example.org>"
    [confirm] = office.links_in(letter)

    assert "Yes, send me Harbour Bulletin" in ask("GET", confirm).text
    assert office.state(NEW) is PENDING
    assert "You have subscribed" in press(confirm)
    assert office.state(NEW) is SUBSCRIBED
    for again in (ask("GET", confirm).text, ask("POST", confirm, headers=OURS).text):
        assert "You have already confirmed" in again

    person = office.person(NEW)
    assert person.name == "Siân Ŵyn"
    held = office.subscribers.holding(NEW)
    assert [(row["what"], row["route"], row["list"]) for row in held["consents"]] == [
        ("signed up", "form", ""),
        ("confirmed", "mail", ""),
        ("joined list", "mail", "events"),
    ]
    said = held["consents"][0]
    assert said["wording"] == (
        "Send me Harbour Bulletin by email, once a month. Send me Events at the quay by email. A few times a year."
        " You can stop at any time, with the link in every email. Privacy notice: https://example.org/privacy"
    )
    assert said["wording_version"] == field(ask("GET", office.at("sign-up")).text, "wording")
    assert [row["list"] for row in held["lists"]] == ["events"], "nobody puts themselves on a list that is not public"


def test_z09_a_link_to_confirm_expires_after_7_days_and_with_leaving(office: Office) -> None:
    office.sign_up(NEW)
    office.answer()
    [confirm] = office.links_in(office.letters(NEW)[0])
    office.now = NOW + 7 * DAY
    assert "This link has expired" in ask("GET", confirm).text
    assert "This link has expired" in ask("POST", confirm, headers=OURS).text
    office.now = NOW + DAY
    office.subscribers.report(NEW, Cause.UNSUBSCRIBE, now=office.now, how="test")
    assert "This link has expired" in ask("POST", confirm, headers=OURS).text
    assert office.state(NEW) is LEFT


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"email": "nobody"}, "Write your email address"),
        ({"email": "a@example.com\r\nBcc: b@example.com"}, "Write your email address"),
        ({"email": f"{'a' * 250}@example.com"}, "Write your email address"),
        ({"name": "Ann\r\nBcc: b@example.com"}, "Write your name on one line"),
        ({"name": "=?utf-8?Q?a?=\u2028"}, "Write your name on one line"),
        ({"name": "n" * 121}, "at most 120 characters"),
        ({"consent": ""}, "Tick what you would like to get"),
        ({"wording": "of long ago"}, "changed meanwhile"),
    ],
)
def test_m10_a_form_with_mistakes_comes_back_with_what_was_typed(
    tmp_path: Path, fields: dict[str, str], says: str
) -> None:
    with running(tmp_path) as office:
        answer = office.sign_up(NEW, **{"name": "Ann", **fields})
        assert answer.status_code == 400
        assert says in answer.text
        assert "Error: Get Harbour Bulletin" in answer.text
        office.answer()
        assert not office.letters()
        assert office.state(NEW) is None


def test_z05_every_address_gets_the_same_page_and_only_the_mail_differs(office: Office) -> None:
    """Z-05: new, known, gone, complained, erased, and one that nobody can have."""
    for address, cause in (("gone@example.com", Cause.UNSUBSCRIBE), ("cross@example.com", Cause.COMPLAINT)):
        office.subscribers.report(address, cause, now=NOW, how="test")
    office.subscribers.erase("erased@example.com", now=NOW)
    everybody = [NEW, READER, "gone@example.com", "cross@example.com", "erased@example.com", "a@b..invalid", "ŵ@ŷ.test"]
    for page in ("sign-up", "links"):
        answers = []
        for number, address in enumerate(everybody):
            client = forwarded(f"192.0.2.{number}")
            form = ask("GET", office.at(page)).text
            sent = {"email": address, "consent": "yes", "form": field(form, "form")}
            if page == "sign-up":
                sent["wording"] = field(form, "wording")
            answers.append(ask("POST", office.at(page), data=sent, headers={**OURS, **client}))
        assert len({(answer.status_code, answer.text, str(sorted(answer.headers))) for answer in answers}) == 1
    office.answer()
    subjects = {address: sorted(letter["Subject"] for letter in office.letters(address)) for address in everybody}
    confirm = ["Please confirm: Harbour Bulletin"]
    assert subjects == {
        NEW: confirm,
        READER: ["You already get Harbour Bulletin", "Your links for Harbour Bulletin"],
        "gone@example.com": [*confirm, "Your links for Harbour Bulletin"],
        "cross@example.com": confirm,
        "erased@example.com": confirm,
        "a@b..invalid": [],
        "ŵ@ŷ.test": [],
    }


def test_z04_a_client_has_five_sign_ups_an_hour_whatever_it_claims_to_be(office: Office) -> None:
    """Z-04, Z-16: over the limit the page is the same; it is stored, so it holds for all processes and restarts."""
    answers = [
        office.sign_up(f"flood{number}@example.com", client=f"203.0.113.{number}, 198.51.100.7")
        for number in range(ASKED_AN_HOUR + 3)
    ]
    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    with office.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(web_requests)) == ASKED_AN_HOUR
        kept = connection.execute(select(rate_limits)).all()
        assert "198.51.100.7" not in str(kept)
    office.sign_up("other@example.com", client="198.51.100.8")
    office.now += HOUR + dt.timedelta(minutes=1)
    office.sign_up("later@example.com", client="198.51.100.7")
    office.answer()
    assert len(office.letters()) == ASKED_AN_HOUR + 2


def test_z16_nobody_says_who_is_asking_unless_trusted(tmp_path: Path) -> None:
    with running(tmp_path) as office:
        for number in range(ASKED_AN_HOUR + 3):
            office.sign_up(f"flood{number}@example.com", client=f"198.51.100.{number}")
        office.answer()
        assert len(office.letters()) == ASKED_AN_HOUR


def test_z04_the_64_bits_of_an_ipv6_network_are_one_client(office: Office) -> None:
    for number in range(ASKED_AN_HOUR + 3):
        office.sign_up(f"flood{number}@example.com", client=f"2001:db8:1:2::{number:x}")
    office.answer()
    assert len(office.letters()) == ASKED_AN_HOUR


def test_z04_an_address_gets_three_mails_a_day(office: Office) -> None:
    for number in range(MAILS_A_DAY + 3):
        assert office.sign_up(NEW, client=f"198.51.100.{number}").status_code == 200
    office.answer()
    assert len(office.letters(NEW)) == MAILS_A_DAY
    office.now += DAY + HOUR
    links = [office.links_in(letter)[0] for letter in office.letters(NEW)]
    assert "You have subscribed" in press(links[1])
    assert "You have already confirmed" in ask("GET", links[0]).text


# ---------------------------------------------------------------- the reader's own pages


def test_a_reader_chooses_lists_topics_language_and_a_pause(office: Office) -> None:
    """P-10: coming to a list and leaving it are in the consent history."""
    page = ask("GET", office.preferences).text
    assert "Events at the quay" in page
    assert "Crew" not in page
    fields = {"choice": "save", "list": "events", "topic": ["boats", "made-up"], "language": "cy"}
    saved = press(office.preferences, **fields, pause="2024-07-01")
    assert "Mae’ch dewisiadau wedi’u cadw" in saved, "from now on in the language that was chosen"
    assert "1 Gorffennaf 2024" in saved
    person = office.person(READER)
    assert (person.topics, person.language) == (("boats",), "cy")
    assert person.paused_until == dt.datetime(2024, 6, 30, 23, tzinfo=dt.UTC), "midnight in London"
    assert office.desk.lists_of(person.id) == {"events"}

    press(office.preferences, choice="save", pause="", language="en-GB")
    person = office.person(READER)
    assert (person.topics, person.language, person.paused_until) == ((), "", None)
    assert office.desk.lists_of(person.id) == frozenset()
    assert [what for what, _ in office.history()][-2:] == ["joined list", "left list"]


@pytest.mark.parametrize("pause", ["2024-06-01", "2023-01-01", "2026-01-01", "tomorrow", "0000-00-00", "9" * 99])
def test_a_pause_that_cannot_be_is_named_and_nothing_is_changed(tmp_path: Path, pause: str) -> None:
    with running(tmp_path) as office:
        form = {"choice": "save", "topic": "boats", "pause": pause}
        answer = ask("POST", office.preferences, data=form, headers=OURS)
        assert answer.status_code == 400
        assert "Choose a day after today" in answer.text
        assert office.person(READER).topics == ()


def test_who_bounced_or_complained_is_not_brought_back_by_a_button(office: Office) -> None:
    office.subscribers.report(READER, Cause.COMPLAINT, now=NOW, how="test")
    page = ask("GET", office.preferences).text
    assert "You are not subscribed." in page
    assert "again</button>" not in page
    answer = ask("POST", office.preferences, data={"choice": "stay"}, headers=OURS)
    assert "Done" not in answer.text
    assert office.state(READER) is SubscriberState.COMPLAINED


def test_z09_what_is_held_is_shown_behind_a_fresh_link_for_24_hours(office: Office) -> None:
    """P-24: the whole of it, to read and for programs; the name can be corrected."""
    assert READER not in press(office.preferences, choice="data")
    office.answer()
    preferences, data = office.links_in(office.letters(READER)[0])
    assert preferences == office.preferences
    assert READER in ask("GET", data).text
    text = ask("GET", f"{data}/held.txt")
    assert text.headers["content-disposition"] == 'attachment; filename="held-about-you.txt"'
    assert f"email: {READER}" in text.text
    held = json.loads(ask("GET", f"{data}/held.json").text)
    assert held["reader"]["email"] == READER
    assert [row["what"] for row in held["consents"]] == ["subscribed"]
    assert data.rpartition("/")[2] not in text.text, "a copy lets nobody in"

    assert "We hold what you wrote" in press(data, choice="correct", name="Ann Ŵyn", organisation="=SUM(1)", role="PC")
    person = office.person(READER)
    assert (person.name, person.organisation, person.role) == ("Ann Ŵyn", "=SUM(1)", "PC")
    office.now = NOW + 2 * DAY
    for page in (data, f"{data}/held.txt", f"{data}/held.json"):
        assert ask("GET", page).status_code == 404
    assert ask("POST", data, data={"choice": "correct", "name": "x"}, headers=OURS).status_code == 404


def test_z17_a_new_address_is_confirmed_and_the_old_one_is_told(office: Office) -> None:
    press(office.preferences, choice="data")
    office.answer()
    data = office.links_in(office.letters(READER)[0])[1]
    assert "Check" not in press(data, choice="address", email=NEW.upper())
    office.answer()
    [letter] = office.letters(NEW)
    [confirm] = office.links_in(letter)
    assert "Yes, use this address" in ask("GET", confirm).text
    assert office.state(NEW) is None

    assert "Your address was changed" in press(confirm)
    assert office.state(NEW) is SUBSCRIBED
    assert office.state(READER) is None
    assert office.person(NEW).id == office.reader.id
    office.answer()
    assert office.letters(READER)[-1]["Subject"] == "Your address for Harbour Bulletin was changed"
    assert NEW not in str(office.letters(READER)[-1])
    assert "Your address was changed" in ask("GET", confirm).text
    assert office.history()[-1] == ("new address", "link mailed to the new address")


def test_z17_nobody_takes_over_the_address_of_another_reader(office: Office) -> None:
    office.subscribers.add([("other@example.com", "", "")], now=NOW, how="test")
    press(office.preferences, choice="data")
    office.answer()
    data = office.links_in(office.letters(READER)[0])[1]
    before = press(data, choice="address", email=NEW)
    assert "Done" in before or "we have sent an email" in before
    taken = press(data, choice="address", email="other@example.com")
    assert "we have sent an email" in taken
    office.answer()
    assert [letter["Subject"] for letter in office.letters("other@example.com")] == ["Your links for Harbour Bulletin"]
    # The new one is taken by somebody else before the link is used.
    [confirm] = office.links_in(office.letters(NEW)[0])
    office.subscribers.add([(NEW, "", "")], now=NOW, how="test")
    assert "This link has expired" in press(confirm)
    assert office.person(READER).id == office.reader.id


# ---------------------------------------------------------------- the mails


def test_a_crash_before_or_while_mailing_loses_no_mail_and_doubles_none(office: Office) -> None:
    """A wish that was answered with a page is on the disk; a mail that was being offered is settled, not guessed."""
    office.sign_up(NEW)
    office.sign_up("second@example.com")
    with office.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(web_requests)) == 2
    office.desk.answer(NOW)
    claimed = office.mails.claim(NOW)
    assert claimed is not None
    assert office.mails.claim(NOW) != claimed, "nobody else gets it"
    # The process dies here. Where the provider knows keys it is offered again, else nobody is mailed twice.
    assert office.mails.settle(NOW + HOUR, same_key=False) == 2
    assert office.mails.counts() == {"unknown": 2}
    assert office.mails.claim(NOW + HOUR) is None
    office.sign_up("third@example.com")
    office.desk.answer(NOW)
    third = office.mails.claim(NOW)
    assert third is not None
    assert office.mails.settle(NOW + HOUR, same_key=True) == 1
    assert office.mails.claim(NOW + HOUR) == third


def test_mails_wait_for_a_provider_that_is_away_and_are_sent_once(tmp_path: Path) -> None:
    with mail_server() as server:
        port = server.port
        config = replace(
            CONFIG,
            sending=replace(CONFIG.sending, provider="smtp"),
            providers={"smtp": {"host": "127.0.0.1", "port": port, "tls": "none"}},
        )
        with running(tmp_path, config) as office:
            office.home.config.providers["smtp"]["port"] = 1
            office.sign_up(NEW)
            office.answer()
            assert office.mails.counts() == {"waiting": 1}
            office.home.config.providers["smtp"]["port"] = port
            office.answer()
            assert server.delivered == [], "not before its time"
            with office.engine.begin() as connection:
                connection.execute(service_mails.update().values(due_at=NOW))
            office.answer()
            office.answer()
            assert server.delivered == [NEW]
            assert office.mails.counts() == {"accepted": 1}


def test_v01_what_comes_back_from_a_new_address_counts_for_nobody(tmp_path: Path) -> None:
    """V-01: a slip in the new address, or an old one that is closed, must not end the subscription."""
    with mail_server() as server:
        config = replace(
            CONFIG,
            sender=replace(CONFIG.sender, bounces="bounces@bounce.example.org"),
            sending=replace(CONFIG.sending, provider="smtp"),
            providers={"smtp": {"host": "127.0.0.1", "port": server.port, "tls": "none"}},
        )
        with running(tmp_path, config) as office:
            for wish in (Wish(what=Asked.LINKS, email=READER), Wish(what=Asked.SIGN_UP, email="a@example.com")):
                office.desk.take(wish, client="", now=NOW)
            move = Wish(what=Asked.ADDRESS, subscriber=office.reader.id, email=NEW)
            office.desk.take(move, client="", now=NOW)
            office.answer()
            found = {to: read_bounce(SECRET, sender.partition("@")[0]) for sender, (to,) in server.envelopes}
            assert found[READER] == ("", office.reader.id)
            assert found["a@example.com"] == ("", office.person("a@example.com").id)
            nobody = found[NEW]
            assert nobody is not None
            assert office.subscribers.get(nobody[1]) is None


def test_erasing_takes_waiting_wishes_and_mails_along(office: Office) -> None:
    """P-22"""
    office.sign_up(NEW)
    office.desk.answer(NOW)
    office.desk.take(Wish(what=Asked.LINKS, email=NEW), client="", now=NOW)
    assert office.subscribers.holding(NEW)["service_mails"][0]["address"] == NEW
    office.subscribers.erase(NEW, now=NOW)
    with office.engine.connect() as connection:
        for table in (web_requests, service_mails):
            assert connection.execute(select(table)).all() == []


def test_p12_what_nobody_confirmed_is_forgotten_without_anybody_asking(office: Office) -> None:
    """P-12: the mail says so; who confirmed stays, and so do the counts that still matter."""
    office.sign_up(NEW, client="198.51.100.1")
    office.sign_up("second@example.com", client="198.51.100.2")
    office.answer()
    press(office.links_in(office.letters("second@example.com")[0])[0])
    office.subscribers.report("gone@example.com", Cause.UNSUBSCRIBE, now=NOW, how="test")
    office.sign_up("gone@example.com", client="198.51.100.3")
    office.answer()
    office.forget()
    assert office.state(NEW) is PENDING
    assert office.subscribers.find("gone@example.com")
    assert office.mails.counts() == {"accepted": 3}
    office.now = NOW + 8 * DAY
    office.forget()
    assert office.state(NEW) is None
    assert office.subscribers.holding(NEW) == {}
    assert office.subscribers.find("gone@example.com") is None
    assert office.state("gone@example.com") is LEFT, "what keeps them from being written to stays"
    assert office.person(READER).state is SUBSCRIBED
    assert office.state("second@example.com") is SUBSCRIBED
    assert not office.mails.counts()
    with office.engine.connect() as connection:
        assert connection.execute(select(rate_limits)).all() == []


def test_several_processes_answer_each_wish_once(office: Office) -> None:
    """Two desks and two mailers on one database, at the same moment."""
    for number in range(20):
        wish = Wish(what=Asked.SIGN_UP, email=f"new{number}@example.com")
        office.desk.take(wish, client=f"198.51.100.{number}", now=NOW)
    engines = [open_database(office.engine.url.render_as_string(hide_password=False)) for _ in range(3)]
    claimed: list[str] = []

    def work(engine: Engine) -> None:
        Desk(engine, SECRET, Subscribers(engine, SECRET)).answer(NOW)
        mails = ServiceMails(engine)
        while mail := mails.claim(NOW):
            claimed.append(mail.address)

    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, engines))
        work(engines[0])
    finally:
        for engine in engines:
            engine.dispose()
    assert sorted(claimed) == sorted(f"new{number}@example.com" for number in range(20))


FORCES = replace(
    CONFIG,
    audiences=(
        AudienceSetting(id="detectives", title="Detectives", roles=("Detective",)),
        AudienceSetting(id="forces", title="Forces", domains=("force.example.org",)),
    ),
)


def test_s26_nobody_comes_to_read_what_is_kept_for_some_by_their_own_word(tmp_path: Path) -> None:
    """S-26: a role that decides who reads what is not theirs to write, and does not follow to an unknown address."""
    with running(tmp_path, FORCES) as office:
        press(office.preferences, choice="data")
        office.answer()
        data = office.links_in(office.letters(READER)[0])[1]
        assert 'name="role"' not in ask("GET", data).text
        press(data, choice="correct", name="Ann", organisation="Harbour Office", role="Detective")
        person = office.person(READER)
        assert (person.name, person.organisation, person.role) == ("Ann", "Harbour Office", "")

        office.desk.correct(person.id, {"role": "Detective"})  # by the publisher, who knows
        assert "we have sent an email" in press(data, choice="address", email="private@mail.example.net")
        press(data, choice="address", email="ann@example.com")
        office.answer()
        assert office.letters("private@mail.example.net") == []
        assert len(office.letters("ann@example.com")) == 1, "at the same domain"


# ---------------------------------------------------------------- the command


def test_bulletin_serve_answers_by_itself_and_ends_when_told(tmp_path: Path) -> None:
    (tmp_path / "bulletin.toml").write_text(
        'name = "Harbour Bulletin"\n[organisation]\nname = "Harbour"\npostal_address = "1 Quay"\n'
        '[sender]\nname = "Harbour"\naddress = "bulletin@example.org"\n'
        '[web]\narchive_url = "https://news.example.org/"\n',
        "utf-8",
    )
    command = [sys.executable, "-m", "bulletin", "serve", "--port", "0"]
    environment = {**os.environ, "BULLETIN_SECRET": SECRET.decode()}
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout
        said = list(itertools.takewhile(lambda line: "People sign up at" not in line, server.stdout))
        assert "trusted_proxies" in said[0], "all would seem to be one client"
        port = re.search(r"127\.0\.0\.1:(\d+)", said[-1])
        assert port
        url, host = f"http://127.0.0.1:{port[1]}/sign-up", {"Host": "news.example.org"}
        page = ask("GET", url, headers=host).text
        sent = {"email": NEW, "consent": "yes", "wording": field(page, "wording")}
        assert ask("POST", url, data=sent, headers={**host, **OURS}).status_code == 200
        outbox = tmp_path / ".bulletin" / "outbox" / "service"
        for _ in range(200):
            if list(outbox.glob("*.eml")):
                break
            time.sleep(0.05)
        assert len(list(outbox.glob("*.eml"))) == 1
        server.send_signal(signal.SIGTERM)
        rest = server.stdout.read()
        assert server.wait(20) in {0, -signal.SIGTERM}
        assert "Traceback" not in rest
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    ("url", "proxies", "host", "says"),
    [
        ("https://news.example.org/", ("127.0.0.1",), "127.0.0.1", []),
        ("https://news.example.org/", (), "127.0.0.1", ["seem to come from one client"]),
        ("https://news.example.org/", (), "0.0.0.0", ["plain http"]),  # noqa: S104 - what the warning is about
        ("http://news.example.org/", ("127.0.0.1",), "127.0.0.1", ["does not start with https://"]),
    ],
)
def test_serve_says_what_is_likely_to_be_wrong(url: str, proxies: tuple[str, ...], host: str, says: list[str]) -> None:
    found = warnings(replace(CONFIG, web=Web(archive_url=url, trusted_proxies=proxies)), host)
    assert len(found) == len(says)
    assert all(words in warning for words, warning in zip(says, found, strict=True))
