"""Postmark: finished messages, each with an answer of its own."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any, ClassVar

from standins import Answer, Asked, Mail, StandIn, is_bad, lowered


class Postmark(StandIn):
    """See `StandIn`."""

    name = "postmark"
    webhook_environment: ClassVar[dict[str, str]] = {"BULLETIN_POSTMARK_WEBHOOK": "secret-in-the-address"}
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED", "UNSUBSCRIBED")
    nonsense = (
        *StandIn.nonsense,
        (200, {}, '[{"ErrorCode": 0, "Message": "OK"}]'),
        (200, {}, '[{"ErrorCode": 0, "MessageID": "1"}, {"ErrorCode": 0}, {}, {}]'),
    )
    refused = (401, {}, '{"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"}')

    def proved(self, asked: Asked) -> bool:
        return asked.headers.get("x-postmark-server-token") == self.key

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/email/batch":
            return 200, {}, json.dumps([self._take(message) for message in asked.json()])
        if asked.path == "/messages/outbound":
            found = [mail for mail in self.mails if mail.key == asked.query.get("metadata_bulletin_key", [""])[0]]
            return 200, {}, json.dumps({"TotalCount": len(found), "Messages": [{"MessageID": "m1"} for _ in found]})
        if asked.path.endswith("/dump"):
            reasons = {"bounce": "HardBounce", "complaint": "SpamComplaint", "unsubscribe": "ManualSuppression"}
            listed = [
                {"EmailAddress": address, "SuppressionReason": reasons[why], "CreatedAt": "2024-05-30T12:00:00Z"}
                for address, why in self.listed.items()
            ]
            return 200, {}, json.dumps({"Suppressions": listed})
        self.listed |= {one["EmailAddress"]: "unsubscribe" for one in asked.json()["Suppressions"]}
        return 200, {}, '{"Suppressions": []}'

    def _take(self, message: dict[str, Any]) -> dict[str, Any]:
        if is_bad(message["To"]):
            return {"ErrorCode": 300, "Message": "Invalid 'To' address: 'bad@example.org'."}
        self.mails.append(
            Mail(
                address=message["To"],
                key=message["Metadata"]["bulletin_key"],
                subject=message["Subject"],
                html=message["HtmlBody"],
                text=message["TextBody"],
                headers=lowered({header["Name"]: header["Value"] for header in message["Headers"]}),
                stream=message["MessageStream"],
                tracked=message["TrackOpens"] is not False or message["TrackLinks"] != "None",
            )
        )
        return {"To": message["To"], "MessageID": self.own_id(), "ErrorCode": 0, "Message": "OK"}

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
        bounce = {"RecordType": "Bounce", "ID": 42, "Email": address, "BouncedAt": moment, "Details": "smtp;550 no"}
        said: dict[str, Any] = {
            "DELIVERED": {"RecordType": "Delivery", "Recipient": address, "DeliveredAt": moment},
            "DEFERRED": {**bounce, "Type": "Transient", "TypeCode": 2},
            "BOUNCED": {**bounce, "Type": "HardBounce", "TypeCode": 1, "Inactive": True},
            "SOFT_BOUNCED": {**bounce, "Type": "SoftBounce", "TypeCode": 4096},
            "BLOCKED": {**bounce, "Type": "SpamNotification", "TypeCode": 512},
            "COMPLAINED": {**bounce, "RecordType": "SpamComplaint"},
            "UNSUBSCRIBED": {
                "RecordType": "SubscriptionChange",
                "Recipient": address,
                "ChangedAt": moment,
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
            },
            "OTHER": {"RecordType": "Open", "Recipient": address, "ReceivedAt": moment},
        }[kind]
        return {"MessageID": "m1", "MessageStream": "broadcast", "Metadata": {"bulletin_key": key}, **said}
