from . import claim
from . import crl
from . import emqx_webhook
from . import labels
