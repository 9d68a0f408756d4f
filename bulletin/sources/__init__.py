"""Kinds of source: one file each, registered by existing. See `_source` for what a kind has to offer."""

from bulletin.sources._source import Document, Request, SourceKind, SourceReport, Spec, UnreadableError

__all__ = ["Document", "Request", "SourceKind", "SourceReport", "Spec", "UnreadableError"]
