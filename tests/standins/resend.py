"""Resend: finished messages in a list, carried out once under the key of the call."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
from dataclasses import replace
from typing import Any, ClassVar

from bulletin.providers import Call
from standins import Answer, Asked, Mail, StandIn, is_bad, lowered

_SIGNING = base64.b64encode(b"made-up-signing-secret-of-svix").decode()


class Resend(StandIn):
    """See `StandIn`."""

    name = "resend"
    events = True
    looks_up = False
    tells_quota = True
    knows_keys = True
    signs = signs_time = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_RESEND_WEBHOOK": f"whsec_{_SIGNING}"}
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED")
    nonsense = (
        *StandIn.nonsense,
        (200, {}, '{"data": [{"id": ""}, {"id": "1"}, {"id": "2"}]}'),
        (200, {}, '{"data": [{"id": "1"}]}'),
        (409, {}, '{"name": "concurrent_idempotent_requests", "message": "Wait"}'),
    )
    refused = (401, {}, '{"statusCode": 401, "name": "missing_api_key", "message": "Missing API key"}')

    def __init__(self) -> None:
        super().__init__()
        self._done: dict[str, tuple[bytes, Answer]] = {}

    def forget(self) -> None:
        super().forget()
        self._done.clear()

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Bearer {self.key}"

    def faults_of(self, asked: Asked) -> list[str]:
        """Beside its description: what its pages say of headers and tags."""
        faults = super().faults_of(asked)
        if asked.path != "/emails/batch":
            return faults
        if not 1 <= len(asked.headers.get("idempotency-key", "")) <= 256:
            faults.append("the call has no key")
        values = [tag[part] for item in asked.json() for tag in item["tags"] for part in ("name", "value")]
        faults += [f"a tag may not be {value}" for value in values if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value)]
        return faults + ["too many in one call"] * (len(asked.json()) > 100)

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/emails/batch":
            return self._once(asked)
        if asked.path == "/emails":
            return self._page(asked, self.reported)
        if asked.method == "POST":
            self.listed |= dict.fromkeys(asked.json()["emails"], "manual")
            return 200, {}, '{"data": []}'
        listed = [{"id": address, "email": address, "origin": why} for address, why in self.listed.items()]
        return self._page(asked, listed)

    def _once(self, asked: Asked) -> Answer:
        key = asked.headers["idempotency-key"]
        if key not in self._done:
            self._done[key] = asked.body, self._send(asked.json(), asked.headers.get("x-batch-validation", "strict"))
        body, answer = self._done[key]
        same = body == asked.body
        return answer if same else (409, {}, '{"name": "invalid_idempotent_request", "message": "Another body"}')

    def _send(self, items: list[dict[str, Any]], validation: str) -> Answer:
        bad = [{"index": n, "message": "Invalid `to` field."} for n, item in enumerate(items) if is_bad(item["to"][0])]
        if bad and validation == "strict":
            return 422, {}, '{"statusCode": 422, "name": "validation_error", "message": "Invalid `to` field."}'
        good = [item for item in items if not is_bad(item["to"][0])]
        data = []
        for item in good:
            tags = {tag["name"]: tag["value"] for tag in item["tags"]}
            self.mails.append(
                Mail(
                    address=item["to"][0],
                    key=tags["bulletin_key"].replace("__", ":").replace("--", "."),
                    subject=item["subject"],
                    html=item["html"],
                    text=item["text"],
                    headers=lowered(item["headers"]),
                )
            )
            data.append({"id": self.own_id()})
        return 200, {}, json.dumps({"data": data, **({"errors": bad} if bad else {})})

    def _page(self, asked: Asked, items: list[Any]) -> Answer:
        """Two on a page."""
        after = asked.query.get("after", [""])[0]
        start = next((number for number, item in enumerate(items, 1) if item["id"] == after), 0)
        data = items[start : start + 2]
        return 200, {}, json.dumps({"object": "list", "has_more": bool(items[start + 2 :]), "data": data})

    def report(self, kind: str, *, key: str, address: str, at: float) -> None:
        events = {"BOUNCED": "bounced", "DELIVERED": "delivered"}
        made = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
        mail = {"id": f"m-{address}", "to": [address], "created_at": made, "last_event": events[kind]}
        self.reported.insert(0, mail)

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        bounce = {"message": "no", "diagnosticCode": ["smtp; 550 5.1.1 unknown"], "subType": "NoEmail"}
        title, said = {
            "DELIVERED": ("delivered", {}),
            "DEFERRED": ("delivery_delayed", {}),
            "BOUNCED": ("bounced", {"bounce": {**bounce, "type": "Permanent"}}),
            "SOFT_BOUNCED": ("bounced", {"bounce": {**bounce, "diagnosticCode": ["552 5.2.2 full"]}}),
            "BLOCKED": ("failed", {"failed": {"reason": "reached_daily_quota"}}),
            "COMPLAINED": ("complained", {}),
            "OTHER": ("opened", {}),
        }[kind]
        tags = {"bulletin_key": key.replace(".", "--").replace(":", "__")}
        data = {"email_id": "m1", "created_at": moment, "to": [address], "tags": tags, **said}
        return {"type": f"email.{title}", "created_at": moment, "data": data}

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        body = json.dumps(value).encode()
        return Call(headers=_signed(body, at), body=body, url="https://bulletin.example.org/events/resend")

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        wrong = [
            {"svix-signature": "v1,bm8="},
            {"svix-signature": ""},
            {"svix-id": "msg_2"},
            {"svix-timestamp": "soon"},
        ]
        calls = [replace(good, headers={**good.headers, **change}) for change in wrong]
        return [*calls, replace(good, headers={}), replace(good, body=good.body + b" ")]


def _signed(body: bytes, at: float) -> dict[str, str]:
    words = b"msg_1.%d." % at + body
    signature = base64.b64encode(hmac.digest(base64.b64decode(_SIGNING), words, hashlib.sha256)).decode()
    return {"svix-id": "msg_1", "svix-timestamp": f"{at:.0f}", "svix-signature": f"v1,b3RoZXI= v1,{signature}"}
