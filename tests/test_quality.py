"""What style checkers do not count: functions stay short, public things have a promise, nothing is left for later."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import bulletin

PACKAGE = Path(bulletin.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FUNCTION = 80
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public classes, functions and methods. What a class takes over from another one is explained there."""
    for node in tree.body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not [base for base in node.bases if ast.unparse(base) != "Protocol"]:
                yield from public(node)


def test_functions_fit_on_a_screen() -> None:
    long = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, FUNCTIONS):
                continue
            length = (node.end_lineno or 0) - node.lineno + 1
            if length >= LONGEST_FUNCTION:
                long.append(f"{path.relative_to(PACKAGE.parent)}:{node.lineno}: {node.name} has {length} lines")
    assert not long, "\n".join(long)


def test_everything_public_says_what_it_promises() -> None:
    silent = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(PACKAGE.parent)
        if not ast.get_docstring(tree):
            silent.append(f"{name}: the module")
        silent += [f"{name}:{node.lineno}: {node.name}" for node in public(tree) if not ast.get_docstring(node)]
    assert not silent, "\n".join(silent)


def test_no_comment_leaves_something_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    left = [
        f"{path.relative_to(PACKAGE.parent)}:{token.start[0]}: {token.string}"
        for path in FILES
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        if token.type == tokenize.COMMENT and later.search(token.string)
    ]
    assert not left, "\n".join(left)


def test_what_is_imported_is_asked_for_and_what_is_asked_for_is_imported() -> None:
    """What only comes along with another library may change without notice; what nobody uses has to be kept safe."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [entry for name, group in project["optional-dependencies"].items() if name != "dev" for entry in group]
    asked = {re.split(r"[><=;\[ ]", entry, maxsplit=1)[0].lower() for entry in [*project["dependencies"], *extras]}
    imported = {
        name.partition(".")[0]
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    distributions = packages_distributions()
    used = {
        distribution.lower()
        for name in imported - sys.stdlib_module_names - {"bulletin"}
        for distribution in distributions[name]
    }
    halves = {"pydantic_core", "markupsafe"}  # of pydantic and Jinja, in whose own interfaces they appear
    # Loaded by markdown-it, by Python and by uvicorn when they are there and asked for; a font and a program.
    by_name = {"linkify-it-py", "tzdata", "httptools", "fontpkg-source-sans-3", "pagefind"}
    assert used - halves == asked - by_name
