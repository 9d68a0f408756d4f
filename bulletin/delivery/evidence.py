"""What is kept of a mailing beside the issue, for whoever asks later: what was sent, who approved it, what came of it.

Made to be committed: it holds no reader's address, and no mail domain, which may be one person's. Pure.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bulletin.delivery.approval import Approval
from bulletin.delivery.plan import Plan
from bulletin.delivery.report import Report
from bulletin.model import Allowance, Finding

FOLDER = "mailing"
"""Beside `issue.yaml`."""


def record(
    plan: Plan,
    report: Report,
    *,
    subject: str,
    sources: Mapping[str, bytes],
    findings: Iterable[Finding],
    allowances: Iterable[Allowance],
    approval: Approval | None,
    program: str,
    at: dt.datetime,
) -> bytes:
    """All of it as JSON that the same mailing gives again. `sources` are the files it was made of, by name."""
    value: dict[str, Any] = {
        "issue": plan.issue,
        "subject": subject,
        "program": program,
        "made_of": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(sources.items())},
        "plan": {
            "digest": report.digest or plan.digest,
            **{name: value for name, value in plan.parts.items() if value},
            "readers": dict(plan.counts),
            "withheld": dict(plan.withheld),
        },
        "approved": {"by": _name(approval.who), "at": _moment(approval.at), "digest": approval.digest}
        if approval
        else None,
        "findings": [
            {"code": finding.code, "severity": finding.severity.value, "item": finding.item, "message": finding.message}
            for finding in findings
        ],
        "allowed": [
            {"code": entry.code, "item": entry.item, "why": entry.why, "by": _name(entry.by)} for entry in allowances
        ],
        "result": {
            "as_of": _moment(at),
            "finished": report.finished,
            **{name: getattr(report, name) for name in ("planned", "accepted", "refused", "withdrawn", "unknown")},
            "waiting": report.waiting,
            "why_refused": _reasons(report),
        },
    }
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _reasons(report: Report) -> dict[str, int]:
    """How often each kind of answer was given. Of an answer its code stays: the words may name a mailbox."""
    found: Counter[str] = Counter()
    for refusal in report.refusals:
        code = re.match(r"\d{3}(?: \d\.\d{1,3}\.\d{1,3})?", refusal.reason)
        found[code[0] if code else "no code"] += refusal.count
    return dict(sorted(found.items()))


def _name(who: str) -> str:
    """A person's name without their address, where they have one."""
    name = who.partition("<")[0].strip()
    return name or "(address)"


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")
