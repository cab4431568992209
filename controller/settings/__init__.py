"""The controller's settings: `load()` gives one frozen `Settings`."""

from controller.settings.reading import load
from controller.settings.settings import Settings, default_data_dir
from controller.settings.values import Endpoint

__all__ = ["Endpoint", "Settings", "default_data_dir", "load"]
