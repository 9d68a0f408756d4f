"""`archive`."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output
from bulletin.cli.collect import plural


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pages. Without it, .bulletin/archive.",
)
def archive(out: Path | None) -> None:
    """Build the public pages of all issues marked "public: true".

    Items for an audience of their own are never in them.
    """
    from bulletin import flow

    home = output.publication()
    directory, issues = flow.build_archive(home, out or home.archive_dir)
    names = ", ".join(issue.id for issue in issues) or "none is marked public"
    page = home.shown(directory / "index.html")
    output.done(f"{plural(len(issues), 'issue', 'issues')} in {home.shown(directory)}: {names}")
    output.say(f"Open {page}, and copy the folder to where {home.config.archive_url} is served.")
