from . import commands
from . import config
from . import devices
