from . import commands
from . import config
from . import devices
from . import firmware
from . import heartbeat
from . import readings
from . import telemetry
from . import openapi
