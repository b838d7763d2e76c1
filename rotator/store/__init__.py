"""Where tokens are published and seeds are read."""
