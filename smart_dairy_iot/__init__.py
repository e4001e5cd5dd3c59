from . import cli
from . import models
from . import wizards
from .hooks import uninstall_hook
from .server import post_load
