"""The theme's own words as data: one file for each language, `templates/words/cy.toml`.

A publication's own file comes before the starter's, word by word. It may also hold what the settings say in the
publication's language only: the tables `[publication]`, `[sections]`, `[topics]`, `[audiences]` and `[lists]`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Formatter
from types import MappingProxyType
from typing import Any, Final

from bulletin.errors import BulletinError

ENGLISH: Final = "en"
"""What a word is in when its language lacks it."""
FOLDER: Final = "words"
"""Where the mail's own words lie, below templates."""
_LENGTHS: Final = MappingProxyType({"months": 12, "months_short": 12, "days": 7, "days_after_to": 7})
TABLES: Final = ("publication", "sections", "topics", "audiences", "lists")
OF_PUBLICATION: Final = (
    "name",
    "masthead",
    "strapline",
    "description",
    "frequency",
    "why",
    "organisation",
    "postal_address",
)
"""What `[publication]` may hold, beside `controller`, which has a phrase of that name around it."""


@dataclass(frozen=True, slots=True)
class Words:
    """All phrases of one language, with English wherever it lacks one."""

    language: str
    """The language's first part: `cy` for cy-GB."""
    phrases: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Mapping[str, str]]
    """The publication's own names in this language, by table."""
    lacking: tuple[str, ...] = ()
    """Phrases that English has and this language has not."""
    strange: tuple[str, ...] = ()
    """Phrases of this language that English has not: slips, or words of the publication's own templates."""

    def say(self, phrase: str, **values: object) -> str:
        """A phrase with its values put in. Raises `LookupError` if no language has it, or a value is not given."""
        return self.pattern(phrase).format(**values)

    def pattern(self, phrase: str) -> str:
        """A phrase as it stands in its file. Raises `LookupError` if no language has it."""
        if phrase not in self.phrases:
            raise LookupError(f'no file in templates/words has the phrase "{phrase}"')
        return self.phrases[phrase]


def primary(language: str) -> str:
    """The first part of a language tag in small letters: en of en-GB."""
    return language.partition("-")[0].lower()


def starter_templates() -> Path:
    """The starter theme: inside the installed package, or at the top level of a checkout."""
    packaged = Path(__file__).parent / "templates"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "templates"


def english() -> Words:
    """The starter's English words."""
    return load((starter_templates(),), ENGLISH)


def load(template_dirs: tuple[Path, ...], language: str, folder: str = FOLDER) -> Words:
    """The words of a language, the publication's own before the starter's; of the mail, or of another folder.

    Raises `BulletinError` naming the file and the phrase for one that cannot be used.
    """
    name = primary(language)
    folders = [templates / folder for templates in reversed(template_dirs)]
    shown = f"templates/{folder}"
    base = _merged(folders, shown, ENGLISH)
    own = base if name == ENGLISH else _merged(folders, shown, name)
    for phrase, value in own.items():
        _refuse(f"{shown}/{name}.toml", phrase, value, base.get(phrase))
    phrases = {key: value for key, value in {**base, **own}.items() if isinstance(value, str)}
    lists = {key: tuple(value) for key, value in {**base, **own}.items() if isinstance(value, list)}
    names = {table: own.get(table, {}) for table in TABLES}
    known = base.keys() | set(TABLES)
    lacking = tuple(sorted(base.keys() - own.keys() - set(TABLES)))
    return Words(name, phrases, lists, names, lacking, tuple(sorted(own.keys() - known)))


def _merged(folders: list[Path], shown: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in folders:
        path = folder / f"{name}.toml"
        try:
            facts = path.stat()
        except OSError:
            continue
        found |= _parsed(path, f"{shown}/{path.name}", facts.st_mtime_ns, facts.st_size)
    return found


@lru_cache(maxsize=16)
def _parsed(path: Path, shown: str, changed: int, size: int) -> Mapping[str, Any]:
    """The file's content, read anew when it has changed."""
    try:
        return MappingProxyType(tomllib.loads(path.read_bytes().decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise BulletinError(f"{shown} is not UTF-8 text.", hint='Save it again with the encoding "UTF-8".') from None
    except tomllib.TOMLDecodeError as error:
        raise BulletinError(f"{shown} cannot be read: {error}.", hint='Each line is: phrase = "The words".') from None


def _refuse(shown: str, phrase: str, value: object, english_value: object) -> None:
    """What would fail, or say something wrong, in the middle of a mail."""
    length = _LENGTHS.get(phrase)
    if phrase in TABLES:
        if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
            raise BulletinError(f'{shown}: "{phrase}" should be a table of texts.', hint='Write: news = "Newyddion".')
    elif length:
        if not isinstance(value, list) or len(value) != length or not all(isinstance(entry, str) for entry in value):
            raise BulletinError(f'{shown}: "{phrase}" should be a list of {length} texts.', hint="Write all of them.")
    elif not isinstance(value, str):
        raise BulletinError(f'{shown}: "{phrase}" should be a text.', hint="Put it in quotes.")
    elif isinstance(english_value, str) and _fields(shown, phrase, value) != _fields(shown, phrase, english_value):
        raise BulletinError(
            f'{shown}: "{phrase}" does not put in what the English does: "{english_value}".',
            hint="Keep the words in curly brackets as they are.",
        )


def _fields(shown: str, phrase: str, value: str) -> frozenset[str]:
    return frozenset(_each_field(shown, phrase, value))


def _each_field(shown: str, phrase: str, value: str) -> Iterator[str]:
    try:
        for _, name, form, conversion in Formatter().parse(value):
            if name is not None:
                yield name + (form or "") + (conversion or "")
    except ValueError:
        hint = "Write each curly bracket in pairs, as in {day}."
        raise BulletinError(f'{shown}: "{phrase}" has a single curly bracket.', hint=hint) from None
