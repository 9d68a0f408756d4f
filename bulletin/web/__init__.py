"""The public endpoints: signing up, leaving with one click, choosing, and seeing what is held."""

from bulletin.web.app import make_app

__all__ = ["make_app"]
