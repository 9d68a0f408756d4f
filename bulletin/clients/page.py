"""A finished mail taken apart: its elements in reading order, and the style rules it brings along.

Read once for each mail and shared by all checks that look at it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

P = ParamSpec("P")
T = TypeVar("T")

FOOTER = "footer"
"""Anchor where the mail's last part begins, which belongs to no item."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration of a style: its property in small letters, and its value without `!important`."""

    name: str
    value: str
    important: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A style rule of the mail's head, with the at-rules around it, outermost first: `@media print`."""

    selector: str
    declarations: tuple[Declaration, ...]
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailPage:
    """A finished mail as a tree. `read` makes it."""

    html: str
    tree: LexborHTMLParser = field(repr=False)
    _answers: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)
    """See `once_a_page`."""

    @cached_property
    def elements(self) -> tuple[LexborNode, ...]:
        """Every element of the body, the body first, in document order."""
        return tuple(self.tree.body.traverse()) if self.tree.body else ()

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of every `<style>`, in the order of the page. Comments for Outlook are not looked into."""
        return tuple(rule for block in self.tree.css("style") for rule in rules_of(block.text()))

    @cached_property
    def _owners(self) -> dict[int, str]:
        owners, owner = {}, ""
        for node in self.elements:
            name = node.attributes.get("name") or "" if node.tag == "a" else ""
            if name.startswith(("item-", "section-")) or name == FOOTER:
                owner = "" if name == FOOTER else name
            owners[node.mem_id] = owner
        return owners

    def owner(self, node: LexborNode) -> str:
        """The anchor of the part an element stands in, `item-ID` or `section-ID`; empty outside of all."""
        return self._owners.get(node.mem_id, "")

    def style(self, node: LexborNode) -> tuple[Declaration, ...]:
        """The declarations of an element's own `style`."""
        return declarations_of(node.attributes.get("style") or "")


def once_a_page(work: Callable[Concatenate[MailPage, P], T]) -> Callable[Concatenate[MailPage, P], T]:
    """A function whose answers are kept with the page they are about, and go when it goes.

    Answers name elements by numbers (`mem_id`) that hold for one tree only: kept anywhere else, they would be taken for
    answers about other elements.
    """

    @wraps(work)
    def answer(page: MailPage, /, *args: P.args, **named: P.kwargs) -> T:
        key = (work, args, *named.items())
        if key not in page._answers:
            page._answers[key] = work(page, *args, **named)
        found: T = page._answers[key]
        return found

    return answer


def read(html: str) -> MailPage:
    """A mail's HTML taken apart."""
    from selectolax.lexbor import LexborHTMLParser

    return MailPage(html, LexborHTMLParser(html))


@lru_cache(maxsize=4096)
def declarations_of(style: str) -> tuple[Declaration, ...]:
    """The declarations of a `style` attribute, in order; what is not CSS is left out."""
    if not style.strip():
        return ()
    import tinycss2

    return tuple(_declarations(tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)))


def rules_of(css: str) -> Iterator[Rule]:
    """The style rules of a sheet, those inside of `@media` and the like included."""
    import tinycss2

    yield from _rules(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True), ())


def _rules(nodes: Sequence[Any], within: tuple[str, ...]) -> Iterator[Rule]:
    import tinycss2

    for node in nodes:
        if node.type == "qualified-rule":
            inner = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            yield Rule(tinycss2.serialize(node.prelude).strip(), tuple(_declarations(inner)), within)
        elif node.type == "at-rule":
            around = (*within, f"@{node.lower_at_keyword} {tinycss2.serialize(node.prelude).strip()}".rstrip())
            if node.content is None:
                yield Rule("", (), around)
                continue
            inner = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
            own = tuple(_declarations(inner))
            if own or not inner:
                yield Rule("", own, around)
            yield from _rules(inner, around)


def _declarations(nodes: Sequence[Any]) -> Iterator[Declaration]:
    import tinycss2

    for node in nodes:
        # A quotation mark without its fellow would swallow whatever is written after it.
        if node.type == "declaration" and _is_whole(node.value):
            yield Declaration(node.lower_name, tinycss2.serialize(node.value).strip(), node.important)


def _is_whole(tokens: Sequence[Any]) -> bool:
    """Whether every quotation mark and every address in a value ends."""
    return all(
        token.type != "error" and _is_whole(getattr(token, "arguments", None) or getattr(token, "content", None) or ())
        for token in tokens
    )
