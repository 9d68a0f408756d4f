"""MailerSend: finished messages that it takes as a whole, and looks at later."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import re
from dataclasses import replace
from typing import Any, ClassVar

from bulletin.providers import Call
from standins import Answer, Asked, Mail, StandIn, lowered


class MailerSend(StandIn):
    """See `StandIn`."""

    name = "mailersend"
    settings: ClassVar[dict[str, Any]] = {"domain_id": "d1"}
    looks_up = False
    tells_quota = True
    tells_later = True
    signs = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_MAILERSEND_WEBHOOK": "signing-secret-made-up"}
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED", "UNSUBSCRIBED")
    nonsense = (*StandIn.nonsense, (202, {}, '{"message": "The bulk email is being processed."}'))
    refused = (401, {}, '{"message": "Unauthenticated."}')

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Bearer {self.key}"

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v1/bulk-email":
            for item in asked.json():
                self._take(item)
            return (
                202,
                {},
                json.dumps({"message": "The bulk email is being processed.", "bulk_email_id": self.own_id()}),
            )
        if asked.method == "POST":
            assert asked.json()["domain_id"] == "d1"
            self.listed |= dict.fromkeys(asked.json()["recipients"], "unsubscribe")
            return 201, {}, '{"data": []}'
        name = asked.path.rpartition("/")[2]
        why = {"hard-bounces": "bounce", "spam-complaints": "complaint", "unsubscribes": "unsubscribe"}[name]
        found = [address for address, reason in self.listed.items() if reason == why]
        start = 2 * int(asked.query["page"][0]) - 2
        data = [{"recipient": {"email": one}, "created_at": "2024-05-30T12:00:00Z"} for one in found[start : start + 2]]
        following = "https://api.mailersend.example/next" if found[start + 2 :] else None
        return 200, {}, json.dumps({"data": data, "links": {"next": following}})

    def _take(self, item: dict[str, Any]) -> None:
        values = {name: value for one in item.get("personalization", []) for name, value in one["data"].items()}
        self.mails.append(
            Mail(
                address=item["to"][0]["email"],
                key=item["tags"][1],
                subject=_put_in(item["subject"], values),
                html=_put_in(item["html"], values),
                text=_put_in(item["text"], values),
                headers=lowered({header["name"]: header["value"] for header in item["headers"]}),
                tracked=any(item["settings"].values()) or len(item["settings"]) < 3,
            )
        )

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        name, reason = {
            "DELIVERED": ("delivered", None),
            "DEFERRED": ("deferred", {"reason": "4.2.1 later"}),
            "BOUNCED": ("hard_bounced", {"reason": "550 5.1.1 unknown"}),
            "SOFT_BOUNCED": ("soft_bounced", {"reason": "552 full"}),
            "BLOCKED": ("hard_bounced", {"reason": "554 5.7.1 policy"}),
            "COMPLAINED": ("spam_complaint", None),
            "UNSUBSCRIBED": ("unsubscribed", None),
            "OTHER": ("sent", None),
        }[kind]
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        mail = {"id": "e1", "tags": ["2024-05", key], "message": {"id": "m1"}, "recipient": {"email": address}}
        data = {"object": "activity", "id": f"a-{kind}", "type": name, "created_at": moment, "email": mail}
        return {"type": f"activity.{name}", "created_at": moment, "data": {**data, "morph": reason}}

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        body = json.dumps(value).encode()
        key = cls.webhook_environment["BULLETIN_MAILERSEND_WEBHOOK"].encode()
        headers = {"signature": hmac.new(key, body, hashlib.sha256).hexdigest()}
        return Call(headers=headers, body=body, url="https://bulletin.example.org/events/mailersend")

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        wrong = [replace(good, headers=headers) for headers in ({}, {"signature": ""}, {"signature": "0" * 64})]
        return [*wrong, replace(good, body=good.body + b" ")]


def _put_in(text: str, values: dict[str, str]) -> str:
    """As MailerSend does, once, in its new way and its old; what it does not know, it leaves out."""
    return re.sub(r"\{\{\s*(\w+)[^}]*\}\}|\{\$(\w+)\}", lambda found: values.get(found[1] or found[2], ""), text)
