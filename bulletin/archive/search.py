"""Search without a server: an index made by Pagefind, which a reader's browser loads in small pieces.

Every story is an entry of its own, so that a search finds the story and not the issue around it, and can be narrowed
by topic, source and year. Issues of the two newest years have an index of their own: one more issue, or a correction a
week later, then does not mean indexing twenty years again. The page asks both as if they were one.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from bulletin.archive import listings
from bulletin.archive.catalogue import Line, slug
from bulletin.archive.shelf import Part, Shelf, Tongue, part
from bulletin.errors import BulletinError
from bulletin.words import primary

MOST_WORDS: Final = 12_000
"""Words that a slip of the reader's can be put right with, the most frequent ones."""
_SHIPPED: Final = re.compile(
    r"pagefind\.js|pagefind-entry\.json|wasm\.[a-z]+\.pagefind|.*\.pf_meta|(?:index|filter|fragment)/.*"
)
"""What a search needs of what Pagefind writes; it would also bring pages of its own."""
_MARK: Final = b"pagefind_dcd"
_FILTERS: Final = 3
"""Where Pagefind's summary of an index lists its filters, each with its file."""
_WORD: Final = re.compile(r"[^\W\d_]{4,}")


def has_engine() -> bool:
    """Whether Pagefind is installed: pip install 'bulletin[search]'"""
    from importlib.util import find_spec

    return find_spec("pagefind") is not None and find_spec("pagefind_bin") is not None


def parts(shelf: Shelf) -> Iterator[Part]:
    """The search page of each language with its indexes; none where Pagefind is not installed."""
    if not shelf.search:
        return
    for tongue in shelf.tongues:
        yield _page(shelf, tongue)
        for name, lines in shares(tongue).items():
            yield _index(shelf, tongue, name, lines)
            yield _words(shelf, tongue, name, lines)
    program = Path(__file__).with_name("search.js").read_bytes()
    yield part(shelf, "search program", program.decode(), lambda: {"search.js": program})


def shares(tongue: Tongue) -> Mapping[str, Sequence[Line]]:
    """The stories of each index: those of the two newest years, and all before."""
    if not tongue.lines:
        return {}
    newest = int(tongue.lines[0].year) - 1
    found = {
        "new": [line for line in tongue.lines if int(line.year) >= newest],
        "old": [line for line in tongue.lines if int(line.year) < newest],
    }
    return {name: lines for name, lines in found.items() if lines}


def _page(shelf: Shelf, tongue: Tongue) -> Part:
    topics = [(one.id, one.title) for one in listings.topics_of(tongue)]
    sources = [(one.id, one.title) for one in listings.sources_of(tongue)]
    years = sorted({line.year for line in tongue.lines}, reverse=True)
    indexes = list(shares(tongue))

    def make() -> Mapping[str, bytes]:
        return shelf.page(
            tongue,
            "search/index.html",
            "archive/search.html",
            topics=topics,
            sources=sources,
            years=years,
            indexes=indexes,
        )

    return part(shelf, f"page {tongue.prefix}search", [topics, sources, years, indexes], make)


def _index(shelf: Shelf, tongue: Tongue, name: str, lines: Sequence[Line]) -> Part:
    folder = f"{tongue.prefix}search/{name}"
    keys = [[line.key, shelf.prints[line.issue]] for line in lines]

    def make() -> Mapping[str, bytes]:
        return {f"{folder}/{file}": data for file, data in index(documents(shelf, tongue, lines)).items()}

    return part(shelf, f"index {folder}", keys, make)


