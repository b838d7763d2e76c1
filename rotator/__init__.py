"""rotator keeps other services' API tokens alive, and publishes them where consumers read them."""

__version__ = "0.1.0"
