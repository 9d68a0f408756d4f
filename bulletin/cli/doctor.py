"""`doctor`."""

from __future__ import annotations

import click

from bulletin.cli import output


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result for a machine.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is set up and what is not, with what to do about it. Asks nobody outside this machine."""
    from bulletin import doctor as examining

    lines = examining.examine(output.publication())
    if as_json:
        output.show_json([{"state": line.state.value, "what": line.what, "hint": line.hint} for line in lines])
    else:
        marks = {
            "pass": click.style("✓", fg="green"),
            "look": click.style("!", fg="yellow"),
            "fail": click.style("✗", fg="red"),
        }
        for line in lines:
            output.show(f"{marks[line.state.value]} {line.what}" + (f"\n    → {line.hint}" if line.hint else ""))
    ctx.exit(1 if any(line.state.value == "fail" for line in lines) else 0)
