"""Mailjet: finished messages, each with an answer of its own, and a whole call that looks bad if one is."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, ClassVar

from standins import Answer, Asked, Mail, StandIn, is_bad, lowered


class Mailjet(StandIn):
    """See `StandIn`."""

    name = "mailjet"
    suppresses = False
    names_lists = False
    blocks_seconds = True
    key = "public-key-made-up:secret-key-made-up"
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_MAILJET_WEBHOOK": "secret-in-the-address"}
    webhook_kinds = (*StandIn.webhook_kinds, "BLOCKED", "UNSUBSCRIBED")
    nonsense = (
        *StandIn.nonsense,
        (
            200,
            {},
            '{"Messages": [{"Status": "success", "To": [{}]}, {"Status": "success"}, {"To": [{"MessageID": 1}]}]}',
        ),
    )
    refused = (401, {}, '{"ErrorIdentifier": "1", "ErrorCode": "mj-0015", "ErrorMessage": "Bad credentials"}')

    @property
    def secrets(self) -> list[str]:
        return ["secret-key-made-up", base64.b64encode(self.key.encode()).decode()]

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == "Basic " + base64.b64encode(self.key.encode()).decode()

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "GET":
            found = [{"ID": 7} for mail in self.mails if mail.key == asked.query["CustomID"][0]]
            return 200, {}, json.dumps({"Count": len(found), "Data": found, "Total": len(found)})
        value = asked.json()
        told = [self._take(value, message) for message in value["Messages"]]
        good = all(one["Status"] == "success" for one in told)
        return 200 if good else 400, {}, json.dumps({"Messages": told})

    def _take(self, value: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        shared, address = value["Globals"], message["To"][0]["Email"]
        if is_bad(address):
            error = {"ErrorCode": "mj-0013", "StatusCode": 400, "ErrorMessage": "not a valid email address."}
            return {"Status": "error", "Errors": [error]}
        again = [mail for mail in self.mails if (mail.address, mail.key) == (address, message["CustomID"])]
        if not again or not shared["DeduplicateCampaign"]:
            values = message.get("Variables", {})
            self.mails.append(
                Mail(
                    address=address,
                    key=message["CustomID"],
                    subject=shared["Subject"],
                    html=_put_in(message["HTMLPart"], values),
                    text=_put_in(message["TextPart"], values),
                    headers=lowered(message["Headers"]),
                    tracked={shared["TrackOpens"], shared["TrackClicks"]} != {"disabled"},
                    tested=value["SandboxMode"],
                )
            )
        to = {"Email": address, "MessageID": 7, "MessageUUID": "u7"}
        return {"Status": "success", "CustomID": message["CustomID"], "To": [to]}

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        bounce = {"event": "bounce", "blocked": False, "hard_bounce": False, "error": "quota exceeded"}
        said: dict[str, Any] = {
            "DELIVERED": {"event": "sent", "smtp_reply": "250 OK"},
            "BOUNCED": {**bounce, "hard_bounce": True, "blocked": True, "error": "user unknown"},
            "SOFT_BOUNCED": bounce,
            "BLOCKED": {"event": "blocked", "error": "preblocked"},
            "COMPLAINED": {"event": "spam", "source": "JMRPP"},
            "UNSUBSCRIBED": {"event": "unsub"},
            "OTHER": {"event": "blocked", "error": "duplicate in campaign"},
        }[kind]
        own = {"time": int(at), "MessageID": 19421777835146490, "email": address, "customcampaign": "2024-05"}
        return [{**own, "CustomID": key, "Payload": "", **said}]


def _put_in(text: str, values: dict[str, str]) -> str:
    """As Mailjet does, once: of a value that it does not know, nothing stays."""
    return re.sub(r"\[\[\w+:(\w+)\]\]", lambda found: values.get(found[1], ""), text)
