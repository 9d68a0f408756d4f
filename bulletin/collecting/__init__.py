"""Asks all sources at once and says what came of each. One broken source never stops the others (F-11)."""

from bulletin.collecting._asking import Progress, gather, read_page, remembered
from bulletin.collecting.discovery import Finding, discover
from bulletin.collecting.health import Health, health_of
from bulletin.collecting.memory import Memory, Remembered, State, open_memory

__all__ = [
    "Finding",
    "Health",
    "Memory",
    "Progress",
    "Remembered",
    "State",
    "discover",
    "gather",
    "health_of",
    "open_memory",
    "read_page",
    "remembered",
]
