"""The public endpoints: leaving with one click, and choosing what to get."""
