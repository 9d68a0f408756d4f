"""Delivery: who gets what, sent through a ledger so that nobody is mailed twice or forgotten."""
