"""The screen of `bulletin pick`: the inbox as a list, the story under the cursor beside it, one key for each decision.

Each decision is written to the issue file at once, by one thread in the order of the keys, so that nothing is lost
when the terminal goes away, and so that a slow picture holds nobody up. Decisions can be taken back one by one.
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import click
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from bulletin import flow
from bulletin.errors import BulletinError
from bulletin.model import Candidate
from bulletin.publication import Publication

_REASONS = ("not for this issue", "not for our readers", "told before", "too old", "too local")


@dataclass(frozen=True, slots=True)
class _Decision:
    """What was decided about a story, and how to take it back."""

    candidate: Candidate
    number: int
    """Where it stood in the list of all."""
    section: str | None
    """Where it went; None if it was skipped."""
    edited: flow.Edited


class _Choice(ModalScreen[str | None]):
    """A short list to choose one of; Escape chooses none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]
    DEFAULT_CSS = """
    _Choice { align: center middle; }
    _Choice Vertical { width: 64; max-height: 80%; height: auto; border: round $accent; background: $surface; }
    _Choice OptionList { height: auto; max-height: 24; border: none; }
    """

    def __init__(self, question: str, options: Iterable[tuple[str, str]], first: str | None = None) -> None:
        super().__init__()
        self._question, self._options, self._first = question, tuple(options), first

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(self._question)
            yield OptionList(*(Option(Text(text), id=f"o{n}") for n, (_, text) in enumerate(self._options)))

    def on_mount(self) -> None:
        chosen = next((n for n, (value, _) in enumerate(self._options) if value == self._first), 0)
        self.query_one(OptionList).highlighted = chosen

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._options[event.option_index][0])


