"""Asks all sources at once and says what came of each. One broken source never stops the others (F-11)."""

from bulletin.collecting._asking import Progress, gather, read_page
from bulletin.collecting.memory import Memory, Remembered, State, open_memory

__all__ = ["Memory", "Progress", "Remembered", "State", "gather", "open_memory", "read_page"]
