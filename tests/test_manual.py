"""The manual is shipped, complete and true: its tables are those of the schema, its commands are those of the tool."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import click
import pytest

import bulletin
from bulletin import config, door, model, registry, starting
from bulletin.checks import all_checks
from bulletin.cli import cli
from bulletin.publication import open_publication

ROOT = Path(__file__).resolve().parent.parent

PAGES = {
    page.name.removesuffix(".md"): page.read_text("utf-8")
    for page in resources.files("bulletin").joinpath("manual").iterdir()
    if page.name.endswith(".md")
}
TOPICS = {
    *("start", "issue-file", "collecting", "choosing", "checking", "previewing", "sending", "after-sending", "archive"),
    *("sources", "mail-server", "domain", "subscribers", "signing-up", "settings", "providers", "words"),
}
TABLES: dict[tuple[str, str], type[Any]] = {
    ("issue-file", "The issue"): model.Issue,
    ("issue-file", "Under sections:"): model.Section,
    ("issue-file", "Under items:"): model.Item,
    ("issue-file", "Under image:"): model.Image,
    ("issue-file", "Under event:"): model.Event,
    ("issue-file", "Under corrections:"): model.Correction,
    ("issue-file", "Under inbox:"): model.Candidate,
    ("issue-file", "Under skipped:"): model.Skipped,
    ("issue-file", "Under allow:"): model.Allowance,
    ("issue-file", "In another language"): model.Translation,
    ("issue-file", "Of each translated section"): model.TranslatedSection,
    ("issue-file", "Of each translated item"): model.TranslatedItem,
    ("settings", "At the top"): config.Config,
    ("settings", "[organisation]"): config.Organisation,
    ("settings", "[sender]"): config.Sender,
    ("settings", "[web]"): config.Web,
    ("settings", "[brand]"): config.Brand,
    ("settings", "[[sections]]"): config.SectionSetting,
    ("settings", "[[topics]]"): config.TopicSetting,
    ("settings", "[[audiences]]"): config.AudienceSetting,
    ("settings", "[[sources]]"): config.SourceSetting,
    ("settings", "[collecting]"): config.Collecting,
    ("settings", "[checking]"): config.Checking,
    ("settings", "[sending]"): config.Sending,
    ("settings", "[mailbox]"): config.Mailbox,
    ("settings", "[archive]"): config.ArchiveSetting,
    ("settings", "[retention]"): config.Retention,
    ("settings", "[providers.smtp]"): registry.load("providers", "smtp").Settings,
    **{
        ("providers", f"[providers.{name}]"): registry.load("providers", name).Settings
        for name in registry.names("providers")
        if name not in ("outbox", "smtp")
    },
}
"""Page and heading of each table of keys. `python tests/test_manual.py` writes them, and our schema file, anew."""


def table(kind: type[Any]) -> str:
    """The keys of a kind as the manual shows them: what an editor's hover text says, and what holds without the key."""
    schema = door.json_schema(kind)
    rows = ["| Key | What it is | Left out |", "| --- | --- | --- |"]
    for key, about in schema["properties"].items():
        default = about.get("default")
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        empty = default is None or default in ("", [], {})
        absent = "must be there" if key in schema.get("required", ()) else "" if empty else f"`{shown}`"
        rows.append(f"| `{key}` | {about['description']} | {absent} |")
    return "\n".join(rows) + "\n"


def with_table(page: str, heading: str, kind: type[Any]) -> str:
    """The page with the table under this heading as it should be."""
    start = page.index(f"\n## {heading}\n")
    head, rest = page[:start], page[start:]
    return head + re.sub(r"(?:^\|.*\n)+", lambda _: table(kind), rest, count=1, flags=re.MULTILINE)


def test_every_topic_has_a_page() -> None:
    assert PAGES.keys() == TOPICS


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_a_page_starts_with_its_title_and_one_line_of_what_it_is_about(topic: str) -> None:
    title, empty, summary, after = PAGES[topic].split("\n")[:4]
    assert title.startswith("# ")
    assert (empty, after) == ("", "")
    assert 20 < len(summary) < 100
    assert summary.endswith(".")


@pytest.mark.parametrize(("topic", "heading"), TABLES, ids=" ".join)
def test_every_key_is_explained_as_in_the_schema(topic: str, heading: str) -> None:
    assert PAGES[topic] == with_table(PAGES[topic], heading, TABLES[topic, heading])


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_every_command_in_the_manual_exists_with_its_options(topic: str) -> None:
    shown = re.findall(r"`(bulletin [^`\n]+)`|^(bulletin .+)$", PAGES[topic], re.MULTILINE)
    for line in ((inline or block).split() for inline, block in shown):
        command: click.Command = cli
        words = line[1:]
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
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


@pytest.mark.parametrize("topic", sorted(PAGES))
def test_every_code_in_the_manual_is_that_of_a_check(topic: str) -> None:
    assert set(re.findall(r"\b[A-Z]{3}\d\d\b", PAGES[topic])) <= {check.code for check in all_checks()}


def test_every_variable_of_the_environment_is_explained() -> None:
    package = resources.files("bulletin")
    used = {
        variable
        for part in (
            "publication.py",
            "mailbox/imap.py",
            *(f"providers/{name}.py" for name in registry.names("providers")),
        )
        for variable in re.findall(r"\bBULLETIN_[A-Z_]+\b", package.joinpath(part).read_text("utf-8"))
    }
    assert used
    explained = PAGES["settings"] + PAGES["providers"]
    assert not [variable for variable in used if f"`{variable}`" not in explained]


def test_the_schema_beside_our_own_issues_knows_our_settings() -> None:
    home = open_publication(ROOT, {})
    shipped = json.loads((home.issues_dir / starting.SCHEMA_FILE).read_text("utf-8"))
    assert shipped == starting.issue_schema(home.config), "write it anew with: python tests/test_manual.py"


if __name__ == "__main__":
    starting.write_schema(open_publication(ROOT, {}))
    for (topic, heading), kind in TABLES.items():
        PAGES[topic] = with_table(PAGES[topic], heading, kind)
        Path(bulletin.__file__).parent.joinpath("manual", f"{topic}.md").write_text(PAGES[topic], encoding="utf-8")
