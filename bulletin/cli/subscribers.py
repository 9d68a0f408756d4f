"""`subscribers`: who gets the bulletin."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output
from bulletin.cli.collect import plural


@click.group()
def subscribers() -> None:
    """Add, list and remove readers."""


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--basis", default="", help="Where the list comes from and why you may write to them; kept on record.")
@click.pass_context
def import_(ctx: click.Context, file: Path, dry_run: bool, basis: str) -> None:
    """Add the readers in FILE, a CSV with a column "email" and, if you like, "name" and "language".

    Nobody who left is brought back.
    """
    from bulletin import flow

    difference = flow.import_subscribers(output.publication(), file, basis=basis, dry_run=dry_run)
    verb = "would be added" if dry_run else "added"
    output.done(f"{plural(len(difference.new), 'reader', 'readers')} {verb}.")
    if difference.known:
        output.say(f"  {len(difference.known)} known already")
    if difference.left:
        output.say(f"  {len(difference.left)} left before and stay away")
    for row in difference.refused:
        output.warn(f"{file.name}:{row.line}: {row.reason}")
    ctx.exit(1 if difference.refused else 0)


@subscribers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the list for a machine.")
def list_(as_json: bool) -> None:
    """List all readers, with the edition each one gets."""
    from bulletin import flow

    rows = sorted(flow.list_subscribers(output.publication()), key=lambda row: row[0].email)
    if as_json:
        output.show_json(
            [
                {"email": person.email, "name": person.name, "state": person.state.value, "audience": audience}
                for person, audience in rows
            ]
        )
        return
    output.table(
        ((person.email, person.name, person.state.value, audience) for person, audience in rows),
        ("Address", "Name", "State", "Reads the edition for"),
    )
    output.say(plural(len(rows), "reader", "readers"))


@subscribers.command()
@click.argument("address")
def unsubscribe(address: str) -> None:
    """Take ADDRESS off the list, at once. Only its owner can bring it back."""
    from bulletin import flow

    if flow.unsubscribe(output.publication(), address):
        output.done("Unsubscribed. No further mail will be sent there.")
    else:
        output.say("That address had left already.")
