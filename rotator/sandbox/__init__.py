"""Providers and a secret store that run on this machine, for `rotator demo` and the tests."""
