"""The one client and its guard, against real servers that behave badly."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme
from localweb import Site, client_for, site

from bulletin.guard import is_public
from bulletin.http import Client, FetchError, Validators


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as running:
        yield running


def reason_of(client: Client, url: str) -> str:
    """Why a fetch fails, in the client's words."""
    with pytest.raises(FetchError) as caught:
        client.get(url)
    assert str(caught.value) == f"{caught.value.url} {caught.value.reason}."
    assert "\n" not in caught.value.reason
    return caught.value.reason


# ---------------------------------------------------------------- what is sent


def test_f_01_a_request_says_who_asks_and_nothing_about_readers(web: Site) -> None:
    url = web.gives("/feed", "ok", headers={"Set-Cookie": "reader=1"})
    client = client_for(web)
    client.get(url)
    client.get(url)
    for headers in web.asked("/feed"):
        assert headers["user-agent"] == "bulletin/test (+https://example.org/)"
        assert headers["accept-encoding"] == "gzip"
        assert "cookie" not in headers
        assert "referer" not in headers


def test_f_02_validators_go_back_byte_for_byte(web: Site) -> None:
    modified = "Wed, 08 May 2024 09:00:00 GMT"
    url = web.gives("/feed", "ok", headers={"ETag": 'W/"a b"', "Last-Modified": modified})
    client = client_for(web)
    client.get(url, validators=client.get(url).validators)
    again = web.asked("/feed")[1]
    assert (again["if-none-match"], again["if-modified-since"]) == ('W/"a b"', modified)


def test_f_03_not_modified_is_an_answer_without_a_body(web: Site) -> None:
    url = web.gives("/feed", status=304)
    fetched = client_for(web).get(url, validators=Validators(url=url, etag='"1"'))
    assert fetched.not_modified
    assert fetched.body == b""


def test_f_03_not_modified_without_a_question_is_a_failure(web: Site) -> None:
    assert "304" in reason_of(client_for(web), web.gives("/feed", status=304))


def test_f_04_validators_go_only_to_the_address_that_gave_them(web: Site) -> None:
    start = web.gives("/old", status=302, headers={"Location": "/new"})
    web.gives("/new", "ok", headers={"ETag": '"new"'})
    client = client_for(web)
    fetched = client.get(start, validators=Validators(url=start, etag='"old"'))
    client.get(start, validators=fetched.validators)
    assert fetched.url == web.base + "/new"
    assert [headers.get("if-none-match") for headers in web.asked("/old")] == ['"old"', None]
    assert [headers.get("if-none-match") for headers in web.asked("/new")] == [None, '"new"']


# ---------------------------------------------------------------- limits


def test_f_10_a_body_that_drips_ends_at_the_deadline(web: Site) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    assert reason_of(client_for(web, total=0.4), web.does("/drip", drip)) == "took longer than 0.4 s"
    assert time.monotonic() - started < 2


