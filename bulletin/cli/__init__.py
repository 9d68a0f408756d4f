"""The command line: one thin module for each group of commands, imported when it is used.

The table below is the life of a bulletin, in order. It holds the one-line helps too, so that `bulletin --help` loads
no command.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

from bulletin import __version__
from bulletin.cli import output

COMMANDS = {
    "demo": ("demo", "Show the whole story on sample sources."),
    "init": ("start", "Make a new publication in a folder."),
    "new": ("start", "Start an issue."),
    "sources": ("sources", "Say how sources are doing, and what a site offers."),
    "collect": ("collect", "Ask all sources for news, into the inbox."),
    "add": ("collect", "Add one story, from its web address or by hand."),
    "pick": ("pick", "Place stories from the inbox in sections."),
    "translate": ("start", "Make or add to an issue's words in another language."),
    "check": ("check", "Say what is wrong with an issue, and where."),
    "preview": ("preview", "Look at the issue in a browser while you edit it."),
    "render": ("render", "Write the finished mails as files."),
    "approve": ("approve", "Approve a mailing, so that it may leave."),
    "send": ("send", "Send the issue, or try it out first."),
    "cancel": ("approve", "Call a mailing off, at any time."),
    "status": ("send", "Say how far the sending of an issue is."),
    "resolve": ("send", "Settle deliveries whose fate nobody knows."),
    "report": ("send", "Say who got an issue, who did not, and why."),
    "events": ("events", "Say what came back: bounces, complaints, opt-outs."),
    "archive": ("archive", "Build the public pages of past issues."),
    "subscribers": ("subscribers", "Add, list and remove readers."),
    "serve": ("serve", "Serve the unsubscribe and preferences pages."),
    "worker": ("worker", "Help to send, on any number of machines."),
    "doctor": ("doctor", "Say what is set up and what is not."),
    "help": ("help", "Show the manual."),
}


class Commands(click.Group):
    """Commands by the table, in its order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"bulletin.cli.{COMMANDS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else "See all commands with: bulletin --help"
            raise click.UsageError(f'There is no command "{args[0]}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the order of a bulletin's life"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bulletin")
@click.option("--debug", is_flag=True, help="Show where in the program an error happened.")
def cli(debug: bool) -> None:
    """Collect, edit, check, send and archive an email bulletin.

    Start with: bulletin demo. Read on with: bulletin help.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and give the exit code. Every error becomes advice; a traceback only with --debug."""
    debug = "--debug" in arguments
    try:
        result = cli.main(list(arguments), prog_name="bulletin", standalone_mode=False)
    except BaseException as error:
        if debug and not isinstance(error, SystemExit | KeyboardInterrupt | click.ClickException):
            raise
        return output.explain(error)
    return result if isinstance(result, int) else 0
