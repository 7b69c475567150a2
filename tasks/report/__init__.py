"""The report on a tyre, one page that needs nothing else, and the one on a batch."""
