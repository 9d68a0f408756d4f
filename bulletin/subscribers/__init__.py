"""Subscribers: who agreed to get the bulletin, and which edition each of them reads."""
