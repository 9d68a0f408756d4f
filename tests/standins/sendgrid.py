"""SendGrid: one call for many readers, whose values it puts in."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mailing import NOON

from bulletin.providers import Call
from standins import Answer, Asked, Mail, StandIn, is_bad, lowered


@cache
def _signing() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def _public() -> str:
    key = _signing().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(key).decode()


class SendGrid(StandIn):
    """See `StandIn`."""

    name = "sendgrid"
    signs = signs_time = True
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_SENDGRID_WEBHOOK": _public()}
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED", "UNSUBSCRIBED")
    nonsense = (*StandIn.nonsense, (202, {}, ""), (200, {"X-Message-Id": "m1"}, ""))
    refused = (401, {}, '{"errors": [{"message": "authorization grant is invalid", "field": null, "help": null}]}')

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Bearer {self.key}"

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v3/mail/send":
            return self._send(asked.json())
        if asked.path == "/v3/logs":
            words = re.fullmatch(r"to_email = '(.+)' AND categories IN \('2024-05'\)", asked.json()["query"])
            assert words
            found = [mail for mail in self.mails if mail.address == words[1].replace("''", "'")]
            return (
                200,
                {},
                json.dumps({"messages": [{"sg_message_id": "m1.filter", "status": "processed"} for _ in found]}),
            )
        if asked.method == "POST":
            self.listed |= dict.fromkeys(asked.json()["recipient_emails"], "unsubscribe")
            return 201, {}, json.dumps(asked.json())
        name = asked.path.rpartition("/")[2]
        why = {"bounces": "bounce", "spam_reports": "complaint", "unsubscribes": "unsubscribe"}.get(name, "")
        start = int(asked.query["offset"][0])
        found = [
            {"created": int(NOON.timestamp()), "email": one} for one, reason in self.listed.items() if reason == why
        ]
        return 200, {}, json.dumps(found[start : start + 2])

    def _send(self, value: dict[str, Any]) -> Answer:
        bad = [n for n, one in enumerate(value["personalizations"]) if is_bad(one["to"][0]["email"])]
        if bad:
            said = "Does not contain a valid address."
            errors = [{"message": said, "field": f"personalizations.{n}.to.0.email", "help": None} for n in bad]
            return 400, {}, json.dumps({"errors": errors})
        trial = value["mail_settings"]["sandbox_mode"]["enable"]
        content = {part["type"]: part["value"] for part in value["content"]}
        assert list(content) == ["text/plain", "text/html"], "SendGrid asks for this order"
        tracking = [on for setting in value["tracking_settings"].values() for on in setting.values()]
        for one in value["personalizations"]:
            values = one.get("substitutions", {})
            self.mails.append(
                Mail(
                    address=one["to"][0]["email"],
                    key=one["custom_args"]["bulletin_key"],
                    subject=_put_in(value["subject"], values),
                    html=_put_in(content["text/html"], values),
                    text=_put_in(content["text/plain"], values),
                    headers=lowered({**value["headers"], **one.get("headers", {})}),
                    tracked=any(tracking) or len(tracking) < 4,
                    tested=trial,
                )
            )
        return (200, {}, "") if trial else (202, {"X-Message-Id": self.own_id()}, "")

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        said: dict[str, Any] = {
            "DELIVERED": {"event": "delivered", "response": "250 OK"},
            "DEFERRED": {"event": "deferred", "response": "400 later"},
            "BOUNCED": {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 unknown"},
            "SOFT_BOUNCED": {"event": "bounce", "type": "bounce", "status": "5.2.2", "reason": "552 full"},
            "BLOCKED": {"event": "bounce", "type": "blocked", "status": "5.7.1", "reason": "554 policy"},
            "COMPLAINED": {"event": "spamreport"},
            "UNSUBSCRIBED": {"event": "dropped", "reason": "Unsubscribed Address"},
            "OTHER": {"event": "processed"},
        }[kind]
        own = {"email": address, "timestamp": int(at), "sg_event_id": f"e-{kind}", "sg_message_id": "m1.filter"}
        return [{**own, **said, "category": ["2024-05"], "bulletin_key": key}]

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        body, moment = json.dumps(value).encode(), f"{at:.0f}"
        signature = base64.b64encode(_signing().sign(moment.encode() + body, ECDSA(SHA256()))).decode()
        name = "x-twilio-email-event-webhook"
        headers = {f"{name}-signature": signature, f"{name}-timestamp": moment}
        return Call(headers=headers, body=body, url="https://bulletin.example.org/events/sendgrid")

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        name = "x-twilio-email-event-webhook"
        wrong = [{f"{name}-signature": ""}, {f"{name}-signature": "bm8="}, {f"{name}-timestamp": "1717070401"}]
        calls = [replace(good, headers={**good.headers, **change}) for change in wrong]
        return [*calls, replace(good, headers={}), replace(good, body=good.body + b" ")]


def _put_in(text: str, values: dict[str, str]) -> str:
    """As SendGrid does: any text that is the name of a value, wherever it stands."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text