class _Reason(ModalScreen[str | None]):
    """Why a story is turned down: a line to type, with what was said before offered."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]
    DEFAULT_CSS = """
    _Reason { align: center middle; }
    _Reason Vertical { width: 72; height: auto; border: round $accent; background: $surface; padding: 0 1; }
    """

    def __init__(self, title: str, usual: str) -> None:
        super().__init__()
        self._title, self._usual = title, usual

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Text(f"Skip: {self._title}"))
            yield Input(value=self._usual, placeholder="Why", id="why")
            yield Label("Enter skips it, Escape goes back. Type to give another reason.")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or self._usual)


class Picking(App[None]):
    """Choosing from the inbox of one issue. `run_to_end` gives how many stories were placed and skipped."""

    TITLE = "Pick"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #where { height: 1; background: $primary; color: $text; padding: 0 1; }
    #search { display: none; height: 3; }
    #search.shown { display: block; }
    #list { width: 3fr; }
    #story { width: 2fr; border-left: solid $primary; padding: 0 1; }
    #keys { height: auto; color: $text-muted; padding: 0 1; }
    Screen.-narrow #both { layout: vertical; }
    Screen.-narrow #list { width: 1fr; height: 3fr; }
    Screen.-narrow #story { width: 1fr; height: 2fr; border-left: none; border-top: solid $primary; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - declared so by textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "place", "Place", priority=False),
        Binding("m", "move", "To section"),
        Binding("s", "skip", "Skip"),
        Binding("u", "undo", "Undo"),
        Binding("o", "open", "Open page"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("f", "filter", "Filter"),
        Binding("escape", "all", "Show all", show=False),
        Binding("q", "quit_when_written", "Quit"),
        *(Binding(str(number), f"place_in({number})", show=False) for number in range(1, 10)),
    ]

    def __init__(self, home: Publication, issue: str, *, with_pictures: bool = True) -> None:
        super().__init__()
        self._home, self._issue, self._with_pictures = home, issue, with_pictures
        self._inbox: dict[int, Candidate] = dict(enumerate(home.read_issue(issue).issue.inbox))
        self._shown: list[int] = []
        self._words, self._only = "", ""
        self._decided: list[_Decision] = []
        self._reason = _REASONS[0]
        self._todo: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="pick", daemon=True)

    def run_to_end(self) -> tuple[int, int]:
        """Run until the person quits; how many stories were placed, and how many skipped."""
        self._writer.start()
        try:
            self.run()
        finally:
            self._todo.put(None)
            self._writer.join()
        return self.counted

    @property
    def counted(self) -> tuple[int, int]:
        """Stories placed and skipped so far, less those taken back."""
        placed = sum(decision.section is not None for decision in self._decided)
        return placed, len(self._decided) - placed

    # ---- the screen

    def compose(self) -> ComposeResult:
        yield Static(id="where")
        yield Input(placeholder="Words in headline, summary or source; Enter goes back to the list", id="search")
        with Horizontal(id="both"):
            yield DataTable(id="list", cursor_type="row", zebra_stripes=True)
            with VerticalScroll(id="story"):
                yield Static(id="words")
        yield Static(self._keys(), id="keys")
        yield Footer()

    def on_mount(self) -> None:
        if not self._writer.is_alive():
            self._writer.start()
        self._table.add_columns("Date", "Fits", "Headline", "Source")
        self._fill()
        self._table.focus()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#list", DataTable)

    @property
    def _sections(self) -> tuple[str, ...]:
        return self._home.config.vocabulary.sections

    def _keys(self) -> Text:
        named = (f"{n} {self._home.config.section_title(section)}" for n, section in enumerate(self._sections[:9], 1))
        return Text("Enter takes the section it fits; or   " + "   ".join(named))

    def _fitting(self, section: str | None) -> str:
        """The proposed section, with the key for it."""
        if section is None:
            return "?"
        number = self._sections.index(section) + 1 if section in self._sections[:9] else " "
        return f"{number} {section}"

    def _fill(self, at: int = 0) -> None:
        """Draw the list anew, with the cursor on line `at`."""
        self._shown = [number for number, entry in sorted(self._inbox.items()) if self._fits(entry)]
        self._table.clear()
        for number in self._shown:
            entry = self._inbox[number]
            day = entry.published or entry.seen
            date = f"{day.day:>2} {day:%b}{'' if entry.published and not entry.dated else ' ?'}" if day else "?"
            if entry.event and not entry.published:
                date = f"on {entry.event.starts.day} {entry.event.starts:%b}"
            cells = (date, _cut(self._fitting(entry.section), 14), _cut(entry.title, 90), entry.source or "")
            self._table.add_row(*(Text(cell) for cell in cells), key=str(number))
        if self._shown:
            self._table.move_cursor(row=max(0, min(at, len(self._shown) - 1)))
        self._tell()

    def _fits(self, entry: Candidate) -> bool:
        text = f"{entry.title} {entry.summary} {entry.source or ''}".casefold()
        kind, _, value = self._only.partition(":")
        fits = {
            "": True,
            "source": (entry.source or "") == value,
            "topic": value in entry.topics,
            "section": (entry.section or "") == value,
            "undated": entry.published is None or bool(entry.dated),
        }
        return fits[kind] and all(word in text for word in self._words.casefold().split())

    def _tell(self) -> None:
        """The line at the top, and the story under the cursor."""
        placed, skipped = self.counted
        only = f"   only {self._only.replace(':', ' ')}" if self._only else ""
        words = f'   with "{self._words}"' if self._words else ""
        shown = f"{len(self._shown)} of {len(self._inbox)}" if only or words else str(len(self._inbox))
        where = f"{self._issue}: {shown} in the inbox, {placed} placed, {skipped} skipped{only}{words}"
        self.query_one("#where", Static).update(Text(where))
        entry = self._current()
        self.query_one("#words", Static).update(
            self._story(entry) if entry else Text("Nothing here. Escape shows all.")
        )

    def _current(self) -> Candidate | None:
        row = self._table.cursor_row
        return self._inbox[self._shown[row]] if 0 <= row < len(self._shown) else None

    def _story(self, entry: Candidate) -> Text:
        text = Text(entry.title, style="bold")
        text.append(f"\n{entry.source or 'unknown source'}", style="not bold")
        days = [f"published {_day(entry.published)}"] if entry.published else ["no date"]
        days += [f"updated {_day(entry.updated)}"] if entry.updated else []
        days += [f"first seen {_day(entry.seen)}"] if entry.seen and not entry.published else []
        text.append(f"\n{', '.join(days)}", style="not bold")
        if entry.dated:
            text.append(f"\n! {entry.dated}", style="not bold yellow")
        if entry.event:
            where = f", {entry.event.place}" if entry.event.place else ""
            text.append(f"\nEvent: {_day(entry.event.starts)}, {entry.event.starts:%H:%M}{where}", style="not bold")
        text.append(f"\n\n{' '.join(entry.summary.split())}\n", style="not bold")
        if entry.section:
            text.append(f"\nProposed: {self._home.config.section_title(entry.section)}", style="not bold green")
        if entry.topics:
            titles = ", ".join(map(self._home.config.topic_title, entry.topics))
            text.append(f"\nTopics: {titles}", style="not bold")
        text.append(f"\nWhy: {entry.why}", style="not bold dim")
        for url in (entry.url, *entry.also):
            text.append(f"\n{url}", style="not bold dim")
        return text

    # ---- events

    def on_data_table_row_highlighted(self) -> None:
        self._tell()

    def on_data_table_row_selected(self) -> None:
        self.action_place()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "search":
            self._words = event.value
            self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "search":
            self._table.focus()

    # ---- decisions

    def action_place(self) -> None:
        entry = self._current()
        if entry is None:
            return
        if entry.section:
            self._place(entry, entry.section)
        else:
            self.action_move()

    def action_place_in(self, number: int) -> None:
        entry = self._current()
        if entry and number <= len(self._sections):
            self._place(entry, self._sections[number - 1])

    def action_move(self) -> None:
        entry = self._current()
        if entry is None:
            return
        options = [(section, self._home.config.section_title(section)) for section in self._sections]

        def chosen(section: str | None) -> None:
            if section:
                self._place(entry, section)

        self.push_screen(_Choice("Which section?", options, entry.section), chosen)

    def action_skip(self) -> None:
        entry = self._current()
        if entry is None:
            return

        def chosen(why: str | None) -> None:
            if why:
                self._reason = why
                self._decide(entry, None, partial(flow.skip, self._home, self._issue, entry.url, why))

        self.push_screen(_Reason(entry.title, self._reason), chosen)

    def action_open(self) -> None:
        entry = self._current()
        if entry:
            click.launch(entry.url)
            self.notify(f"Opened {entry.url}", markup=False)

    def action_undo(self) -> None:
        """Take back the last decision, once all before it are written."""
        self._todo.put(self._take_back)

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.add_class("shown")
        search.focus()

    def action_filter(self) -> None:
        entries = list(self._inbox.values())
        sources = Counter(entry.source or "" for entry in entries)
        topics = Counter(topic for entry in entries for topic in entry.topics)
        sections = Counter(entry.section or "" for entry in entries)
        undated = sum(entry.published is None or bool(entry.dated) for entry in entries)
        options = [("", f"All ({len(entries)})")]
        options += [(f"source:{name}", f"{name or 'no source'} ({count})") for name, count in sources.most_common()]
        options += [
            (f"section:{name}", f"{self._home.config.section_title(name) if name else 'Without a section'} ({count})")
            for name, count in sections.most_common()
        ]
        options += [
            (f"topic:{name}", f"Topic {self._home.config.topic_title(name)} ({count})")
            for name, count in topics.most_common()
        ]
        options += [("undated:", f"Without a sure date ({undated})")]

        def chosen(only: str | None) -> None:
            if only is not None:
                self._only = only
                self._fill()

        self.push_screen(_Choice("Show only", options, self._only), chosen)

    def action_all(self) -> None:
        search = self.query_one("#search", Input)
        search.remove_class("shown")
        self._only, self._words = "", ""
        search.value = ""
        self._fill()
        self._table.focus()

    def action_quit_when_written(self) -> None:
        self.notify("Writing what was decided ...")
        self._todo.put(partial(self._show, self.exit))

    def _place(self, entry: Candidate, section: str) -> None:
        def write() -> flow.Edited:
            placed = flow.place(self._home, self._issue, entry.url, section, with_picture=self._with_pictures)
            if placed.trouble:
                self._show(self.notify, placed.trouble, severity="warning", markup=False)
            assert placed.edited is not None  # noqa: S101 - what was placed was edited
            return placed.edited

        self._decide(entry, section, write)

    def _decide(self, entry: Candidate, section: str | None, write: Callable[[], flow.Edited]) -> None:
        """Take a story off the list, and have it written."""
        row = self._table.cursor_row
        number = next(number for number, one in self._inbox.items() if one is entry)
        del self._inbox[number]
        self._fill(row)

        def work() -> None:
            try:
                decision = _Decision(entry, number, section, write())
            except (BulletinError, OSError) as error:
                if self._is_there(entry):
                    self._show(self._put_back, number, entry)
                self._show(self.notify, str(error), severity="error", markup=False)
            else:
                self._decided.append(decision)
                self._show(self._tell)

        self._todo.put(work)

    def _show(self, function: Callable[..., object], *arguments: object, **options: object) -> None:
        """Have the screen do something, from the writing thread; nothing if the person has left."""
        with suppress(RuntimeError):
            self.call_from_thread(function, *arguments, **options)

    def _is_there(self, entry: Candidate) -> bool:
        """Whether a story waits in the inbox of the file; somebody may have taken it out meanwhile."""
        try:
            return any(one.url == entry.url for one in self._home.read_issue(self._issue).issue.inbox)
        except (BulletinError, OSError):
            return True

    def _put_back(self, number: int, entry: Candidate) -> None:
        self._inbox[number] = entry
        self._fill()
        if number in self._shown:
            self._table.move_cursor(row=self._shown.index(number))

    def _take_back(self) -> None:
        if not self._decided:
            self._show(self.notify, "Nothing to take back.")
            return
        last = self._decided[-1]
        try:
            flow.take_back(self._home, self._issue, last.edited)
        except (BulletinError, OSError) as error:
            self._show(self.notify, str(error), severity="error", markup=False)
            return
        self._decided.pop()
        self._show(self._put_back, last.number, last.candidate)
        self._show(self.notify, f"Taken back: {last.candidate.title}", markup=False)

    def _write(self) -> None:
        """The writing thread: one decision after the other."""
        while (work := self._todo.get()) is not None:
            work()


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _day(day: object) -> str:
    return f"{day:%d %B %Y}".lstrip("0")