def test_f_10_headers_that_drip_end_at_the_deadline(web: Site) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(100):
            handler.wfile.write(b"X-%d: y\r\n" % number)
            time.sleep(0.05)

    started = time.monotonic()
    assert reason_of(client_for(web, total=0.4), web.does("/drip", drip)) == "took longer than 0.4 s"
    assert time.monotonic() - started < 2


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(listening.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_f_10_a_server_that_says_nothing_ends_at_the_deadline_also_within_a_tls_handshake(scheme: str) -> None:
    with silent_server() as port:
        silent = Site(f"127.0.0.1:{port}", scheme)
        started = time.monotonic()
        assert reason_of(client_for(silent, total=0.4, connect=20), silent.base + "/") == "took longer than 0.4 s"
        assert time.monotonic() - started < 2


def test_f_10_a_body_of_50_mb_is_not_read_to_its_end(web: Site) -> None:
    sent = 0

    def pour(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        for _ in range(50):
            sent += handler.wfile.write(b"x" * 1_000_000)

    assert reason_of(client_for(web), web.does("/big", pour)) == "is larger than 10 MB"
    assert sent < 30_000_000


def test_z_36_a_gzip_bomb_stops_at_the_limit(web: Site) -> None:
    bomb = gzip.compress(bytes(60_000_000), 5)
    url = web.gives("/bomb", bomb, headers={"Content-Encoding": "gzip"})
    assert len(bomb) < 100_000
    assert reason_of(client_for(web, size=1_000_000), url) == "is larger than 1 MB"


def test_a_compressed_body_arrives_unpacked(web: Site) -> None:
    url = web.gives("/feed", gzip.compress(b"news " * 1000), headers={"Content-Encoding": "gzip"})
    assert client_for(web).get(url).body == b"news " * 1000


def test_a_body_that_only_claims_to_be_compressed_is_named(web: Site) -> None:
    url = web.gives("/feed", b"plain words", headers={"Content-Encoding": "gzip"})
    assert reason_of(client_for(web), url) == "sent something that cannot be unpacked"


def test_f_10_redirects_end_after_five(web: Site) -> None:
    url = web.gives("/round", status=302, headers={"Location": "/round"})
    assert reason_of(client_for(web), url) == "sends us on more than 5 times"
    assert len(web.asked("/round")) == 6


def test_a_broken_connection_is_named(web: Site) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    assert reason_of(client_for(web), web.does("/half", half)) == "broke off the connection"


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "asks for a password (401)"),
        (403, "refuses programs (403)"),
        (404, "answered 404: there is no such page"),
        (410, "answered 410: the page is gone for good"),
        (418, "answered 418, which is not a page"),
        (500, "has a fault of its own (500)"),
    ],
)
def test_f_11_a_refusal_is_said_in_words(web: Site, status: int, reason: str) -> None:
    assert reason_of(client_for(web), web.gives("/feed", status=status)) == reason


def test_f_07_a_wish_to_wait_is_reported_in_seconds(web: Site) -> None:
    url = web.gives("/feed", status=429, headers={"Retry-After": "120"})
    with pytest.raises(FetchError) as caught:
        client_for(web).get(url)
    assert caught.value.retry_after == 120
    assert caught.value.reason == "was asked too often (429), and asks us to wait 120 seconds"


def test_f_07_a_wish_to_wait_may_be_a_date(web: Site) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    url = web.gives("/feed", status=503, headers={"Retry-After": later})
    with pytest.raises(FetchError) as caught:
        client_for(web).get(url)
    assert caught.value.retry_after is not None
    assert 590 <= caught.value.retry_after <= 600


# ---------------------------------------------------------------- which addresses are opened


@pytest.mark.parametrize(
    "address",
    [
        *("0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "192.0.0.8"),
        *("192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1"),
        *("::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1", "255.255.255.255"),
    ],
)
def test_z_32_z_33_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_z_32_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://0x7f.1/", "http://2130706433/", "http://017700000001/"),
        *("http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "https://192.168.1.1/"),
        *("http://169.254.169.254/latest/", "http://metadata.google.internal/", "http://0/"),
    ],
)
def test_z_34_no_spelling_of_a_private_address_is_opened(url: str) -> None:
    assert reason_of(client_for(), url) == "leads to a private address"


def test_z_34_full_width_digits_are_no_address() -> None:
    assert reason_of(client_for(), "http://１２７.0.0.1/") == "cannot be read as a web address"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/", "is not a web address: it should start with https://"),
        ("file:///etc/passwd", "is not a web address: it should start with https://"),
        ("javascript:alert(1)", "is not a web address: it should start with https://"),
        ("https://", "names no host"),
        ("http://[", "cannot be read as a web address"),
        ("http://example.org:99999/", "cannot be read as a web address"),
        ("https://someone@example.org/", "holds a user name; addresses with one are not opened"),
        ("https://example.org:8080/", "uses port 8080; only the usual web ports are opened"),
    ],
)
def test_z_30_only_plain_web_addresses_are_opened(url: str, reason: str) -> None:
    assert reason_of(client_for(), url) == reason


