"""Job files, and what they turn into."""