def documents(shelf: Shelf, tongue: Tongue, lines: Iterable[Line]) -> Iterator[tuple[str, str]]:
    """Each story as the small page that Pagefind reads: its name and its HTML."""
    language = primary(tongue.language)
    for line in lines:
        root = tongue.prefix if line.has_page or not tongue.prefix else ""
        filters = [("year", line.year), ("source", slug(line.source)), *(("topic", topic) for topic in line.topics)]
        # A filter for each value: a search loads the one it asks for, and Pagefind has no order to choose.
        facts = "".join(
            f'<span data-pagefind-filter="{escape(f"{name}-{value}")}">1</span>' for name, value in filters if value
        )
        about = [("url", f"/{root}{line.issue}/#{line.id}"), ("source", line.source), ("date", line.day.isoformat())]
        about += [("lang", line.language)] if line.language else []
        facts += "".join(f'<span data-pagefind-meta="{name}">{escape(value)}</span>' for name, value in about)
        page = (
            f'<!doctype html><html lang="{language}"><head><title>-</title></head><body data-pagefind-body>'
            f"<h1>{escape(line.title)}</h1><p>{escape(line.text)}</p><p>{escape(line.source)}</p>"
            f"<div data-pagefind-ignore>{facts}</div></body></html>"
        )
        yield f"{line.issue}/{line.id}.html", page


def index(pages: Iterable[tuple[str, str]]) -> Mapping[str, bytes]:
    """What Pagefind makes of these pages, by file name. Raises `BulletinError` with what it says when it fails."""
    program = engine()
    with tempfile.TemporaryDirectory() as folder:
        site, out = Path(folder, "site"), Path(folder, "out")
        made: set[Path] = set()
        for name, page in pages:
            path = site / name
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            path.write_text(page, encoding="utf-8")
        command = [program, "--site", str(site), "--output-path", str(out), "--quiet"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode or not out.is_dir():
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise BulletinError(f"the search index could not be made: {said[0]}", hint="See: bulletin help archive")
        files = ((path.relative_to(out).as_posix(), path) for path in sorted(out.rglob("*")) if path.is_file())
        return _settled({name: path.read_bytes() for name, path in files if _SHIPPED.fullmatch(name)})


def _settled(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same index with its filters in the order of their names: Pagefind's own differs from run to run (F-44)."""
    import cbor2

    entry = json.loads(files["pagefind-entry.json"])
    for language in entry["languages"].values():
        packed = files.pop(f"pagefind.{language['hash']}.pf_meta")
        whole = gzip.decompress(packed)
        meta = cbor2.loads(whole.removeprefix(_MARK))
        meta[_FILTERS] = sorted(meta[_FILTERS])
        data = _MARK + cbor2.dumps(meta)
        language["hash"] = language["hash"].split("_")[0] + "_" + sha256(data).hexdigest()[:10]
        files[f"pagefind.{language['hash']}.pf_meta"] = gzip.compress(data, mtime=0)
    files["pagefind-entry.json"] = json.dumps(entry, sort_keys=True).encode()
    return dict(sorted(files.items()))


def engine() -> str:
    """The path of Pagefind's program. Raises `BulletinError` if it is not there."""
    from importlib.util import find_spec

    spec = find_spec("pagefind_bin")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    for name in ("pagefind", "pagefind.exe", "pagefind_extended"):
        found = folder / name if (folder / name).is_file() else shutil.which(name)
        if found:
            return str(found)
    raise BulletinError(
        "Pagefind, which makes the search index, is not installed.", hint="pip install 'bulletin[search]'"
    )


def _words(shelf: Shelf, tongue: Tongue, share: str, lines: Sequence[Line]) -> Part:
    """The words that stories use, for putting a reader's slip right. Fetched only when a search finds nothing."""
    name = f"{tongue.prefix}search/{share}/words.txt"
    return part(shelf, f"words {name}", [line.key for line in lines], lambda: {name: vocabulary(lines)})


def vocabulary(lines: Iterable[Line]) -> bytes:
    """The words of these stories, the most frequent first, one a line."""
    counted = Counter(
        word
        for line in lines
        for text in (line.title, line.text, line.source)
        for word in _WORD.findall(text.casefold())
    )
    frequent = sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MOST_WORDS]
    return "\n".join(word for word, _ in frequent).encode()
