"""New publications and new issues, as their first user meets them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import jsonschema
import pytest

from bulletin import starting
from bulletin.errors import BulletinError
from bulletin.publication import Publication, open_publication

ROOT = Path(__file__).parent.parent


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    for _ in starting.make_publication(tmp_path, "My bulletin"):
        pass
    return open_publication(tmp_path, {})


@pytest.mark.parametrize("name", ['The "Quoted" bulletin', "Cylchlythyr ŵ", "Back\\slash", "O'Neill: a bulletin # one"])
def test_any_name_gives_settings_and_an_issue_that_can_be_read(tmp_path: Path, name: str) -> None:
    for _ in starting.make_publication(tmp_path, name):
        pass
    home = open_publication(tmp_path, {})
    assert home.config.name == name
    starting.make_issue(home, "2024-06", None)
    assert home.read_issue("2024-06").issue.title == f"{name}, June 2024"


@pytest.mark.parametrize(
    ("issue", "day"),
    [("2024-05", dt.date(2024, 5, 31)), ("2024-06", dt.date(2024, 6, 28)), ("2024-02", dt.date(2024, 2, 29))],
)
def test_an_issue_goes_out_on_the_last_working_day_of_its_month(home: Publication, issue: str, day: dt.date) -> None:
    starting.make_issue(home, issue, None)
    assert home.read_issue(issue).issue.date == day


def test_a_name_that_is_no_month_needs_a_date(home: Publication) -> None:
    with pytest.raises(BulletinError, match="does not say when") as caught:
        starting.make_issue(home, "spring", None)
    assert "--date" in caught.value.hint
    starting.make_issue(home, "spring", dt.date(2024, 4, 30))
    assert home.read_issue("spring").issue.date == dt.date(2024, 4, 30)


@pytest.mark.parametrize("issue", ["../elsewhere", "2024 05", "", "/elsewhere", "2024-13"])
def test_a_name_that_cannot_be_a_folder_is_refused(home: Publication, issue: str) -> None:
    with pytest.raises(BulletinError):
        starting.make_issue(home, issue, None)
    assert home.issue_ids() == ()


def test_nothing_that_is_there_is_overwritten(home: Publication) -> None:
    path = starting.make_issue(home, "2024-06", None)
    path.write_text("mine", "utf-8")
    with pytest.raises(BulletinError, match="is there already"):
        starting.make_issue(home, "2024-06", None)
    assert path.read_text("utf-8") == "mine"
    with pytest.raises(BulletinError, match="already holds a publication"):
        list(starting.make_publication(home.root, "Another"))


def test_a_theme_that_is_there_is_kept_and_made_whole(tmp_path: Path) -> None:
    """A start that was interrupted, or a folder with a theme from elsewhere."""
    mine = tmp_path / "templates" / "mail" / "issue.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", "utf-8")
    list(starting.make_publication(tmp_path, "My bulletin"))
    assert mine.read_text("utf-8") == "mine"
    assert (mine.parent / "issue.mjml").is_file()


def test_settings_in_a_pyproject_file_are_a_publication_too(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('# [tool.bulletin] comes later\n[project]\nname = "mine"\n', "utf-8")
    with pytest.raises(BulletinError, match="there is no publication"):
        open_publication(tmp_path, {})
    project.write_text('[tool.bulletin]\nname = "Mine"\n', "utf-8")
    with pytest.raises(BulletinError, match="already holds a publication"):
        list(starting.make_publication(tmp_path, "Another"))
    assert [path.name for path in tmp_path.iterdir()] == ["pyproject.toml"]


def test_the_schema_accepts_the_real_issue_and_names_what_it_should_not_hold() -> None:
    home = open_publication(ROOT, {})
    checker = jsonschema.Draft202012Validator(starting.issue_schema(home.config))
    data = home.read_issue("2024-05").document.data | {"schema": 1}
    assert list(checker.iter_errors(data)) == []
    data["sections"][0]["id"] = "nationl"
    data["preheadr"] = "x"
    found = {error.validator for error in checker.iter_errors(data)}
    assert {"enum", "additionalProperties"} <= found


def test_the_committed_schema_is_this_publications() -> None:
    """Editors complete from `issues/issue.schema.json`; `bulletin new` writes it anew."""
    home = open_publication(ROOT, {})
    committed = json.loads((ROOT / "issues" / starting.SCHEMA_FILE).read_text("utf-8"))
    assert committed == starting.issue_schema(home.config)


def test_a_new_issue_satisfies_its_own_schema(home: Publication) -> None:
    starting.make_issue(home, "2024-06", None, example=True)
    data = home.read_issue("2024-06").document.data | {"schema": 1}
    jsonschema.Draft202012Validator(starting.issue_schema(home.config)).validate(data)


def test_a_month_without_its_nought_is_told_how_to_write_it(home: Publication) -> None:
    with pytest.raises(BulletinError) as caught:
        starting.make_issue(home, "2024-4", None)
    assert caught.value.hint == "For the month: bulletin new 2024-04"
