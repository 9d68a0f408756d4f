"""`init`, `new` and `translate`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from bulletin.cli import output
from bulletin.cli.collect import day


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the publication. Without it, the folder's name.")
def init(directory: Path, name: str | None) -> None:
    """Make a new publication in DIRECTORY: settings, theme and a first issue."""
    import os

    from bulletin import flow

    made = flow.init(directory, name or directory.resolve().name.replace("-", " ").capitalize(), os.environ)
    for path, what in made:
        output.done(f"{path}  {what}")
    output.say(f"\nGo on: cd {directory}, look at bulletin.toml, then bulletin preview")


@click.command()
@click.argument("issue")
@click.option("--date", type=day, help="Day it goes out: 2024-06-28.")
def new(issue: str, date: dt.date | None) -> None:
    """Start ISSUE, named by its month: bulletin new 2024-06."""
    from bulletin import flow

    home = output.publication()
    path = flow.new(home, issue, date)
    output.done(f"{home.shown(path)} is ready to edit.")
    output.say(f"Go on: bulletin collect {issue}, then bulletin preview {issue}")


@click.command()
@click.argument("issue")
@click.argument("language")
def translate(issue: str, language: str) -> None:
    """Make the file for ISSUE's words in LANGUAGE, or add new items to it: bulletin translate 2024-06 cy."""
    from bulletin import flow

    home = output.publication()
    path, added, is_new = flow.translate(home, issue, language)
    if is_new:
        output.done(f"{home.shown(path)} is ready to fill in.")
    elif added:
        output.done(f"{home.shown(path)} has new items to fill in: {', '.join(added)}.")
    else:
        output.say(f"{home.shown(path)} names every item already; nothing was changed.")
    output.say(f"Go on: fill it in, then bulletin check {issue}")
