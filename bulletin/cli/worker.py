"""`worker`."""

from __future__ import annotations

import datetime as dt

import click

from bulletin.cli import output


@click.command()
@click.option(
    "--dead-after",
    type=click.FloatRange(min=1),
    default=30,
    show_default=True,
    help="Seconds after which others take over from a worker that says nothing.",
)
@click.option("--until-empty", is_flag=True, help="End when there is nothing left to do.")
def worker(dead_after: float, until_empty: bool) -> None:
    """Help to send what `bulletin send` hands out, together with the workers on other machines.

    Needs PostgreSQL and workers = true under [sending]; the issues and the settings must be the same on every machine.
    Ctrl-C ends it once the letters in hand are recorded.
    """
    from bulletin import flow
    from bulletin.errors import BulletinError

    home = output.publication()

    def say(error: BulletinError) -> None:
        output.explain(error)

    output.say("Waiting for work. Ctrl-C ends it.")
    flow.work(home, dead_after=dt.timedelta(seconds=dead_after), until_empty=until_empty, say=say)
    output.done("Stopped; everything is recorded.")
