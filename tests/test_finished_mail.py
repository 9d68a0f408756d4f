"""No mail, however odd, stops the checks of the finished mail."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_checks import CHECKS, material

PIECES = st.sampled_from(
    [
        "<h1>",
        "<h6>",
        "<a href='",
        "#",
        "<img src=",
        "<table",
        "<!--[if mso]>",
        "<![endif]-->",
        "<style>",
        "p{color:",
        ">",
    ]
)


@given(html=st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=12).map("".join), text=st.text(max_size=60))
@settings(deadline=None, max_examples=40)
def test_any_html_and_any_text_can_be_checked(html: str, text: str) -> None:
    looked_at = material({"html": html, "text": text})
    for code, check in CHECKS.items():
        if code[:3] in {"HTM", "CON", "TXT", "SIZ"}:
            assert all(finding.message for finding in check.findings(looked_at))
