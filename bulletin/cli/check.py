"""`check`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import FileProblems
from bulletin.model import Finding, LinkState, Mend, Severity

if TYPE_CHECKING:
    from bulletin.flow import Checked
    from bulletin.linkcheck import Asked
    from bulletin.publication import Publication


@click.command()
@click.argument("issue", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.option("--offline", is_flag=True, help="Ask nobody; go by what links answered lately.")
@click.option("--fix", is_flag=True, help="Make the changes that are safe, and say each.")
@click.option("--dry-run", is_flag=True, help="With --fix: say what would be changed, and change nothing.")
@click.option("--undo", is_flag=True, help="Put back the text from before the last --fix.")
@click.pass_context
def check(
    ctx: click.Context, issue: str | None, *, as_json: bool, offline: bool, fix: bool, dry_run: bool, undo: bool
) -> None:
    """Say what is wrong with ISSUE: each finding with file, line and column, and what to do.

    Exit code 0: nothing must be fixed. 1: something must. 2: the issue could not be read.
    """
    from bulletin import flow

    if (fix and (undo or as_json)) or (undo and as_json) or (dry_run and not fix):
        raise click.UsageError("Use one of --fix, --undo and --json at a time, and --dry-run only with --fix.")
    home = output.publication()
    name = output.chosen_issue(home, issue)
    if undo:
        flow.undo_fix(home, name)
        output.done(f"{home.shown(home.issue_path(name))} is as it was before the last --fix.")
        return
    if fix:
        _fix(home, name, online=not offline, dry_run=dry_run)
        if dry_run:
            return
    try:
        with asking() as progress:
            result = flow.check(home, name, online=not offline, on_progress=progress)
    except FileProblems as error:
        if not as_json:
            raise
        output.show_json({"issue": name, "problems": _problems(error), "findings": []})
        ctx.exit(2)
    if as_json:
        found = [_for_machine(finding) for finding in result.findings]
        links = _links_for_machine(result.links)
        programs = {mail: [one.as_data() for one in found] for mail, found in flow.scores(home, result).items()}
        output.show_json({"issue": name, "problems": [], "findings": found, "links": links, "mail_programs": programs})
    else:
        show_findings(result.findings)
        _sum_up(name, result, mended=fix)
    ctx.exit(1 if result.must_fix else 0)


@contextmanager
def asking() -> Iterator[Callable[[int, int], None]]:
    """A progress bar for asking links, which appears with the first answer: only then is their number known."""
    with ExitStack() as stack:
        step: Callable[[int], None] | None = None

        def advance(done: int, of: int) -> None:
            nonlocal step
            if step is None:
                step = stack.enter_context(output.progress("Asking the links", of))
            step(1)

        yield advance


def _fix(home: Publication, issue: str, *, online: bool, dry_run: bool) -> None:
    from bulletin import flow

    with asking() as progress:
        fixed = flow.fix(home, issue, online=online, dry_run=dry_run, on_progress=progress)
    for line, mend in fixed.done:
        output.show(f"{fixed.path}:{line}: {_in_words(mend)}")
    for mend in fixed.left:
        output.warn(f"to be changed by hand, as it is written: {_in_words(mend)}")
    changes = plural(len(fixed.done), "change", "changes")
    if not fixed.done:
        output.say("There is nothing that a program may change.")
    elif dry_run:
        output.say(f"\n{changes} would be made. Nothing was changed.")
    else:
        output.done(f"{changes} made. To take {'it' if len(fixed.done) == 1 else 'them'} back: bulletin check --undo\n")


def _in_words(mend: Mend) -> str:
    if mend.suggestion:
        return f"a comment to look at: {mend.new}"
    return f"{_visible(mend.old)} → {_visible(mend.new)}"


def _visible(text: str) -> str:
    """A text with every sign that nobody sees made visible."""
    mark = "'" if '"' in text else '"'
    named = {"\n": "⏎", "\u00a0": "⍽", "\u202f": "⍽"}
    shown = "".join(named.get(sign, sign if sign.isprintable() else f"<U+{ord(sign):04X}>") for sign in text)
    return f"{mark}{shown}{mark}"


def _links_for_machine(links: Asked | None) -> dict[str, object]:
    if links is None:
        return {}
    unsure = sum(fact.state is LinkState.UNSURE for fact in links.facts.values())
    return {"asked": links.asked, "kept": links.kept, "could_not_check": unsure, "offline": links.offline}


def show_findings(findings: tuple[Finding, ...]) -> None:
    """Findings on standard output, the ones that must be fixed first; of many, each kind under its number."""
    for severity, colour in ((Severity.MUST_FIX, "red"), (Severity.LOOK, "yellow")):
        group = [finding for finding in findings if finding.severity is severity]
        if group and len(findings) > _MANY:
            number = plural(len(group), "finding", "findings")
            output.say(click.style(f"\n{severity.value.capitalize()}: {number}", bold=True))
        for finding in group:
            label = f"{severity.value} {finding.code}"
            first = _within_the_window(f"{finding.place}: {_kept_together(label)}: {finding.message}")
            output.show(first.replace(_kept_together(label), click.style(label, fg=colour), 1))
            if finding.hint:
                output.show(_within_the_window(f"    → {finding.hint}", indent=6))


_MANY = 10


def _kept_together(label: str) -> str:
    return label.replace(" ", "\N{NO-BREAK SPACE}")


def _within_the_window(line: str, indent: int = 4) -> str:
    """A line broken between words for a narrow terminal, and whole in a file or for another program."""
    if not sys.stdout.isatty():
        return line
    width = shutil.get_terminal_size().columns
    broken = textwrap.wrap(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(broken)


def _sum_up(issue: str, result: Checked, *, mended: bool) -> None:
    findings = result.findings
    must = len(result.must_fix)
    if findings:
        look = len(findings) - must
        output.say(f"\n{must} to fix, {look} to look at. What one means: bulletin help {findings[0].code}")
        safe = sum(bool(finding.mends) for finding in findings)
        if safe and not mended:  # what --fix leaves, it has named already
            output.say(f"{safe} of them can be mended for you: bulletin check {issue} --fix")
    else:
        output.done(f"Nothing found in {issue}.")
    if result.links is not None and result.links.offline:
        output.warn("No site could be reached, so the links were not checked. Is this machine online?")


def _for_machine(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "file": finding.place.path,
        "line": finding.place.line,
        "column": finding.place.column,
        "item": finding.item,
        "message": finding.message,
        "hint": finding.hint,
        "can_be_mended": bool(finding.mends),
    }


def _problems(error: FileProblems) -> list[dict[str, object]]:
    return [
        {
            "file": problem.place.path,
            "line": problem.place.line,
            "column": problem.place.column,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in error.problems
    ]
