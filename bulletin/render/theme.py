"""Templates: finding them, running them safely, and saying where in them something went wrong.

A theme is a folder `templates/mail` with `issue.mjml`, `issue.txt` and what they include. A publication's own files
come before the starter's, one by one. Templates see `edition`, `config`, `brand`, `masthead`, `light`, `dark`,
`tlp_colours`, `personal`, `words` and `direction`, and the filters below.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulletin import config as settings
from bulletin import model
from bulletin.door import closest
from bulletin.errors import BulletinError, Place
from bulletin.model import Edition
from bulletin.render import markdown, palette, spoken, wording
from bulletin.words import Words, english

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment
    from jinja2.ext import Extension

Context = Mapping[str, Any]

PATHS_HINT = "Paths start in the templates folder: mail/masthead.mjml."

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi"})
_MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Python raises for mistakes in a template's expressions."""


def context(
    edition: Edition, config: settings.Config, personal: Mapping[str, str], words: Words | None = None
) -> Context:
    """What templates see. `personal` holds the markers, or one reader's own values; without `words`, English ones."""
    return {
        "edition": edition,
        "config": config,
        "brand": config.brand,
        "masthead": config.brand.masthead or config.name,
        "light": palette.light(config.brand),
        "dark": palette.dark(config.brand),
        "tlp_colours": palette.TLP,
        "personal": dict(personal),
        "words": words or english(),
        "direction": "rtl" if edition.language.split("-")[0].lower() in _RIGHT_TO_LEFT else "ltr",
    }


def run(template_dirs: tuple[Path, ...], name: str, values: Context, *, escape: bool) -> str:
    """A template's output. `escape` for HTML, where values are text and never markup.

    Raises `BulletinError` with the template, the line and a remedy.
    """
    return _run(_environment(template_dirs, escape), template_dirs, name, values)


def place_in_template(template_dirs: tuple[Path, ...], name: str, values: Context, offset: int) -> Place:
    """The template and line that wrote the character at `offset` of the output, also through includes."""
    environment = _environment(template_dirs, escape=True).overlay(extensions=[_line_marks()], bytecode_cache=None)
    marked = _run(environment, template_dirs, name, values)
    place, clean, end = Place(shown(template_dirs, name), 1, 1), 0, 0
    for mark in _LINE_MARK.finditer(marked):
        clean += mark.start() - end
        if clean > offset:
            break
        end = mark.end()
        rest = marked[end : end + offset - clean].split(_START)[0]
        line = int(mark["line"]) + min(rest.count("\n"), int(mark["lines"]))
        place = Place(shown(template_dirs, mark["name"]), line, 1)
    return place


_CALLS = 2
"""How filters and functions are called from compiled templates: a new number when one begins to see the context."""


@lru_cache(maxsize=8)
def _environment(template_dirs: tuple[Path, ...], escape: bool) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        loader=FileSystemLoader([str(folder) for folder in template_dirs]),
        bytecode_cache=_compiled_templates("markup" if escape else "text"),
        undefined=StrictUndefined,
        autoescape=escape,  # by hand: Jinja's own choice goes by file name and knows no .mjml
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "gist": markdown.gist,
        "html": markdown.to_html,
        "plain": markdown.to_text,
        "wrapped": _wrapped,
        **spoken.filters(),
    }
    environment.globals |= {"issue_label": wording.issue_label, **spoken.functions()}
    return environment


def _compiled_templates(kind: str) -> BytecodeCache | None:
    """Compiled templates, kept between commands as Python keeps its own; only where nobody else can write.

    They are checked against the templates' content and are only ever a saving of time: None where there is no place.
    What is compiled to escape its values must never serve where it should not, or the other way about: `kind` keeps
    the two apart.
    """
    import jinja2
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("bulletin") / f"templates-{jinja2.__version__}-{_CALLS}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except (OSError, RuntimeError):  # the latter where nobody has a home, as in some containers
        return None
    private = facts.st_mode & 0o022 == 0 and facts.st_uid == getattr(os, "geteuid", lambda: facts.st_uid)()
    if not (private or os.name == "nt"):
        return None

    class Kept(FileSystemBytecodeCache):
        """Jinja's own, but a disk that is full or read-only costs time and no mail."""

        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().dump_bytecode(bucket)

    return Kept(str(folder), f"{kind}-%s.cache")


