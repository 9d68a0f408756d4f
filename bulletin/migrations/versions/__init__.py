"""One module for each step. What a step says stays as it was, whatever the tables look like later."""
