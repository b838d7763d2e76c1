"""One module a provider, each facts and pure functions; README.md says how to add one."""
