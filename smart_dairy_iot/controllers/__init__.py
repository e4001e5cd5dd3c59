from . import api
from . import claim
from . import crl
from . import device_import
from . import emqx_webhook
from . import labels
from . import telemetry_export
