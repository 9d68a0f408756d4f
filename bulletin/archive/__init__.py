"""The public pages of past issues: static files, made from the issue files and never from a sent copy."""
