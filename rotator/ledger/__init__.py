"""The run history and everything that cannot be rebuilt from job files and store."""
