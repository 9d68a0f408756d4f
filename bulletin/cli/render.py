"""`render`."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output


@click.command()
@click.argument("issue", required=False)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the files.")
@click.option("--local", is_flag=True, help="Show the pictures from copies in the folder, not from the archive.")
def render(issue: str | None, out: Path, local: bool) -> None:
    """Write the finished mails of ISSUE as HTML and text, one of each for every audience.

    The personal links lead to example addresses: these files are to look at, not to send.
    """
    from bulletin import flow

    home = output.publication()
    name = output.chosen_issue(home, issue)
    for path, size in flow.write_rendered(home, name, out, local_pictures=local):
        output.done(f"{path}  {size:,} bytes")
