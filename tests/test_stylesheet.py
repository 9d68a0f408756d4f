"""Plain style rules read quickly are the same rules that cssutils reads."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import cssutils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulletin.render._stylesheet import Reader, plain_properties, plain_rules

ROOT = Path(__file__).parent.parent
cssutils.log.setLevel(logging.CRITICAL)

NAMES = st.sampled_from(["margin", "color", "font-size", "border-top", "-x", "*zoom", "mso-line-height-rule"])
VALUES = st.one_of(
    st.sampled_from(
        ["0", "0px", "10px", "-0.5px", "1.50px", ".5em", "120%", "#ffffff", "#fff", "#FFF", "#1d3557", "#abcd"]
    ),
    st.sampled_from(
        ["bold", "inherit", "inline-block", "Arial", "'Segoe UI'", "url(x)", "red !important", "rgb(0,0,0)"]
    ),
    st.sampled_from(["3px solid #2a7f8e", "0 0 12px", "0  4px", "10px/12px", "a,b", "1e3px", "+3px", "007px", ""]),
)
DECLARATIONS = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(
    lambda pairs: "; ".join(f"{name}: {value}" for name, value in pairs) + (";" if len(pairs) % 2 else "")
)
SELECTORS = st.sampled_from(
    [".a", "p.b", ".a p, .b ul", "a[href]", ".a:hover", "#x", "*", "@media print", ".a > p", ""]
)
SHEETS = st.lists(st.builds("{} {{ {} }}".format, SELECTORS, DECLARATIONS), max_size=3).map("\n".join)


def told(properties: Any) -> list[tuple[str, str, str]]:
    """What premailer asks of declarations."""
    return [(entry.name, entry.value, entry.priority) for entry in properties]


@given(DECLARATIONS)
def test_declarations_read_quickly_are_those_of_cssutils(css: str) -> None:
    quick = plain_properties(css)
    if quick is not None:
        assert told(quick) == told(cssutils.parseStyle(css))


@given(SHEETS)
def test_rules_read_quickly_are_those_of_cssutils(css: str) -> None:
    quick = plain_rules(css)
    if quick is not None:
        judged = [rule for rule in cssutils.parseString(css, validate=False) if told(rule.style.getProperties())]
        assert [rule.type for rule in judged] == [rule.STYLE_RULE for rule in judged]
        assert [(rule.selectorText, told(rule.style.getProperties())) for rule in quick] == [
            (rule.selectorText, told(rule.style.getProperties())) for rule in judged
        ]


@pytest.mark.parametrize(
    "css", [".a { color: red !important }", "@media print { .a { margin: 0 } }", ".a { margin: 0 ", "/* x */"]
)
def test_whatever_is_not_plain_is_left_to_cssutils(css: str) -> None:
    assert plain_rules(css) is None
    read = Reader("cssutils").parseString(css, validate=False)
    assert [rule.cssText for rule in read] == [rule.cssText for rule in cssutils.parseString(css, validate=False)]


def rendered(first: str = "") -> tuple[str, bool]:
    """The May issue rendered by a program of its own, and whether cssutils was loaded for it."""
    code = f"""
import hashlib, sys
from pathlib import Path
{first}
from bulletin import flow
from bulletin.publication import open_publication
home = open_publication(Path({str(ROOT)!r}), {{"BULLETIN_SECRET": "x" * 40}})
print("".join(edition.digest for edition in flow.render(home, "2024-05")), "cssutils.css" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    digests, loaded = done.stdout.split()
    return digests, loaded == "True"


def test_the_starter_theme_is_plain_and_its_mail_is_the_same_with_either_reader() -> None:
    """Otherwise every command that renders would wait for cssutils, or look different from the day it does."""
    quickly, loaded = rendered()
    assert not loaded
    thoroughly, loaded = rendered("import cssutils, premailer")
    assert loaded
    assert quickly == thoroughly
