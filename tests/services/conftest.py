"""The small registry that service tests work on, and its adapters."""

from tests.registry_fixtures import numbers, registry
from tests.services.devices import authority, entry, standby

__all__ = ["authority", "entry", "numbers", "registry", "standby"]
