"""Sessions with providers, opened as sending does, and the letters that go over them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailing import NOON, SECRET, config, letter

from bulletin import providers
from bulletin.config import Config
from bulletin.model import Letter, Outcome, OutcomeKind
from bulletin.providers import Session, Surroundings

ACCEPTED, REFUSED, RETRY, UNKNOWN = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.REFUSED,
    OutcomeKind.RETRY,
    OutcomeKind.UNKNOWN,
)


def surroundings(
    name: str,
    folder: Path,
    environment: dict[str, str] | None = None,
    *,
    publication: Config | None = None,
    **settings: Any,
) -> Surroundings:
    """What a provider of this name is opened with, under these settings of its own."""
    return Surroundings(
        config=publication or config(providers={name: settings} if settings else {}),
        environment=environment or {},
        secret=lambda: SECRET,
        outbox_dir=folder / "outbox",
        now=lambda: NOON,
    )


@contextmanager
def opened(name: str, folder: Path, environment: dict[str, str] | None = None, **more: Any) -> Iterator[Session]:
    """A session with a provider; see `surroundings`."""
    with providers.load(name).open(surroundings(name, folder, environment, **more)) as session:
        yield session


def letters(*names: str) -> list[Letter]:
    """A letter for each, numbered from 1; a name alone is one at example.org."""
    return [
        letter(name if "@" in name else f"{name}@example.org", f"id{number}", number)
        for number, name in enumerate(names, 1)
    ]


def kinds(outcomes: Sequence[Outcome]) -> list[OutcomeKind]:
    """What became of each."""
    return [outcome.kind for outcome in outcomes]


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
