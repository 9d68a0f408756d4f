"""axe-core, the accessibility checker, in a real browser; and what it found, in words that name element and rule."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WCAG_AND_GOOD_PRACTICE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Everything axe-core calls a violation on the page as it stands, frames included: rule, help and first element."""
    options: dict[str, Any] = {"runOnly": {"type": "tag", "values": WCAG_AND_GOOD_PRACTICE}}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {rule['help']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]