def test_z_30_a_server_of_this_machine_is_asked_only_if_it_is_named(web: Site) -> None:
    url = web.gives("/feed", "ok")
    assert client_for(web).get(url).body == b"ok"
    assert "port" in reason_of(client_for(), url)
    assert web.requests == [("/feed", web.asked("/feed")[0])]


@pytest.mark.parametrize("target", ["http://127.0.0.1/", "http://localhost/admin", "//10.0.0.1/", "http://[::1]/"])
def test_z_35_a_redirect_does_not_lead_to_a_private_address(web: Site, target: str) -> None:
    url = web.gives("/feed", status=301, headers={"Location": target})
    assert reason_of(client_for(web), url) == "leads to a private address"


@pytest.mark.parametrize("target", ["javascript:alert(1)", "file:///etc/passwd", "", "http://["])
def test_z_35_a_redirect_to_no_address_is_named(web: Site, target: str) -> None:
    url = web.gives("/feed", status=301, headers={"Location": target})
    assert reason_of(client_for(web), url)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = Site(f"127.0.0.1:{closed.getsockname()[1]}", "http")
    assert reason_of(client_for(nobody), nobody.base + "/") == "does not accept connections"


# ---------------------------------------------------------------- TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with site(context) as running:
        yield running, str(tmp_path / "authority.pem")


def test_z_31_tls_still_checks_who_answers(secure: tuple[Site, str]) -> None:
    web, certificates = secure
    url = web.gives("/feed", "ok")
    assert reason_of(client_for(web), url) == "has a certificate that cannot be trusted"
    assert client_for(web, certificates=certificates).get(url).body == b"ok"


def test_z_31_a_certificate_for_another_name_is_refused_also_after_a_good_one(secure: tuple[Site, str]) -> None:
    web, certificates = secure
    url = web.gives("/feed", "ok")
    elsewhere = web.host.replace("127.0.0.1", "localhost")
    client = replace(client_for(web, certificates=certificates), local_hosts=(web.host, elsewhere))
    assert client.get(url).body == b"ok"
    assert reason_of(client, f"https://{elsewhere}/feed") == "has a certificate for another name"


def test_the_authorities_are_read_once_for_connections_of_many_threads(secure: tuple[Site, str]) -> None:
    """Reading them takes longer than everything else about asking a page."""
    web, certificates = secure
    url = web.gives("/feed", "ok")
    client = client_for(web, certificates=certificates)
    assert client.get(url).body == b"ok"
    Path(certificates).unlink()
    with ThreadPoolExecutor(16) as threads:
        assert {probed.status for probed in threads.map(lambda _: client.probe(url), range(64))} == {200}


def test_z_35_https_does_not_lead_back_to_http(secure: tuple[Site, str], web: Site) -> None:
    safe, certificates = secure
    plain = web.gives("/feed", "ok")
    url = safe.gives("/feed", status=301, headers={"Location": plain})
    assert (
        reason_of(client_for(safe, web, certificates=certificates), url)
        == "leads from a secure page to one that is not"
    )
    assert web.requests == []


def test_z_35_http_may_lead_to_https(secure: tuple[Site, str], web: Site) -> None:
    safe, certificates = secure
    url = web.gives("/feed", status=301, headers={"Location": safe.gives("/feed", "ok")})
    assert client_for(safe, web, certificates=certificates).get(url).url == safe.base + "/feed"


