"""The page an editor looks at while writing: the mail, its text and what the checks found, fresh on every save."""

from bulletin.preview.app import make_app, version_of
from bulletin.preview.loading import load, watched
from bulletin.preview.saving import Saved, save
from bulletin.preview.serving import serve
from bulletin.preview.state import PreviewMail, PreviewState

__all__ = ["PreviewMail", "PreviewState", "Saved", "load", "make_app", "save", "serve", "version_of", "watched"]
