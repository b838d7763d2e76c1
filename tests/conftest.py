"""What holds for every test."""

from hypothesis import settings

# A deadline is a timed assertion, and fails on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