def test_nothing_of_the_environment_steers_a_fetch(web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    assert client_for(web).get(web.gives("/feed", "ok")).body == b"ok"


# ---------------------------------------------------------------- robots.txt


KEPT_OUT = "does not let programs open this page (robots.txt)"


@pytest.mark.parametrize(
    ("status", "rules", "reason"),
    [
        (200, "User-agent: *\nDisallow: /news", KEPT_OUT),
        (200, "User-agent: *\nDisallow: /*/print$\n", None),
        (200, "User-agent: *\nDisallow: /*/list$\n", KEPT_OUT),
        (200, "User-agent: *\nDisallow: /\nAllow: /news", None),
        (200, "User-agent: bulletin\nDisallow: /", KEPT_OUT),
        (200, "User-agent: somebody-else\nDisallow: /", None),
        (404, "", None),
        (403, "", None),
        (500, "", "cannot say whether programs may open it: its robots.txt has a fault of its own (500)"),
    ],
)
def test_f_09_robots_txt_decides_about_pages(web: Site, status: int, rules: str, reason: str | None) -> None:
    web.gives("/robots.txt", rules, status=status)
    client = client_for(web)
    for _ in range(2):
        assert robots_reason(client, web.base + "/news/list") == reason
    assert len(web.asked("/robots.txt")) == 1


def test_f_09_a_site_that_does_not_answer_is_not_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = Site(f"127.0.0.1:{closed.getsockname()[1]}", "http")
    assert robots_reason(client_for(nobody), nobody.base + "/news") == "does not accept connections"


def robots_reason(client: Client, url: str) -> str | None:
    """Why robots.txt keeps the page closed; None if it is open."""
    try:
        client.check_robots(url)
    except FetchError as error:
        return error.reason
    return None


# ---------------------------------------------------------------- asking without reading


def test_a_probe_tells_the_way_and_the_answer_and_reads_no_page(web: Site) -> None:
    web.gives("/end", b"x" * 5_000_000, headers={"Content-Type": "Text/HTML; charset=utf-8"})
    start = web.gives("/start", status=301, headers={"Location": "/end"})
    probed = client_for(web, size=1000).probe(start + "#part")
    assert (probed.url, probed.status, probed.permanent) == (web.base + "/end", 200, True)
    assert probed.content_type == "text/html"


@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 404, 410, 429, 500, 503, 999])
def test_a_probe_gives_any_answer_as_it_is(web: Site, status: int) -> None:
    probed = client_for(web).probe(web.gives("/page", status=status))
    assert (probed.status, probed.permanent) == (status, False)


def test_a_probe_knows_a_way_that_is_not_for_good(web: Site) -> None:
    web.gives("/c", "ok")
    web.gives("/b", status=302, headers={"Location": "/c"})
    assert not client_for(web).probe(web.gives("/a", status=301, headers={"Location": "/b"})).permanent


def test_z_35_a_probe_passes_the_guard_at_each_step(web: Site) -> None:
    for number, target in enumerate(("http://10.0.0.1/", "ftp://example.org/", "http://a:b@example.org/")):
        with pytest.raises(FetchError):
            client_for(web).probe(web.gives(f"/{number}", status=302, headers={"Location": target}))
    with pytest.raises(FetchError, match="more than 5 times"):
        client_for(web).probe(web.gives("/round", status=302, headers={"Location": "/round"}))


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/tudalen-gartref-Cymraeg-ŵ", "/tudalen-gartref-Cymraeg-%C5%B5"),
        ("/a%20b?c=d;e&f=%C5%B5", "/a%20b?c=d;e&f=%C5%B5"),
        ('/p\x1b[31m"<b>\u202e', "/p%1B[31m%22%3Cb%3E%E2%80%AE"),
    ],
)
def test_a_redirect_leads_to_what_the_server_means_in_signs_that_can_be_shown(
    web: Site, location: str, asked: str
) -> None:
    """Servers write UTF-8 into headers; what is shown on a terminal or written into a file holds no control signs."""
    web.gives(asked.replace("[", "%5B"), "ok")
    web.gives(asked, "ok")
    header = location.encode().decode("latin-1")
    probed = client_for(web).probe(web.gives("/old", status=301, headers={"Location": header}))
    assert (probed.url, probed.status) == (web.base + asked, 200)


def test_a_content_type_is_a_media_type_or_nothing(web: Site) -> None:
    url = web.gives("/page", "ok", headers={"Content-Type": "text/html\x1b[2J; charset=utf-8"})
    assert client_for(web).probe(url).content_type == ""


def test_f_10_headers_that_drip_until_the_deadline_are_no_answer(web: Site) -> None:
    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(60):
            handler.wfile.write(f"X-{number}: drip\r\n".encode())
            handler.wfile.flush()
            time.sleep(0.05)

    with pytest.raises(FetchError, match="took longer than"):
        client_for(web, total=0.5).probe(web.does("/drip", drips))
