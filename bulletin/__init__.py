"""An email bulletin from first link to last archive page: collect, edit, check, render, send, archive."""

__version__ = "0.1.0"
