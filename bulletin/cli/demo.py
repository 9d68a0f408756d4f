"""`demo`."""

from __future__ import annotations

from pathlib import Path

import click

from bulletin.cli import output


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--open", "open_pages", is_flag=True, help="Open the mail and the archive in a browser at the end.")
def demo(directory: Path | None, open_pages: bool) -> None:
    """Show the whole story on sample sources, in DIRECTORY or bulletin-demo.

    Collects from a web server on this machine, picks, checks, renders, sends to files and builds the archive.
    Nothing leaves this machine.
    """
    import os
    import time

    from bulletin import demo as playing

    place = directory or playing.free_directory(Path("bulletin-demo"))
    output.say(f"The life of one issue, in {place}. Nothing leaves this machine.\n")
    began = time.monotonic()
    pages = []
    for number, step in enumerate(playing.story(place, os.environ), 1):
        output.say(f"{click.style(f'{number:>2}. {step.name}', bold=True)}: {step.did}.")
        for note in step.notes:
            output.say(click.style(f"      ! {note}", fg="yellow"))
        if step.look:
            output.say(f"      look at  {_seen_from_here(place, step.look)}")
        if step.command:
            output.say(click.style(f"      same as  {step.command}", dim=True))
        if step.look.endswith(".html"):
            pages.append(Path(step.look).resolve())
    output.say(f"\nDone in {time.monotonic() - began:.1f} seconds. Look at:")
    for page in pages:
        output.show(page.as_uri())
        if open_pages:
            click.launch(page.as_uri())
    output.say(f"\nGo on: cd {place}, change issues/2024-05/issue.yaml, and see it change: {_command()} preview")


def _seen_from_here(place: Path, look: str) -> Path:
    """A file of the demonstration as a person finds it who stands beside its folder."""
    path = Path(look)
    return place / (path.relative_to(place.resolve()) if path.is_relative_to(place.resolve()) else path)


def _command() -> str:
    """How this person starts the tool: by its name only where that is found."""
    import shutil
    import sys

    started = Path(sys.argv[0])
    return "bulletin" if shutil.which("bulletin") or started.stem != "bulletin" else str(started.absolute())
