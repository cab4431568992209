"""The small registry that service tests work on."""

from tests.registry_fixtures import numbers, registry

__all__ = ["numbers", "registry"]
