from . import devices
