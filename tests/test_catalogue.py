"""The checks as a whole: one slip is told by one of them."""

from __future__ import annotations

from typing import Any

import pytest
from test_checks import cases, material

from bulletin import checks

SILENT_BESIDE = {
    "CON01": {"CON02", "CON03"},
    "HTM07": {"CLI01", "CLI02"},
    "IMG08": {"IMG04"},
    "LNK05": {"LNK02"},
    "LNK09": {"LNK01"},
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
