"""Kinds of source: one file each, registered by existing. See `_source` for what a kind has to offer."""

from bulletin.sources._source import (
    Document,
    Folder,
    Reading,
    Request,
    Rests,
    SourceKind,
    SourceReport,
    Spec,
    UnreadableError,
)

__all__ = [
    "Document",
    "Folder",
    "Reading",
    "Request",
    "Rests",
    "SourceKind",
    "SourceReport",
    "Spec",
    "UnreadableError",
]
