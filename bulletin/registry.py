"""Plug-ins by name: a file in the folder is its own registration, and it is imported when it is first used.

Other packages join through an entry-point group of the same name, `bulletin.providers` and so on.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from bulletin.errors import BulletinError


@cache
def names(kind: str) -> tuple[str, ...]:
    """Names of all plug-ins of a kind ("providers", "sources", "checks"), from A to Z; imports none of them."""
    package = importlib.import_module(f"bulletin.{kind}")
    own = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return tuple(sorted({*own, *_from_outside(kind)}))


@cache
def _from_outside(kind: str) -> dict[str, EntryPoint]:
    """Plug-ins of other packages. Asked once: the answer is in the files of every installed package."""
    return {point.name: point for point in entry_points(group=f"bulletin.{kind}")}


def load(kind: str, name: str) -> ModuleType:
    """The plug-in's module. Raises `BulletinError` naming the nearest known ones if there is none of that name."""
    if name not in names(kind):
        import difflib

        near = difflib.get_close_matches(name, names(kind), n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(names(kind))}."
        raise BulletinError(f'there is no {kind.removesuffix("s")} called "{name}".', hint=hint)
    if name in _from_outside(kind):
        module: ModuleType = _from_outside(kind)[name].load()
        return module
    return importlib.import_module(f"bulletin.{kind}.{name}")