def _wrapped(text: str, width: int = 72, first: str = "", later: str | None = None) -> str:
    """One paragraph in lines of at most `width` characters."""
    return "\n".join(markdown.wrap(text, width, first, first if later is None else later))


def _run(environment: Environment, template_dirs: tuple[Path, ...], name: str, values: Context) -> str:
    from jinja2 import TemplateError

    try:
        return environment.get_template(name).render(values)
    except (TemplateError, RecursionError, OSError, *_MISTAKES) as error:
        raise _explained(error, template_dirs, name, values) from error


def _explained(error: Exception, template_dirs: tuple[Path, ...], name: str, values: Context) -> BulletinError:
    from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError
    from jinja2.exceptions import SecurityError

    place = _raised_at(error, template_dirs) or Place(shown(template_dirs, name))
    said = str(error).rstrip(".")
    match error:
        case TemplateSyntaxError():
            place = Place(shown(template_dirs, error.name or name), error.lineno, 1)
            message, hint = f"this template cannot be read: {said}.", "Mend this line."
        case TemplateNotFound():
            message, hint = f'there is no template "{error.name}".', PATHS_HINT
        case UndefinedError():
            message, hint = _unknown_name(said, values)
        case SecurityError():
            message, hint = f"a template may not do this: {said}.", "Use only values and filters made for templates."
        case RecursionError():
            message, hint = "this template includes itself, directly or through others.", "Remove one of the includes."
        case UnicodeDecodeError():
            message, hint = (
                "this template, or one it includes, is not UTF-8 text.",
                'Save it with the encoding "UTF-8".',
            )
        case OSError():
            message, hint = f"a template cannot be opened: {error.strerror}.", "Look at the file and its permissions."
        case _:
            message, hint = f"a template cannot work this out: {said}.", "Mend the expression on this line."
    return BulletinError(message, hint=hint, place=place)


def _unknown_name(said: str, values: Context) -> tuple[str, str]:
    """What to say of a name or field that nothing has, from Jinja's words for it: the message, and a hint."""
    field = re.search(r"'bulletin\.(model|config)\.(\w+) object' has no attribute '(\w+)'", said)
    if field:
        kind = getattr(model if field[1] == "model" else settings, field[2])
        return f'there is no "{field[3]}" here.', closest(field[3], [known.name for known in fields(kind)])
    name = re.match(r"'(\w+)' is undefined", said)
    if name:
        return f'nothing is called "{name[1]}" here.', closest(name[1], sorted(values))
    return f"this is not known here: {said}.", "Check the spelling."


def _raised_at(error: Exception, template_dirs: tuple[Path, ...]) -> Place | None:
    """The innermost template line in the error's traceback, where Jinja shows templates as if they were Python."""
    place = None
    step = error.__traceback__
    while step:
        path = Path(step.tb_frame.f_code.co_filename)
        for folder in template_dirs:
            if path.is_relative_to(folder):
                place = Place(shown(template_dirs, path.relative_to(folder).as_posix()), step.tb_lineno, 1)
        step = step.tb_next
    return place


def shown(template_dirs: tuple[Path, ...], name: str) -> str:
    """A template as people know it: by its folder's name and its own."""
    folder = next((folder for folder in template_dirs if (folder / name).is_file()), template_dirs[0])
    return f"{folder.name}/{name}"


# Two signs from Unicode's private area frame a mark in front of each piece of literal template text.
_START, _END = "\ue000", "\ue001"
_LINE_MARK = re.compile(f"{_START}(?P<name>[^:]*):(?P<line>\\d+):(?P<lines>\\d+){_END}")


@lru_cache(maxsize=1)
def _line_marks() -> type[Extension]:
    from jinja2.ext import Extension
    from jinja2.lexer import Token, TokenStream

    class LineMarks(Extension):
        """Writes into the output which line of which template each piece comes from."""

        def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
            for token in stream:
                if token.type == "data":
                    mark = f"{_START}{stream.name}:{token.lineno}:{token.value.count(chr(10))}{_END}"
                    token = Token(token.lineno, "data", mark + token.value)  # noqa: PLW2901 - the token, marked
                yield token

    return LineMarks
