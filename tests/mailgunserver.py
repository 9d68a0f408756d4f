"""A local server that takes Mailgun's send call, holds it against the published description and fills in variables."""

from __future__ import annotations

import base64
import email
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_DESCRIBED = json.loads((Path(__file__).parent / "data/providers/mailgun.json").read_text(encoding="utf-8"))
DESCRIPTION = _DESCRIBED["calls"]["POST /v3/{domain_name}/messages"]
KEY = "key-made-up"
Fields = dict[str, Any]


@dataclass
class MailgunServer:
    """What was asked and what was delivered; `script` holds answers for the next calls: status, headers, body."""

    endpoint: str = ""
    calls: list[Fields] = field(default_factory=list)
    delivered: dict[str, Fields] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    script: list[tuple[int, dict[str, str], str] | str] = field(default_factory=list)

    def take(self, path: str, authorization: str, content_type: str, body: bytes) -> tuple[int, dict[str, str], str]:
        """Mailgun's answer to one call."""
        expected = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
        if authorization != expected:
            return 401, {}, '"Forbidden"'
        if path != "/v3/news.example.org/messages":
            return 404, {}, json.dumps({"message": "Domain not found: news.example.org"})
        fields = _fields(content_type, body)
        self.faults += [error.message for error in Draft202012Validator(DESCRIPTION["request"]).iter_errors(fields)]
        self.calls.append(fields)
        if any(address.startswith("bad") for address in fields["to"]):
            return 400, {}, json.dumps({"message": "to parameter is not a valid address. please check documentation"})
        variables = json.loads(fields["recipient-variables"])
        for address in fields["to"]:
            self.delivered[address] = {
                name: _filled(value, variables[address]) for name, value in fields.items() if isinstance(value, str)
            }
        return 200, {}, json.dumps({"id": "<20240530.1@news.example.org>", "message": "Queued. Thank you."})


def _fields(content_type: str, body: bytes) -> Fields:
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: Fields = {}
    assert message.get_content_type() == DESCRIPTION["content_type"]
    for part in message.get_payload():
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        value = part.get_payload(decode=True).decode("utf-8")  # type: ignore[union-attr]
        if DESCRIPTION["request"]["properties"].get(name, {}).get("type") == "array":
            fields.setdefault(str(name), []).append(value)
        else:
            assert name not in fields, f"{name} stands twice"
            fields[str(name)] = value
    return fields


def _filled(text: str, values: dict[str, str]) -> str:
    """As Mailgun fills in: once, wherever it sees a name; what it does not know stays."""
    return re.sub(r"%recipient\.(\w+)%", lambda found: values.get(found[1], found[0]), text)


@contextmanager
def mailgun_server() -> Iterator[MailgunServer]:
    """The server on a free port of this machine."""
    server = MailgunServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            scripted = server.script.pop(0) if server.script else None
            if isinstance(scripted, str):
                if scripted == "hang":
                    time.sleep(0.7)
                self.close_connection = True
                return
            status, headers, text = scripted or server.take(
                self.path, self.headers["Authorization"], self.headers["Content-Type"], body
            )
            data = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.endpoint = f"http://127.0.0.1:{httpd.server_address[1]}"
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
