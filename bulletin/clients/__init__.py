"""Mail clients: how a finished mail is taken apart, what each client makes of it, and how it looks there."""
