"""Mailgun: one call for many readers, whose variables it fills in."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import json
import re
from dataclasses import replace
from email.utils import format_datetime
from typing import Any, ClassVar

from mailing import NOON

from bulletin.providers import Call
from standins import Answer, Asked, Mail, StandIn, is_bad


class Mailgun(StandIn):
    """See `StandIn`."""

    name = "mailgun"
    settings: ClassVar[dict[str, Any]] = {"domain": "news.example.org"}
    events = True
    signs = signs_time = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_MAILGUN_WEBHOOK": "signing-key-made-up"}
    webhook_kinds = ("DELIVERED", "DEFERRED", "BOUNCED", "BLOCKED", "COMPLAINED", "UNSUBSCRIBED", "OTHER")
    nonsense = (*StandIn.nonsense, (200, {}, '{"id": "<1@x>", "message": "Stored."}'))
    refused = (401, {}, '"Forbidden"')

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode()

    def faults_of(self, asked: Asked) -> list[str]:
        # The following pages of events have addresses of their own, as in the example of the description.
        return super().faults_of(replace(asked, path=re.sub("(/events)/[^/]+$", r"\1", asked.path)))

    def value_of(self, asked: Asked, described: dict[str, Any]) -> Any:
        if described["content_type"] != "multipart/form-data":
            return super().value_of(asked, described)
        head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
        fields: dict[str, Any] = {}
        for part in email.message_from_bytes(head + asked.body).get_payload():
            name = str(part.get_param("name", header="content-disposition"))  # type: ignore[union-attr]
            value = part.get_payload(decode=True).decode("utf-8")  # type: ignore[union-attr]
            if described["request"]["properties"].get(name, {}).get("type") == "array":
                fields.setdefault(name, []).append(value)
            else:
                assert name not in fields, f"{name} stands twice"
                fields[name] = value
        return fields

    def answer(self, asked: Asked) -> Answer:
        domain = "/v3/news.example.org"
        if asked.path == f"{domain}/messages":
            return self._send(self.value_of(asked, self.described["POST /v3/{domain_name}/messages"]))
        name = asked.path.removeprefix(f"{domain}/").partition("/")[0]
        if name == "events":
            return self._events(asked)
        if asked.method == "POST":
            self.listed |= {record["address"]: "unsubscribe" for record in asked.json()}
            return 200, {}, '{"message": "added"}'
        kind = {"bounces": "bounce", "complaints": "complaint", "unsubscribes": "unsubscribe"}[name]
        return self._page(asked, [{"address": address} for address, why in self.listed.items() if why == kind], name)

    def _send(self, fields: dict[str, Any]) -> Answer:
        if any(map(is_bad, fields["to"])):
            return 400, {}, json.dumps({"message": "to parameter is not a valid address. please check documentation"})
        variables = json.loads(fields["recipient-variables"])
        for address in fields["to"]:
            filled = {
                name: _filled(value, variables[address]) for name, value in fields.items() if isinstance(value, str)
            }
            headers = {name[2:].lower(): value for name, value in filled.items() if name.startswith("h:")}
            off = all(filled[name] == "no" for name in ("o:tracking", "o:tracking-clicks", "o:tracking-opens"))
            self.mails.append(
                Mail(
                    address=address,
                    key=filled["v:bulletin_key"],
                    subject=filled["subject"],
                    html=filled["html"],
                    text=filled["text"],
                    headers=headers,
                    tracked=not off,
                    tested=filled.get("o:testmode") == "yes",
                )
            )
        return 200, {}, json.dumps({"id": f"<{self.own_id()}@news.example.org>", "message": "Queued. Thank you."})

    def _events(self, asked: Asked) -> Answer:
        found = [_event("ACCEPTED", key=mail.key, address=mail.address, at=NOON.timestamp()) for mail in self.mails]
        for name, field in (("recipient", "recipient"), ("event", "event")):
            if name in asked.query:
                found = [event for event in found if event[field] == asked.query[name][0]]
        return self._page(asked, found + self.reported, "events")

    def _page(self, asked: Asked, items: list[Any], name: str) -> Answer:
        """Two items on a page, the next one behind the end of a path or of a query, as Mailgun has it."""
        tail = asked.path.partition(f"/{name}/")[2] or asked.query.get("page", ["0"])[0]
        start = int(tail)
        here = f"https://api.mailgun.example/v3/news.example.org/{name}"
        following = f"{here}/{start + 2}" if name == "events" else f"{here}?page={start + 2}&limit=2"
        return 200, {}, json.dumps({"items": items[start : start + 2], "paging": {"next": following}})

    def report(self, kind: str, *, key: str, address: str, at: float) -> None:
        self.reported.append(_event(kind, key=key, address=address, at=at))

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        return _event(kind, key=key, address=address, at=at)

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        signing = cls.webhook_environment["BULLETIN_MAILGUN_WEBHOOK"].encode()
        signed = hmac.new(signing, f"{at:.0f}a1b2c3".encode(), hashlib.sha256).hexdigest()
        signature = {"timestamp": f"{at:.0f}", "token": "a1b2c3", "signature": signed}
        body = json.dumps({"signature": signature, "event-data": value}).encode()
        return Call(headers={}, body=body, url="https://bulletin.example.org/events/mailgun")

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        body = good.body
        wrong = re.sub(rb'"signature": "\w{4}', b'"signature": "0000', body)
        return [replace(good, body=other) for other in (wrong, body.replace(b"a1b2c3", b"a1b2c4"), b"{}", b"[]", b"no")]


def _filled(text: str, values: dict[str, str]) -> str:
    """As Mailgun fills in: once, wherever it sees a name; what it does not know stays."""
    return re.sub(r"%recipient\.(\w+)%", lambda found: values.get(found[1], found[0]), text)


def _event(kind: str, *, key: str, address: str, at: float) -> dict[str, Any]:
    said: dict[str, Any] = {
        "ACCEPTED": {"event": "accepted"},
        "DELIVERED": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
        "DEFERRED": {"event": "failed", "severity": "temporary", "delivery-status": {"code": 452, "message": "later"}},
        "BOUNCED": {
            "event": "failed",
            "severity": "permanent",
            "reason": "bounce",
            "delivery-status": {"code": 550, "message": "5.1.1 No such mailbox"},
        },
        "BLOCKED": {
            "event": "failed",
            "severity": "permanent",
            "reason": "generic",
            "delivery-status": {"code": 550, "message": "5.7.1 Refused by policy"},
        },
        "COMPLAINED": {"event": "complained"},
        "UNSUBSCRIBED": {"event": "unsubscribed"},
        "OTHER": {"event": "opened"},
    }[kind]
    own = {"id": f"{kind}-{key}", "timestamp": at, "recipient": address, "user-variables": {"bulletin_key": key}}
    message = {"message": {"headers": {"message-id": "m1@news.example.org"}}}
    return {**own, **said, **message, "when": format_datetime(NOON)}
