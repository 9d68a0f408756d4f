"""`help`: the manual, and what each finding means."""

from __future__ import annotations

import difflib
import inspect
from importlib import resources

import click

from bulletin.cli import output
from bulletin.errors import BulletinError


@click.command()
@click.argument("topic", required=False)
def help(topic: str | None) -> None:
    """Show the manual: its topics, one TOPIC, all codes of findings, or what one CODE means."""
    manual = resources.files("bulletin.manual")
    pages = {page.name.removesuffix(".md"): page for page in manual.iterdir() if page.name.endswith(".md")}
    if topic is None:
        _list({name: page.read_text("utf-8") for name, page in pages.items()})
        return
    name = topic.lower()
    if name in pages:
        _show(pages[name].read_text("utf-8"))
        return
    from bulletin.checks import all_checks

    if name == "codes":
        output.table(
            ((check.code, check.severity.value, check.summary) for check in all_checks()), ("Code", "", "Notices")
        )
        return
    for check in all_checks():
        if check.code == topic.upper():
            entry = inspect.cleandoc(check.look.__doc__ or "")
            first, _, rest = entry.partition("\n")
            _show(f"# {check.code}: {first}\n\n**{check.severity.value.capitalize()}**\n{rest}")
            return
    known = {page: page for page in pages} | {check.code.lower(): check.code for check in all_checks()}
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'Did you mean "{known[near[0]]}"?' if near else "See all topics with: bulletin help"
    raise BulletinError(f'the manual has no page "{topic}".', hint=hint)


_ORDER = (
    *("start", "issue-file", "sources", "collecting", "choosing", "checking", "previewing"),
    *("sending", "after-sending", "domain", "archive", "subscribers", "signing-up", "settings", "providers", "words"),
)


def _list(pages: dict[str, str]) -> None:
    output.show("The manual. Read a page with: bulletin help TOPIC\n")
    for name in sorted(pages, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
        lines = [line for line in pages[name].splitlines() if line.strip()]
        output.show(f"  {name:<14}{lines[1] if len(lines) > 1 else ''}")
    output.show(
        "\nWhat a finding means: bulletin help CODE, such as bulletin help SUB01; all of them: bulletin help codes"
    )


def _show(markdown: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=min(Console().width, 92)).print(Markdown(markdown, hyperlinks=False))
