"""Stand-ins for mail services: local servers that take what a service takes, and hold it against its description.

One file for each provider. `start` runs one on a free port of this machine.
"""

from __future__ import annotations

import importlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator
from mailing import NOON

from bulletin.providers import Call

DATA = Path(__file__).parent.parent / "data/providers"
Answer = tuple[int, dict[str, str], str]
"""Status, headers and body."""


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Mail:
    """One reader's copy, as the service would send it."""

    address: str
    key: str
    subject: str
    html: str
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    """By name in small letters."""
    tracked: bool = False
    stream: str = ""
    """What the service calls the way that it goes, where it has several."""
    tested: bool = False
    """Whether the service was asked not to deliver it."""


class StandIn:
    """What was asked of a service, and what it sent.

    `script` holds what happens at the next calls: an answer; "answer" for its own; "drop", which hangs up; "take",
    which hangs up when everything is done; "hang", which does so after a while; "cut", which breaks off in the answer.
    """

    name: ClassVar[str]
    """Of the provider."""
    key: ClassVar[str] = "key-made-up-for-tests-0123456789"
    """The secret that no message may repeat."""
    settings: ClassVar[dict[str, Any]] = {}
    # What it can. A stand-in that says more than its provider, or less, fails the contract.
    events: ClassVar[bool] = False
    """Whether it lists what became of mails."""
    suppresses: ClassVar[bool] = True
    """Whether it keeps a list of its own of whom it does not write to."""
    adds: ClassVar[bool] = True
    """Whether we may put addresses on that list."""
    names_lists: ClassVar[bool] = True
    """Whether it sends `List-Id`."""
    looks_up: ClassVar[bool] = True
    """Whether it can be asked for one copy."""
    tells_quota: ClassVar[bool] = False
    knows_keys: ClassVar[bool] = False
    """Whether a call made again under its key is carried out once."""
    blocks_seconds: ClassVar[bool] = False
    """Whether it keeps a second mail of one mailing from a reader."""
    tells_later: ClassVar[bool] = False
    """Whether it takes any address, and reports bad ones later."""
    few_headers: ClassVar[bool] = False
    """Whether it sends no headers but those for unsubscribing."""
    signs: ClassVar[bool] = False
    """Whether it signs its reports."""
    signs_time: ClassVar[bool] = False
    """Whether the signature covers the time."""
    too_many: ClassVar[str] = "{}"
    """What it says with an answer 429."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.script: list[Answer | str] = []
        self.calls: list[Asked] = []
        self.mails: list[Mail] = []
        self.faults: list[str] = []
        self.listed: dict[str, str] = {}
        """Whom it does not write to, with the reason: bounce, complaint or unsubscribe."""
        self.reported: list[Any] = []
        """What it lists of what became of mails, in its own form."""
        self.now = NOON.timestamp()
        """The time by its clock."""

    # ---- what each service has its own of

    @property
    def environment(self) -> dict[str, str]:
        """Where the provider finds its secrets."""
        return {f"BULLETIN_{self.name.upper()}_KEY": self.key}

    @property
    def secrets(self) -> list[str]:
        """What no message may repeat."""
        return [value for name, value in self.environment.items() if "ACCESS_KEY_ID" not in name]

    def proved(self, asked: Asked) -> bool:
        """Whether the request holds our key."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Answer:
        """Its answer to a request that fits its description."""
        raise NotImplementedError

    refused: Answer = (401, {}, '{"message": "Forbidden"}')
    """Its answer to a wrong key."""
    nonsense: tuple[Answer, ...] = (
        (200, {}, "<html>Welcome</html>"),
        (200, {}, "[]"),
        (200, {}, "{}"),
        (200, {}, "null"),
        (202, {}, '{"message": 7}'),
    )
    """Answers that sound like success and confirm nothing."""

    # ---- reports

    @property
    def webhook_settings(self) -> dict[str, Any]:
        """What the provider needs in its settings to know its reports."""
        return {}

    webhook_environment: ClassVar[dict[str, str]] = {}
    webhook_kinds: ClassVar[tuple[str, ...]] = ("DELIVERED", "BOUNCED", "SOFT_BOUNCED", "COMPLAINED", "OTHER")
    """Those that it reports, by the names of `EventKind`."""

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        """What it says of an event, as JSON."""
        raise NotImplementedError

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        """A call to our webhook that says this, and proves where it comes from: by a secret, where it signs nothing."""
        secret = cls.webhook_environment[f"BULLETIN_{cls.name.upper()}_WEBHOOK"]
        url = f"https://bulletin.example.org/events/{cls.name}"
        return Call(headers={}, body=json.dumps(value).encode(), url=url, secret=secret)

    @classmethod
    def webhook(cls, kind: str, *, key: str, address: str, at: float) -> Call:
        """A report that proves where it comes from."""
        return cls.prove(cls.event(kind, key=key, address=address, at=at), at=at)

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        """The same report without its proof, or with a wrong one."""
        headers = [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic d3Jvbmc6d3Jvbmc="}]
        return [replace(good, secret=secret, headers=given) for secret in ("", "wrong") for given in headers]

    def report(self, kind: str, *, key: str, address: str, at: float) -> None:
        """Add to what it lists when it is asked for events."""
        raise NotImplementedError

    # ---- what all have in common

    @classmethod
    def source(cls) -> dict[str, str]:
        """Whose the description is."""
        found: dict[str, str] = json.loads((DATA / f"{cls.name}.json").read_text(encoding="utf-8"))["source"]
        return found

    @property
    def described(self) -> dict[str, Any]:
        """Its calls as it describes them itself."""
        calls: dict[str, Any] = json.loads((DATA / f"{self.name}.json").read_text(encoding="utf-8"))["calls"]
        return calls

    def value_of(self, asked: Asked, described: dict[str, Any]) -> Any:
        """The body of a request, for comparing it with the description."""
        return asked.json() if asked.body else None

    def faults_of(self, asked: Asked) -> list[str]:
        """What in a request does not fit the description."""
        for title in self.described:
            method, path = title.split(" ")
            if asked.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), asked.path):
                break
        else:
            return [f"there is no {asked.method} {asked.path}"]
        described = self.described[title]
        faults = [f"there is no parameter {name}" for name in asked.query if name not in described["query"]]
        for name, schema in described["query"].items():
            for given in asked.query.get(name, []):
                value = int(given) if schema.get("type") == "integer" and given.isdigit() else given
                faults += [error.message for error in Draft202012Validator(schema).iter_errors(value)]
        if "request" in described:
            given = asked.headers.get("content-type", "").partition(";")[0]
            if given != described["content_type"]:
                faults.append(f"{given} is not {described['content_type']}")
            validator = Draft202012Validator(described["request"])
            faults += [error.message for error in validator.iter_errors(self.value_of(asked, described))]
        elif asked.body:
            faults.append(f"{title} takes no body")
        return faults

    def take(self, asked: Asked) -> Answer:
        """Its answer to any request."""
        if not self.proved(asked):
            return self.refused
        self.calls.append(asked)
        self.faults += self.faults_of(asked)
        return self.answer(asked)

    def forget(self) -> None:
        """Forget what was sent, and that it was."""
        self.mails.clear()

    def own_id(self) -> str:
        """A new name for a mail, as services give them."""
        return f"m{len(self.mails)}"


