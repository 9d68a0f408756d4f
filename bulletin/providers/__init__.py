"""The ways out: one file for each, found by its name. What they have in common is in `_provider.py`."""

from bulletin.providers._provider import Call, Capabilities, Provider, ProviderError, Session, Surroundings, load

__all__ = ["Call", "Capabilities", "Provider", "ProviderError", "Session", "Surroundings", "load"]
