"""The public endpoints: leaving with one click, and choosing to leave or to come back."""

from bulletin.web.app import make_app

__all__ = ["make_app"]
