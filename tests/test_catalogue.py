"""The checks as a whole: one slip is told by one of them."""

from __future__ import annotations

from typing import Any

import pytest
from test_checks import cases, material

from bulletin import checks
from bulletin.model import Severity

SILENT_BESIDE = {
    "CON01": {"CON02", "CON03"},
    "HTM07": {"CLI01", "CLI02"},
    "IMG08": {"IMG04"},
    "LNK01": {"LNG08"},
    "LNK05": {"LNK02"},
    "LNK09": {"LNK01"},
    "MRK01": {"LNG07"},
    "MRK09": {"LNG07", "MRK10"},
    "PLC01": {"LNG07"},
    "PLC02": {"SUB05"},
    "SIZ03": {"CLI01", "CLI02", "CLI04"},
}
"""For a slip that the one tells, the others have nothing to add: what settles it would settle theirs."""


@pytest.mark.parametrize(("code", "case"), [one for one in cases("fail") if one.values[0] in SILENT_BESIDE])
def test_a_slip_is_told_by_one_check(code: str, case: dict[str, Any]) -> None:
    found = checks.run(material(case))
    places = {finding.place for finding in found if finding.code == code}
    assert places
    others = {finding.code for finding in found if finding.place in places}
    assert not others & SILENT_BESIDE[code]


STOP_A_SENDING = frozenset(
    {
        *("AUD01",),
        *("CON01", "CON02"),
        *("DAT03", "DAT06"),
        *("HTM04", "HTM05", "HTM07", "HTM08", "HTM09", "HTM11"),
        *("IMG01", "IMG02", "IMG03", "IMG05", "IMG08", "IMG10"),
        *("LNK04", "LNK05", "LNK09", "LNK10", "LNK13", "LNK14", "LNK15"),
        *("MRK01", "MRK02", "MRK04", "MRK05", "MRK06"),
        *("PLC01", "PLC02", "PLC03", "PLC04"),
        *("SIZ02",),
        *("STR02",),
        *("SUB01", "SUB06"),
        *("THM02",),
        *("TXT01", "TXT03", "TXT07"),
    }
)
"""What is wrong for certain, whoever looks. What rests on somebody's old test or on taste is to be looked at."""


def test_only_what_is_certainly_wrong_stops_a_sending() -> None:
    assert {check.code for check in checks.all_checks() if check.severity is Severity.MUST_FIX} == STOP_A_SENDING


def test_a_fact_of_an_old_test_stops_no_sending() -> None:
    """H-23: the officer who is about to send cannot mend templates, and many tests are some years old."""
    found = checks.run(material({"html": '<body><div style="display: flex">A</div></body>'}))
    assert [finding.severity for finding in found if finding.code.startswith("CLI")] == [Severity.LOOK]
