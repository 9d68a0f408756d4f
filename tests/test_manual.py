"""The manual is shipped, complete and true: its tables are those of the schema, its commands are those of the tool."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import click
import pytest

from bulletin import config, door, model
from bulletin.cli import cli

PAGES = {
    page.name.removesuffix(".md"): page.read_text("utf-8")
    for page in resources.files("bulletin").joinpath("manual").iterdir()
    if page.name.endswith(".md")
}
TOPICS = {
    *("start", "issue-file", "collecting", "choosing", "checking", "previewing", "sending", "archive"),
    *("subscribers", "settings", "words"),
}
KINDS = [
    *(("issue-file", kind) for kind in (model.Issue, model.Section, model.Item, model.Image, model.Event)),
    *(("issue-file", kind) for kind in (model.Candidate, model.Skipped, model.Allowance)),
    *(("settings", kind) for kind in (config.Config, config.Organisation, config.Sender, config.Web, config.Brand)),
    *(("settings", kind) for kind in (config.SectionSetting, config.TopicSetting, config.AudienceSetting)),
    *(("settings", kind) for kind in (config.SourceSetting, config.Collecting, config.Sending)),
]


def table(kind: type[Any]) -> str:
    """The keys of a kind as the manual shows them: what an editor's hover text says, and what holds without the key."""
    schema = door.json_schema(kind)
    rows = ["| Key | What it is | Left out |", "| --- | --- | --- |"]
    for key, about in schema["properties"].items():
        # A group that is described as its class is has the description there only.
        described = about if "description" in about else schema["$defs"][about["$ref"].rpartition("/")[2]]
        default = about.get("default")
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        empty = default is None or default in ("", [], {})
        absent = "must be there" if key in schema.get("required", ()) else "" if empty else f"`{shown}`"
        rows.append(f"| `{key}` | {described['description']} | {absent} |")
    return "\n".join(rows) + "\n"


def test_every_topic_has_a_page() -> None:
    assert PAGES.keys() == TOPICS


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_a_page_starts_with_its_title_and_one_line_of_what_it_is_about(topic: str) -> None:
    title, empty, summary, after = PAGES[topic].split("\n")[:4]
    assert title.startswith("# ")
    assert (empty, after) == ("", "")
    assert 20 < len(summary) < 100
    assert summary.endswith(".")


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=lambda value: getattr(value, "__name__", value))
def test_every_key_is_explained_as_in_the_schema(topic: str, kind: type[Any]) -> None:
    assert table(kind) in PAGES[topic]


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_every_command_in_the_manual_exists_with_its_options(topic: str) -> None:
    shown = re.findall(r"`(bulletin [^`\n]+)`|^(bulletin .+)$", PAGES[topic], re.MULTILINE)
    for line in ((inline or block).split() for inline, block in shown):
        command: click.Command = cli
        words = line[1:]
        while words and isinstance(command, click.Group):
            name = words.pop(0)
            found = command.get_command(click.Context(command), name)
            assert found is not None, f"{' '.join(line)}: there is no command {name}"
            command = found
        options = {option for parameter in command.params for option in parameter.opts}
        used = {word for word in words if word.startswith("-")}
        assert used <= options, f"{' '.join(line)}: {used - options}"


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_every_page_that_is_pointed_to_exists(topic: str) -> None:
    for pointed in re.findall(r"bulletin help ([a-z-]+)", PAGES[topic]):
        assert pointed in TOPICS
