"""The house keeps its shape: imports point one way, pure stages stay pure, and the command line starts quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import bulletin

PACKAGE = Path(bulletin.__file__).parent

LAYERS = {
    "skins": {"__main__", "cli", "web", "preview", "demo"},
    "story": {"flow"},
    "stages": {
        *("starting", "collecting", "linkcheck", "sources", "selection", "translations", "editions", "checks"),
        *("clients", "render"),
        *(
            "gate",
            "archive",
            "subscribers",
            "delivery",
            "mailbox",
            "providers",
            "manual",
            "doctor",
            "domains",
            "outside",
        ),
    },
    "edge": {
        "publication",
        "stores",
        "tables",
        "migrations",
        "http",
        "guard",
        "history",
        "pictures",
        "registry",
        "sampleweb",
        "asking",
        "children",
    },
    "doors": {"config", "issuefile", "door", "fitting", "markings", "words"},
    "nouns": {"model", "errors", "colours", "addresses", ""},
}
"""Who may import whom: a layer knows itself and those below. The empty name is `bulletin/__init__.py`."""

PURE = (
    "bulletin.render",
    "bulletin.editions",
    "bulletin.translations",
    "bulletin.selection",
    "bulletin.addresses",
    "bulletin.checks",
    "bulletin.clients",
    "bulletin.gate",
    "bulletin.delivery.plan",
    "bulletin.domains",
)
OUTSIDE_WORLD = {
    "requests",
    "urllib3",
    "sqlalchemy",
    "sqlite3",
    "socket",
    "smtplib",
    "http.client",
    "urllib.request",
    "dns",
}
HEAVY = {
    *("pydantic", "ruamel", "mjml", "premailer", "feedparser", "requests", "sqlalchemy", "PIL", "starlette", "uvicorn"),
    *("rich", "jinja2", "lxml", "icalendar", "selectolax", "nh3", "markdown_it", "dateutil", "feedgenerator"),
    *("pypdf", "weasyprint", "cbor2"),
    *("email_validator", "charset_normalizer", "imapclient"),
    *("rapidfuzz", "htmldate", "recurring_ical_events", "textual"),
    *("tinycss2", "hunspell", "readability", "dns", "dkim", "alembic", "openpyxl", "cryptography"),
}


def module_name(path: Path) -> str:
    parts = ("bulletin", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imports(tree: ast.AST, *, types_too: bool = True) -> Iterator[tuple[str, int]]:
    """Every module a module imports, at its top or inside a function, with the line."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types_too:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name if name in MODULES else node.module, node.lineno) for name in inner)
        yield from imports(node, types_too=types_too)


def unit(module: str) -> str:
    """`cli` of `bulletin.cli.send`."""
    return module.partition(".")[2].partition(".")[0]


def test_imports_point_from_the_skins_through_the_story_to_the_stages_and_the_nouns() -> None:
    depth = {name: level for level, names in enumerate(LAYERS.values()) for name in names}
    layer = {name: title for title, names in LAYERS.items() for name in names}
    wrong = [
        f"bulletin/{unit(module)} stands in no layer; give it a place in LAYERS"
        for module in MODULES
        if unit(module) not in depth
    ]
    for module, tree in MODULES.items():
        for target, line in imports(tree):
            if target in MODULES and depth.get(unit(target), 9) < depth.get(unit(module), 0):
                above, below = layer[unit(target)], layer[unit(module)]
                wrong.append(
                    f"{module}, line {line} imports {target}: {below} must not know {above}; pass in what is needed"
                )
    assert not wrong, "\n".join(wrong)


def test_no_two_parts_of_the_house_need_each_other() -> None:
    needs: dict[str, set[str]] = {}
    for module, tree in MODULES.items():
        targets = {unit(target) for target, _ in imports(tree, types_too=False) if target in MODULES}
        needs.setdefault(unit(module), set()).update(targets - {unit(module)})
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise AssertionError(f"these import each other in a circle: {' -> '.join(reversed(error.args[1]))}") from None


def test_the_deciding_stages_reach_no_network_and_no_database() -> None:
    wrong: dict[tuple[str, str], str] = {}
    for start in (name for name in MODULES if name.startswith(PURE)):
        ways, todo = {start: start}, [start]
        while todo:
            module = todo.pop()
            for target, line in imports(MODULES[module], types_too=False):
                if target in OUTSIDE_WORLD or target.partition(".")[0] in OUTSIDE_WORLD:
                    wrong[module, target] = (
                        f"{ways[module]}, line {line} imports {target}: let flow fetch it and pass it in"
                    )
                elif target in MODULES and target not in ways:
                    ways[target] = f"{ways[module]} -> {target}"
                    todo.append(target)
    assert not wrong, "\n".join(wrong.values())


def test_help_loads_none_of_the_heavy_libraries() -> None:
    program = "import sys; from bulletin.cli import run; run(['--help']); print('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "a bulletin's life" in done.stdout
    loaded = {name.partition(".")[0] for name in done.stdout.rpartition("LOADED")[2].split()}
    assert not loaded & HEAVY, "import these inside the function that uses them"
