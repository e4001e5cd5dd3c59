from . import claim
from . import device_import
from . import crl
from . import emqx_webhook
from . import labels
