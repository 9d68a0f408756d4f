"""`doctor`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulletin.cli import output

if TYPE_CHECKING:
    from bulletin.doctor import Line
    from bulletin.outside import Outside
    from bulletin.publication import Publication

LARGEST_MESSAGE = 50_000_000
"""Bytes; no mailbox takes more."""


@click.command()
@click.option("--offline", is_flag=True, help="Ask nobody outside this machine.")
@click.option(
    "--resolver", metavar="ADDRESS", multiple=True, help="Ask this DNS server instead of this machine's: 192.0.2.53"
)
@click.option(
    "--message",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look at a mail of yours that arrived somewhere, saved with all its headers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result for a machine.")
@click.pass_context
def doctor(ctx: click.Context, offline: bool, resolver: tuple[str, ...], message: Path | None, as_json: bool) -> None:
    """Say what is set up and what is not, here and in the DNS, with what to do about it."""
    from bulletin import doctor as examining

    home = output.publication()
    outside = None if offline else _outside(home, resolver)
    lines = list(examining.examine(home, outside))
    if message is not None:
        if outside is None:
            raise click.UsageError("--message has to ask the DNS. Leave out --offline.")
        from bulletin.outside import received

        if message.stat().st_size > LARGEST_MESSAGE:
            raise click.UsageError(f"{message} is too large to be a mail. Save one message, as it arrived.")
        lines += received(message.read_bytes(), outside)
    if as_json:
        fields = (
            {"state": line.state.value, "what": line.what, "hint": line.hint, "rule": line.rule} for line in lines
        )
        output.show_json(list(fields))
    else:
        _show(line for line in lines if not line.rule)
        output.show("\nWhat Gmail, Yahoo and Outlook ask of whoever sends to many:")
        _show(line for line in lines if line.rule)
    ctx.exit(1 if any(line.state is examining.State.FAIL for line in lines) else 0)


def _outside(home: Publication, resolver: tuple[str, ...]) -> Outside:
    """The ways to ask, with short time-outs."""
    import datetime as dt
    from dataclasses import replace

    from bulletin import flow
    from bulletin.asking import Dns
    from bulletin.http import Limits
    from bulletin.outside import Outside

    client = replace(flow.client_for(home), limits=Limits(connect=3, total=6))
    return Outside(dns=Dns(resolver), web=client, now=lambda: dt.datetime.now(dt.UTC))


def _show(lines: Iterable[Line]) -> None:
    marks = {
        "pass": click.style("✓", fg="green"),
        "look": click.style("!", fg="yellow"),
        "fail": click.style("✗", fg="red"),
    }
    for line in lines:
        output.show(f"{marks[line.state.value]} {line.what}" + (f"\n    → {line.hint}" if line.hint else ""))