def is_bad(address: str) -> bool:
    """Whether a service takes an address for no address."""
    return address.startswith("bad") or "@" not in address


def lowered(headers: dict[str, str]) -> dict[str, str]:
    """Headers by name in small letters, each of which stands once."""
    found = {name.lower(): value for name, value in headers.items()}
    assert len(found) == len(headers), "a header stands twice"
    return found


def load(name: str) -> type[StandIn]:
    """The stand-in for a provider."""
    module = importlib.import_module(f"standins.{name}")
    return next(
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, StandIn) and kind is not StandIn and kind.name == name
    )


NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


@contextmanager
def start(stand_in: StandIn) -> Iterator[StandIn]:
    """Run it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(
                method=self.command,
                path=parts.path,
                query=parse_qs(parts.query, keep_blank_values=True),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers["Content-Length"] or 0)),
            )
            scripted = stand_in.script.pop(0) if stand_in.script else None
            if isinstance(scripted, str) and scripted != "answer":
                if scripted == "take":
                    stand_in.take(asked)
                if scripted == "hang":
                    time.sleep(0.6)
                if scripted == "cut":
                    self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"message"')
                self.close_connection = True
                return
            self.reply(scripted if isinstance(scripted, tuple) else stand_in.take(asked))

        def reply(self, answer: Answer) -> None:
            status, headers, text = answer
            data = text.encode()
            self.send_response_only(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - names that the library gives

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stand_in.endpoint = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield stand_in
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
