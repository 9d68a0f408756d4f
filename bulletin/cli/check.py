"""`check`."""

from __future__ import annotations

import click

from bulletin.cli import output
from bulletin.errors import FileProblems
from bulletin.model import Finding, Severity


@click.command()
@click.argument("issue", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the findings for a machine.")
@click.pass_context
def check(ctx: click.Context, issue: str | None, as_json: bool) -> None:
    """Say what is wrong with ISSUE: each finding with file, line and column, and what to do.

    Exit code 0: nothing must be fixed. 1: something must. 2: the issue could not be read.
    """
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    try:
        result = flow.check(home, name)
    except FileProblems as error:
        if not as_json:
            raise
        output.show_json({"issue": name, "problems": _problems(error), "findings": []})
        ctx.exit(2)
    if as_json:
        found = [_for_machine(finding) for finding in result.findings]
        output.show_json({"issue": name, "problems": [], "findings": found})
    else:
        show_findings(result.findings)
        _sum_up(name, result.findings)
    ctx.exit(1 if result.must_fix else 0)


def show_findings(findings: tuple[Finding, ...]) -> None:
    """Findings on standard output, the ones that must be fixed first."""
    for severity, colour in ((Severity.MUST_FIX, "red"), (Severity.LOOK, "yellow")):
        for finding in findings:
            if finding.severity is severity:
                label = click.style(f"{severity.value} {finding.code}", fg=colour)
                output.show(f"{finding.place}: {label}: {finding.message}")
                if finding.hint:
                    output.show(f"    → {finding.hint}")


def _sum_up(issue: str, findings: tuple[Finding, ...]) -> None:
    must = sum(finding.severity is Severity.MUST_FIX for finding in findings)
    look = len(findings) - must
    if not findings:
        output.done(f"Nothing found in {issue}.")
        return
    output.say(f"\n{must} to fix, {look} to look at. What one means: bulletin help {findings[0].code}")


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
