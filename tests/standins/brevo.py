"""Brevo: finished versions of a message, carried out once under the key of the call."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from standins import Answer, Asked, Mail, StandIn, is_bad, lowered


class Brevo(StandIn):
    """See `StandIn`."""

    name = "brevo"
    events = True
    adds = False
    knows_keys = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_BREVO_WEBHOOK": "secret-in-the-address"}
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED", "UNSUBSCRIBED")
    nonsense = (
        *StandIn.nonsense,
        (201, {}, "{}"),
        (201, {}, '{"messageIds": ["<1@x>"]}'),
        (201, {}, '{"messageIds": 7}'),
    )
    refused = (401, {}, '{"code": "unauthorized", "message": "Key not found"}')

    def __init__(self) -> None:
        super().__init__()
        self._done: dict[str, Answer] = {}

    def forget(self) -> None:
        super().forget()
        self._done.clear()

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("api-key") == self.key

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            key = asked.json()["headers"]["idempotencyKey"]
            if key in self._done:
                return 400, {}, '{"code": "duplicate_request", "message": "Request with this idempotencyKey was made"}'
            answer = self._send(asked.json())
            self._done[key] = answer
            return answer
        start = int(asked.query["offset"][0])
        if asked.path == "/v3/smtp/blockedContacts":
            codes = {"bounce": "hardBounce", "complaint": "contactFlaggedAsSpam", "unsubscribe": "unsubscribedViaApi"}
            listed = [
                {"email": address, "reason": {"code": codes[why], "message": ""}, "blockedAt": "2024-05-30T12:00:00Z"}
                for address, why in self.listed.items()
            ]
            return 200, {}, json.dumps({"contacts": listed[start : start + 2], "count": len(listed)})
        found = self.reported
        if "email" in asked.query:
            found = [
                {"email": mail.address, "event": "requests", "messageId": "<m1@x>"}
                for mail in self.mails
                if mail.address == asked.query["email"][0] and asked.query["tags"] == ["2024-05"]
            ]
        return 200, {}, json.dumps({"events": found[start : start + 2]})

    def _send(self, value: dict[str, Any]) -> Answer:
        if any(is_bad(version["to"][0]["email"]) for version in value["messageVersions"]):
            return 400, {}, '{"code": "invalid_parameter", "message": "email is not valid in to"}'
        ids = []
        for version in value["messageVersions"]:
            headers = lowered(version["headers"])
            self.mails.append(
                Mail(
                    address=version["to"][0]["email"],
                    key=headers.pop("x-mailin-custom"),
                    subject=version["subject"],
                    html=version["htmlContent"],
                    text=version["textContent"],
                    headers=headers,
                    tested=value["headers"].get("X-Sib-Sandbox") == "drop",
                )
            )
            ids.append(f"<{self.own_id()}@smtp-relay.example>")
        return 201, {}, json.dumps({"messageIds": ids})

    def report(self, kind: str, *, key: str, address: str, at: float) -> None:
        event = {"BOUNCED": "hardBounces", "DELIVERED": "delivered"}[kind]
        one = {"email": address, "event": event, "messageId": f"<{address}>", "tag": "2024-05"}
        self.reported.append({**one, "date": "2024-05-30T12:00:00.000+00:00"})

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        said: dict[str, Any] = {
            "DELIVERED": {"event": "delivered"},
            "DEFERRED": {"event": "deferred", "reason": "4.2.1 later"},
            "BOUNCED": {"event": "hard_bounce", "reason": "550 5.1.1 unknown"},
            "SOFT_BOUNCED": {"event": "soft_bounce", "reason": "full"},
            "BLOCKED": {"event": "hard_bounce", "reason": "554 5.7.1 policy"},
            "COMPLAINED": {"event": "spam"},
            "UNSUBSCRIBED": {"event": "unsubscribe"},
            "OTHER": {"event": "unique_opened"},
        }[kind]
        own = {"email": address, "message-id": "<m1@x>", "ts_epoch": int(at * 1000), "date": "2020-01-01 00:00:00"}
        return {**own, "tags": ["2024-05"], "X-Mailin-custom": key, **said}
