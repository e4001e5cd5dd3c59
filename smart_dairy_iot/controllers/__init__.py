from . import emqx_webhook
