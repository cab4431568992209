"""The small registry that service tests work on, its adapters, and those who talk with them."""

from tests.registry_fixtures import code, numbers, placed, registry
from tests.services.campaigning import fleet
from tests.services.cases import desk
from tests.services.devices import authority, entry, standby
from tests.services.heartbeat_line import line, new_sender
from tests.services.scripted_pusher import adapter, controller, pusher
from tests.services.tasks_at_work import clean
from tests.services.updating import updating

__all__ = [
    "adapter",
    "authority",
    "clean",
    "code",
    "controller",
    "desk",
    "entry",
    "fleet",
    "line",
    "new_sender",
    "numbers",
    "placed",
    "pusher",
    "registry",
    "standby",
    "updating",
]
