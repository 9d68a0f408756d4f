"""GOV.UK Notify: words for one reader, in which it reads some signs as headings, lists and links."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
from typing import Any, ClassVar

from standins import Answer, Asked, Mail, StandIn, is_bad

_SERVICE = "26785a09-ab16-4eb0-8407-a37497a57506"
_SECRET = "3d844edf-8d35-48ac-975b-e847b4f122b0"
_TEMPLATE = "9d751e0e-f929-4891-82a1-a3e1c3c18ee3"


class Notify(StandIn):
    """See `StandIn`."""

    name = "notify"
    key = f"made_up-{_SERVICE}-{_SECRET}"
    settings: ClassVar[dict[str, Any]] = {"template_id": _TEMPLATE}
    events = True
    suppresses = False
    tells_quota = True
    few_headers = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_NOTIFY_WEBHOOK": "token-of-the-callback"}
    webhook_kinds = ("DELIVERED", "BOUNCED", "SOFT_BOUNCED", "BLOCKED", "OTHER")
    nonsense = (*StandIn.nonsense, (201, {}, "{}"), (201, {}, '{"id": ""}'))
    refused = (403, {}, '{"errors": [{"error": "AuthError", "message": "Invalid token: API key not found"}]}')
    too_many = '{"errors": [{"error": "RateLimitError", "message": "Exceeded rate limit"}]}'

    @property
    def secrets(self) -> list[str]:
        return [_SECRET]

    def proved(self, asked: Asked) -> bool:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        words, _, signature = token.rpartition(".")
        expected = base64.urlsafe_b64encode(hmac.digest(_SECRET.encode(), words.encode(), hashlib.sha256))
        if scheme != "Bearer" or signature != expected.rstrip(b"=").decode():
            return False
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in words.split("."))
        assert head == {"typ": "JWT", "alg": "HS256"}
        return bool(claims["iss"] == _SERVICE and abs(claims["iat"] - self.now) <= 30)

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v2/notifications/email":
            return self._send(asked.json())
        if asked.path == f"/v2/template/{_TEMPLATE}":
            return 200, {}, json.dumps({"id": _TEMPLATE, "subject": "((subject))", "body": "((body))"})
        if "reference" in asked.query:
            found = [{"id": "n1", "status": "sending"} for mail in self.mails if [mail.key] == asked.query["reference"]]
            return 200, {}, json.dumps({"notifications": found, "links": {}})
        older = asked.query.get("older_than", [""])[0]
        start = next((number for number, item in enumerate(self.reported, 1) if item["id"] == older), 0)
        return 200, {}, json.dumps({"notifications": self.reported[start : start + 2], "links": {}})

    def _send(self, value: dict[str, Any]) -> Answer:
        assert value["template_id"] == _TEMPLATE
        if is_bad(value["email_address"]):
            error = {"error": "ValidationError", "message": "email_address Not a valid email address"}
            return 400, {}, json.dumps({"errors": [error], "status_code": 400})
        link, headers = value.get("one_click_unsubscribe_url"), {}
        if link:
            headers = {"list-unsubscribe": f"<{link}>", "list-unsubscribe-post": "List-Unsubscribe=One-Click"}
        self.mails.append(
            Mail(
                address=value["email_address"],
                key=value["reference"],
                subject=value["personalisation"]["subject"],
                html="",
                text=_read(value["personalisation"]["body"]),
                headers=headers,
            )
        )
        return 201, {}, json.dumps({"id": self.own_id(), "reference": value["reference"]})

    def report(self, kind: str, *, key: str, address: str, at: float) -> None:
        made = self.event(kind, key=key, address=address, at=at)
        self.reported.insert(0, {**made, "id": f"n-{address}", "email_address": made.pop("to")})

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        status = {
            "DELIVERED": "delivered",
            "BOUNCED": "permanent-failure",
            "SOFT_BOUNCED": "temporary-failure",
            "BLOCKED": "technical-failure",
            "OTHER": "sending",
        }[kind]
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        times = {"created_at": moment, "sent_at": moment, "completed_at": moment}
        return {"id": "n1", "reference": key, "to": address, "status": status, "notification_type": "email", **times}


def _read(words: str) -> str:
    """What Notify shows for these words; they must hold nothing that it reads as more than words."""
    shown = re.sub(r"(?m)^([ \t]*)\u2060\^", r"\1^", words)
    assert not re.search(r"(?m)^[ \t]*(#|>|\^|[*+-][ \t]|\d+[.)][ \t]|-{3}|\*{3})", words), words
    plain = re.sub(r"\\[\\`*{}\[\]()#+\-.!_>~|]", "", words)
    assert not re.search(r"[\\\[\]`]", plain), plain
    return re.sub(r"\\([\\`*{}\[\]()#+\-.!_>~|])", r"\1", shown)
