"""Building the archive again: only what changed is made, and the result is that of a build from nothing (F-44)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bulletin import flow
from bulletin.archive import memory
from bulletin.errors import BulletinError, LeakError
from bulletin.publication import Publication, open_publication

SETTINGS = """\
name = "Harbour Bulletin"
languages = ["en-GB", "cy"]
[organisation]
name = "Harbour Partnership"
postal_address = "1 Quay, Exampleton"
[sender]
name = "Harbour Bulletin"
address = "bulletin@example.org"
[web]
archive_url = "https://news.example.org/"
[[audiences]]
id = "forces"
title = "Police forces"
"""
ISSUE = """\
schema: 1
id: {id}
title: Harbour Bulletin, {id}
date: {id}-28
public: true
sections:
  - id: news
    items:
      - id: tides
        title: The tides of {id}
        source: Harbour Office
        topics: [data]
        summary: Words about the tides of {id}.
      - id: boats
        title: Boats in {id}
        summary: Words about boats.
        event: {{starts: 2024-06-12T11:00, place: Quay}}
"""
SECRET = """\
      - id: kestrel
        title: Operation Kestrel begins
        summary: The crews meet behind the chandlery.
        audience: [forces]
"""
CORRECTION = "corrections:\n  - {date: 2024-07-01, note: The day was wrong.}\nsections:"


def publication(root: Path) -> Publication:
    """A publication of four issues."""
    root.mkdir()
    (root / "bulletin.toml").write_text(SETTINGS, encoding="utf-8")
    for month in range(1, 5):
        put(root, f"2024-0{month}", ISSUE.format(id=f"2024-0{month}"))
    return open_publication(root, {})


@pytest.fixture
def home(tmp_path: Path) -> Publication:
    return publication(tmp_path / "bulletin")


def put(root: Path, issue: str, text: str, name: str = "issue.yaml") -> None:
    path = root / "issues" / issue / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


Edit = Callable[[str], str]
EDITS: dict[str, Edit] = {
    "rename a story": lambda text: text.replace("title: Boats", "title: Ships and boats"),
    "drop a topic": lambda text: text.replace("        topics: [data]\n", ""),
    "change a source": lambda text: text.replace("Harbour Office", "Quay Office"),
    "take it back": lambda text: text.replace("public: true", "public: false"),
    "withdraw": lambda text: (
        text if "withdrawn" in text else text.replace("sections:", "withdrawn: It was wrong.\nsections:", 1)
    ),
    "correct": lambda text: text if "corrections" in text else text.replace("sections:", CORRECTION, 1),
    "add a secret": lambda text: text if "kestrel" in text else text + SECRET,
    "put it right": lambda text: ISSUE.format(id=text.split("id: ", 1)[1][:7]),
}
steps = st.lists(
    st.tuples(
        st.sampled_from([f"2024-0{month}" for month in range(1, 6)]), st.sampled_from([*EDITS, "delete", "Welsh"])
    ),
    max_size=6,
)


@settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # a case takes seconds
@given(steps)
def test_after_any_edits_the_files_are_those_of_a_build_from_nothing(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, str]]
) -> None:
    home = publication(tmp_path_factory.mktemp("edited") / "bulletin")
    flow.build_archive(home, home.archive_dir)
    for issue, step in done:
        path = home.issue_path(issue)
        text = path.read_text(encoding="utf-8") if path.exists() else ISSUE.format(id=issue)
        if step == "delete":
            path.unlink(missing_ok=True)
        elif step == "Welsh":
            put(home.root, issue, text)
            put(home.root, issue, "schema: 1\nitems: {tides: {title: Y llanw}}\n", "issue.cy.yaml")
        else:
            put(home.root, issue, EDITS[step](text))
        flow.build_archive(home, home.archive_dir)
    flow.build_archive(home, home.state_dir / "other", anew=True)
    assert files(home.archive_dir) == files(home.state_dir / "other")


def test_one_changed_issue_leaves_the_pages_of_the_others_alone(home: Publication) -> None:
    flow.build_archive(home, home.archive_dir)
    before = {name: (home.archive_dir / name).stat().st_mtime_ns for name in files(home.archive_dir)}
    again = flow.build_archive(home, home.archive_dir)
    assert again.made == 0
    put(home.root, "2024-04", EDITS["rename a story"](ISSUE.format(id="2024-04")))
    flow.build_archive(home, home.archive_dir)
    after = {name: (home.archive_dir / name).stat().st_mtime_ns for name in files(home.archive_dir)}
    touched = {name for name, time in after.items() if before.get(name) != time}
    assert "2024-04/index.html" in touched
    assert "events/index.html" in touched
    assert not {"2024-01/index.html", "2024-02/index.html", "style.css", "404.html"} & touched


def test_a_file_that_somebody_deleted_is_made_again_and_one_that_is_strange_goes(home: Publication) -> None:
    flow.build_archive(home, home.archive_dir)
    whole = files(home.archive_dir)
    (home.archive_dir / "2024-02" / "index.html").unlink()
    put(home.archive_dir, "", "strange", "strange.html")
    (home.archive_dir / "issues" / "strange.html").rename(home.archive_dir / "strange.html")
    flow.build_archive(home, home.archive_dir)
    assert files(home.archive_dir) == whole


def test_a_kept_page_that_holds_what_has_become_secret_is_refused_s23(home: Publication) -> None:
    flow.build_archive(home, home.archive_dir)
    page = home.archive_dir / "2024-02" / "index.html"
    page.write_bytes(page.read_bytes().replace(b"</main>", b"<p>Operation Kestrel begins</p></main>"))
    put(home.root, "2024-04", ISSUE.format(id="2024-04") + SECRET)
    flow.build_archive(home, home.archive_dir)
    assert b"Kestrel" not in page.read_bytes(), "everything was made anew"


def test_a_leak_in_a_template_stops_the_build_and_leaves_the_old_site(home: Publication) -> None:
    put(home.root, "2024-04", ISSUE.format(id="2024-04") + SECRET)
    flow.build_archive(home, home.archive_dir)
    before = files(home.archive_dir)
    theme = home.root / "templates" / "archive"
    theme.mkdir(parents=True)
    (theme / "withdrawn.html").write_text("<p>Operation Kestrel begins</p>", encoding="utf-8")
    put(home.root, "2024-01", EDITS["withdraw"](ISSUE.format(id="2024-01")))
    with pytest.raises(LeakError, match=r"2024-01/index\.html holds the headline of the item kestrel in 2024-04"):
        flow.build_archive(home, home.archive_dir)
    assert files(home.archive_dir) == before


def test_what_is_remembered_is_private_and_losing_it_does_no_harm(home: Publication) -> None:
    put(home.root, "2024-04", ISSUE.format(id="2024-04") + SECRET)
    flow.build_archive(home, home.archive_dir)
    (kept,) = home.state_dir.glob("archive-*.json")
    assert kept.stat().st_mode & 0o077 == 0, "it names what must not be published"
    whole = files(home.archive_dir)
    kept.write_text('{"format": 0}', encoding="utf-8")
    assert memory.load(kept) == memory.Memory()
    flow.build_archive(home, home.archive_dir)
    assert files(home.archive_dir) == whole


def test_a_name_that_cannot_be_leaves_the_old_site(home: Publication) -> None:
    flow.build_archive(home, home.archive_dir)
    before = files(home.archive_dir)
    put(home.root, "topics", ISSUE.format(id="2024-05").replace("id: 2024-05", "id: topics", 1))
    with pytest.raises(BulletinError, match="has the name of a page"):
        flow.build_archive(home, home.archive_dir)
    assert files(home.archive_dir) == before
