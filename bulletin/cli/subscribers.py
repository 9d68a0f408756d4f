"""`subscribers`: who gets the bulletin."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output
from bulletin.cli.collect import plural
from bulletin.errors import BulletinError


@click.group()
def subscribers() -> None:
    """Add, list, show, remove and erase readers."""


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


@subscribers.command()
@click.argument("address")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write two files into this folder.")
@click.pass_context
def show(ctx: click.Context, address: str, out: Path | None) -> None:
    """Show everything held about ADDRESS, its consent history included.

    With --out as two files, one to read and one for machines, to answer somebody who asks for their data.
    """
    from bulletin import flow

    text, paths = flow.show_subscriber(output.publication(), address, out)
    if not text:
        output.say("Nothing is held about that address.")
        ctx.exit(1)
    if out is None:
        output.show(text.rstrip())
    for path in paths:
        output.done(f"{path}")


@subscribers.command()
@click.argument("address")
@click.option("--reason", default="asked by the person", show_default=True, help="Why; kept on the receipt.")
@click.option("--yes", is_flag=True, help="Do not ask for the address again.")
def erase(address: str, reason: str, yes: bool) -> None:
    """Delete everything held about ADDRESS, for good, and write a receipt.

    Only a keyed hash stays, so that no import adds the address again. Its owner can still sign up.
    """
    from bulletin import flow

    home = output.publication()
    if not yes:
        again = click.prompt("This cannot be undone. Type the address again", err=True)
        if flow.normal_address(again) != flow.normal_address(address):
            raise BulletinError("the two addresses differ; nothing was deleted.", hint="Run it again.")
    path, text, left = flow.erase_subscriber(home, address, reason=reason)
    output.show(text.rstrip())
    output.done(f"Receipt: {home.shown(path)}")
    for file in left:
        output.warn(f"{home.shown(file)} still holds the address: look at it, and delete it if it may go.")


@subscribers.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def purge(dry_run: bool) -> None:
    """Delete what was kept long enough, as [retention] in the settings says."""
    from bulletin import flow

    purged = flow.purge(output.publication(), dry_run=dry_run)
    for what, number in purged.items():
        output.say(f"  {number:>8,} {what}")
    output.done("Nothing was deleted: this was a rehearsal." if dry_run else "Done.")
