"""Mails that come back to our mailboxes: bounces, complaints and opt-outs."""
