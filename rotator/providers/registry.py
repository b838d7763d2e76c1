"""All providers there are: every module of this package that has a `plugin`."""

import pkgutil
from functools import cache
from importlib import import_module

from rotator import providers
from rotator.providers.base import Plugin

_ROOMS = frozenset({"base", "http", "registry", "shapes", "tls", "wire"})


@cache
def plugins() -> dict[str, Plugin]:
    """Every plug-in by its name, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(providers.__path__))
    modules = [
        import_module(f"{providers.__name__}.{name}") for name in names if name not in _ROOMS
    ]
    return {module.plugin.name: module.plugin for module in modules}
