"""Amazon SES: held against Amazon's own library, which checks what is asked, how it is written and how it is signed."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlencode

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from mailing import NOON

from bulletin.providers import Call
from standins import Answer, Asked, Mail, StandIn, is_bad, lowered

TOPIC = "arn:aws:sns:eu-west-2:123456789012:bulletin"


class Ses(StandIn):
    """See `StandIn`."""

    name = "ses"
    looks_up = False
    tells_quota = True
    signs = signs_time = True
    webhook_kinds = (*StandIn.webhook_kinds, "DEFERRED", "BLOCKED", "UNSUBSCRIBED")
    nonsense = (*StandIn.nonsense, (200, {}, '{"BulkEmailEntryResults": [{}, {}, {}]}'))
    refused = (403, {}, '{"message": "The security token included in the request is invalid."}')

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": self.key}

    def proved(self, asked: Asked) -> bool:
        """Signed as Amazon's own library signs the same request at the same moment."""
        url = f"{self.endpoint}{asked.path}" + (f"?{urlencode(asked.query, doseq=True)}" if asked.query else "")
        names = re.search("SignedHeaders=([^,]+)", asked.headers.get("authorization", ""))
        if not names:
            return False
        headers = {name: asked.headers[name] for name in names[1].split(";") if name not in ("host", "x-amz-date")}
        request = AWSRequest(method=asked.method, url=url, data=asked.body, headers=headers)
        request.context["timestamp"] = asked.headers["x-amz-date"]
        request.headers["X-Amz-Date"] = asked.headers["x-amz-date"]
        auth = SigV4Auth(Credentials("AKIDEXAMPLE", self.key), "ses", "eu-west-2")
        canonical = auth.canonical_request(request)
        signature = auth.signature(auth.string_to_sign(request, canonical), request)
        return asked.headers["authorization"].endswith(f"Signature={signature}")

    @classmethod
    def source(cls) -> dict[str, str]:
        return {"file": "sesv2 of botocore", "commit": "as installed", "licence": "Apache License 2.0"}

    def faults_of(self, asked: Asked) -> list[str]:
        """What Amazon's library would not let pass, or would write in another way."""
        for name in ("SendBulkEmail", "GetAccount", "ListSuppressedDestinations", "PutSuppressedDestination"):
            operation = _model().operation_model(name)
            if (operation.http["method"], operation.http["requestUri"]) == (asked.method, asked.path):
                break
        else:
            return [f"there is no {asked.method} {asked.path}"]
        given: dict[str, Any] = asked.json() if asked.body else {}
        for query, values in asked.query.items():
            given[query] = int(values[0]) if query == "PageSize" else values[0]
        shape = operation.input_shape
        report = ParamValidator().validate(given, shape)
        faults = [report.generate_report()] if report.has_errors() else []
        unknown = _unknown(given, shape)
        written = create_serializer("rest-json").serialize_to_request(given, operation)
        if asked.body and json.loads(written["body"]) != asked.json():
            faults.append("Amazon's library would write this in another way")
        return faults + unknown

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v2/email/account":
            limits = {"Max24HourSend": 50000.0, "SentLast24Hours": 200.0, "MaxSendRate": 14.0}
            return 200, {}, json.dumps({"SendQuota": limits, "SendingEnabled": True, "ProductionAccessEnabled": True})
        if asked.path == "/v2/email/suppression/addresses":
            return self._suppression(asked)
        value = asked.json()
        return 200, {}, json.dumps({"BulkEmailEntryResults": [self._take(value, e) for e in value["BulkEmailEntries"]]})

    def _suppression(self, asked: Asked) -> Answer:
        """Two on a page."""
        if asked.method == "PUT":
            self.listed[asked.json()["EmailAddress"]] = asked.json()["Reason"].lower()
            return 200, {}, "{}"
        start = int(asked.query.get("NextToken", ["0"])[0])
        listed = [
            {"EmailAddress": address, "Reason": why.upper(), "LastUpdateTime": NOON.timestamp()}
            for address, why in self.listed.items()
        ]
        more = {"NextToken": str(start + 2)} if listed[start + 2 :] else {}
        return 200, {}, json.dumps({"SuppressedDestinationSummaries": listed[start : start + 2], **more})

    def _take(self, value: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
        (address,) = entry["Destination"]["ToAddresses"]
        if is_bad(address):
            return {"Status": "INVALID_PARAMETER", "Error": "Missing final '@domain'"}
        shared = value["DefaultContent"]["Template"]
        data = json.loads(entry["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"])
        own = lowered({header["Name"]: header["Value"] for header in entry.get("ReplacementHeaders", [])})
        tracking = value["ConfigurationOverrides"]["Tracking"]
        content = shared["TemplateContent"]
        self.mails.append(
            Mail(
                address=address,
                key=entry["ReplacementTags"][0]["Value"].replace("__", ":").replace("--", "."),
                subject=_handlebars(content["Subject"], data),
                html=_handlebars(content["Html"], data),
                text=_handlebars(content["Text"], data),
                headers=lowered({header["Name"]: header["Value"] for header in shared["Headers"]}) | own,
                tracked=set(tracking.values()) != {"DISABLED"},
            )
        )
        return {"Status": "SUCCESS", "MessageId": self.own_id()}

    # ---- reports

    @property
    def webhook_settings(self) -> dict[str, Any]:
        return {"topic": TOPIC, "sns_certificate": str(_authority()[1])}

    @classmethod
    def event(cls, kind: str, *, key: str, address: str, at: float) -> Any:
        moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        failed = {"timestamp": moment, "bounceType": "Transient", "bounceSubType": "General", "bouncedRecipients": []}
        gone = [{"emailAddress": address, "diagnosticCode": "smtp; 550 5.1.1 unknown user"}]
        said: dict[str, Any] = {
            "DELIVERED": {"eventType": "Delivery", "delivery": {"timestamp": moment, "recipients": [address]}},
            "DEFERRED": {"eventType": "DeliveryDelay", "deliveryDelay": {"timestamp": moment}},
            "BOUNCED": {
                "eventType": "Bounce",
                "bounce": {**failed, "bounceType": "Permanent", "bounceSubType": "NoEmail", "bouncedRecipients": gone},
            },
            "SOFT_BOUNCED": {"eventType": "Bounce", "bounce": {**failed, "bounceSubType": "MailboxFull"}},
            "BLOCKED": {"eventType": "Bounce", "bounce": {**failed, "bounceSubType": "ContentRejected"}},
            "COMPLAINED": {"eventType": "Complaint", "complaint": {"timestamp": moment}},
            "UNSUBSCRIBED": {"eventType": "Subscription", "subscription": {"timestamp": moment}},
            "OTHER": {"eventType": "Send", "send": {}},
        }[kind]
        mail = {"messageId": "m1", "timestamp": moment, "destination": [address]}
        tag = key.replace(".", "--").replace(":", "__")
        return {**said, "mail": {**mail, "tags": {"bulletin_key": [tag], "ses:from-domain": ["news.example.org"]}}}

    @classmethod
    def prove(cls, value: Any, *, at: float) -> Call:
        return note({"Type": "Notification", "Message": json.dumps(value)}, at=at)

    @classmethod
    def unproved(cls, good: Call) -> list[Call]:
        note = json.loads(good.body)
        wrong = [
            {"Message": note["Message"].replace("NoEmail", "General")},
            {"Signature": base64.b64encode(b"no signature").decode()},
            {"Signature": "%"},
            {"Signature": None},
            {"TopicArn": TOPIC + "2"},
            {"Type": "Other"},
            {"SigningCertURL": "https://sns.eu-west-2.amazonaws.com.example.org/x.pem"},
            {"SigningCertURL": "http://sns.eu-west-2.amazonaws.com/x.pem"},
            {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/x.pem"},
            {"SignatureVersion": "1"},
        ]
        calls = [replace(good, body=json.dumps({**note, **change}).encode()) for change in wrong]
        return [*calls, replace(good, headers={"x-amz-sns-message-type": "SubscriptionConfirmation"})]


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("sesv2")


def _unknown(value: object, shape: Any) -> list[str]:
    """Names that the model does not know, which the library would leave out without a word."""
    if shape.type_name == "structure" and isinstance(value, dict):
        faults = [f"{shape.name} has no {name}" for name in value if name not in shape.members]
        known = [(value[name], member) for name, member in shape.members.items() if name in value]
        return faults + [fault for one, member in known for fault in _unknown(one, member)]
    if shape.type_name == "list" and isinstance(value, list):
        return [fault for one in value for fault in _unknown(one, shape.member)]
    return []


def _handlebars(template: str, data: dict[str, str]) -> str:
    """As Handlebars reads a template: what is no plain name in double braces is an error, and SES sends nothing."""
    made, rest = "", template
    while True:
        before, opened, after = rest.partition("{{")
        if not opened:
            return made + before
        assert not before.endswith("\\"), "a backslash before braces changes what they mean"
        name, closed, rest = after.partition("}}")
        assert closed, "braces that are never closed"
        assert re.fullmatch(r"\w+", name), f"{name} is no plain name"
        assert not rest.startswith("}"), "three braces at the end of a name"
        made += before + data[name]


CERTIFIED_FOR = dt.timedelta(days=36_500)
"""Long enough for tests that go by the real clock."""


@cache
def _authority() -> tuple[Any, Path]:
    """A throw-away key with its certificate in a file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOON - dt.timedelta(days=1))
    made = made.not_valid_after(NOON + CERTIFIED_FOR)
    path = Path(mkdtemp()) / "sns.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return key, path


def note(words: dict[str, Any], *, at: float) -> Call:
    """A message of SNS, signed."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    signed = {"MessageId": "n1", "Timestamp": moment, "TopicArn": TOPIC, **words}
    to_sign = "".join(f"{name}\n{signed[name]}\n" for name in sorted(signed))
    signature = _authority()[0].sign(to_sign.encode(), PKCS1v15(), hashes.SHA256())
    note = {
        **signed,
        "SignatureVersion": "2",
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": "https://sns.eu-west-2.amazonaws.com/SimpleNotificationService-1.pem",
    }
    return Call(headers={}, body=json.dumps(note).encode(), url="https://bulletin.example.org/events/ses")
