"""Issues in two languages: what is not translated."""

from __future__ import annotations

from collections.abc import Iterator

from bulletin import door
from bulletin.checks._rule import Found, Material, check
from bulletin.errors import Place
from bulletin.model import SCHEMA, Severity, Translation
from bulletin.translations import headings_missing, missing, names_missing
from bulletin.words import ENGLISH, primary

_NAMES = {
    "title": "headline",
    "summary": "summary",
    "link": "words of the link",
    "alt": "alternative text of the picture",
    "place": "place of the event",
}
_GENERAL = {"title": "title", "subject": "subject", "preheader": "preheader", "notice": "notice", "welcome": "welcome"}


@check("WEL01", Severity.LOOK)
def untranslated_item(material: Material) -> Iterator[Found]:
    """An item, or all of the issue, is not translated into a language that the bulletin appears in (W-07).

    *Why*: who chose Welsh gets English there. Police forces in Wales must treat Welsh no
    less favourably than English, and the College has undertaken to treat both alike.

    *Instead of*: an item of `issue.yaml` that stands nowhere in `issue.cy.yaml`.

    *Write*: its words in `issue.cy.yaml`, under the item's id.
    """
    for language, file in material.translations.items():
        if file is None:
            message = f"there is no issue.{language}.yaml, so nobody gets this issue in {_name(language)}."
            yield Found((), message, f"To write it: bulletin translate {material.issue.id} {language}")
            continue
        for loc, item in material.items():
            lacking = missing(item, file.translation)
            if not lacking:
                continue
            named = ("items", item.id) in file.document.keys
            place = file.place_of("items", item.id) if named else None
            whole = lacking == missing(item, Translation(schema=SCHEMA))
            what = "the item" if whole else f"the {_listed([_NAMES[name] for name in lacking])} of the item"
            hint = f'Write it in {file.path} under "items", "{item.id}". Until then readers see the original.'
            verb = "is" if whole or len(lacking) == 1 else "are"
            yield Found(loc, f'{what} "{item.id}" {verb} not in {_name(language)}.', hint, place=place)


@check("WEL02", Severity.LOOK)
def untranslated_opening(material: Material) -> Iterator[Found]:
    """The title, subject, preheader, notice, welcome or a section of an issue is not translated (W-07).

    *Why*: they are what readers see first. An English subject on a Welsh mail looks like a mistake, and is one.

    *Instead of*: an `issue.cy.yaml` with items and no subject.

    *Write*: `subject`, `preheader`, `title` and `welcome` at its top.
    """
    for language, file in material.translations.items():
        if file is None:
            continue
        for name, what in _GENERAL.items():
            if getattr(material.issue, name) and not getattr(file.translation, name):
                hint = f'Write "{name}" in {file.path}.'
                yield Found((name,), f"the {what} is not in {_name(language)}.", hint, place=Place(file.path, 1, 1))
        words = next((words for words in material.phrases if words.language == primary(language)), None)
        for section, name in headings_missing(material.issue, file.translation, words) if words else ():
            what = "heading" if name == "title" else "introduction"
            hint = f'Write it in {file.path} under "sections", "{section}"'
            hint += f", or once for all issues under [sections] in {_words_file(language)}." if name == "title" else "."
            message = f'the {what} of the section "{section}" is not in {_name(language)}.'
            yield Found((), message, hint, place=file.place_of("sections", section))


@check("WEL03", Severity.LOOK)
def words_of_the_theme(material: Material) -> Iterator[Found]:
    """A phrase of the theme, or a name from the settings, is missing in a language, or is misspelt.

    *Why*: the mail then says it in English, between Welsh words.

    *Instead of*: `unsubscibe = "Dad-danysgrifio"` in `templates/words/cy.toml`.

    *Write*: the phrase as `templates/words/en.toml` of the starter theme spells it.
    """
    for words in material.phrases:
        place = Place(_words_file(words.language), 1, 1)
        for table, names in names_missing(material.issue, material.config, words).items():
            message = f"{_listed(list(names))} under [{table}] {'is' if len(names) == 1 else 'are'}"
            hint = f"Write it under [{table}] in {place.path}; see: bulletin help issue-file"
            yield Found((), f"{message} not in {_name(words.language)}.", hint, place=place)
        for phrase in words.lacking if words.language != ENGLISH else ():
            yield Found((), f'"{phrase}" is not in {_name(words.language)}.', f"Write it in {place.path}.", place=place)
        for phrase in words.strange:
            hint = door.closest(phrase, sorted({*words.phrases, *words.lists} - set(words.strange)))
            if hint.startswith("Did you mean"):
                yield Found((), f'there is no phrase "{phrase}".', hint, place=place)


def _words_file(language: str) -> str:
    return f"templates/words/{primary(language)}.toml"


def _name(language: str) -> str:
    return {"cy": "Welsh", "en": "English"}.get(language.partition("-")[0].lower(), language)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
