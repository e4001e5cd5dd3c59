from . import claim
from . import emqx_webhook
from . import labels
