"""Transactions of the platform itself, in the process of the bridge."""

from contextlib import contextmanager

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry

# Seconds for which a transaction may stand still. Of a process that is stopped in the middle of one the server ends it
# after that, and with it its locks: for whoever takes over, they would be in the way for ever.
_LONGEST_STANDSTILL = 5


@contextmanager
def platform_environment(db_name, model):
    """An environment in a transaction of its own, committed at the end.

    It is None while the addon that has the model is being uninstalled, which the host notices within seconds.
    """
    registry = Registry(db_name).check_signaling()
    if model not in registry:
        yield None
        return
    with registry.cursor() as cr:
        cr.execute("SET LOCAL idle_in_transaction_session_timeout = %s", [f"{_LONGEST_STANDSTILL}s"])
        # No user is behind what devices send, nor behind what is due: the platform carries on what was begun.
        yield api.Environment(cr, SUPERUSER_ID, {})
        # Only for what is done here: the transaction may be part of a longer one, as in a test.
        cr.execute("SET LOCAL idle_in_transaction_session_timeout TO DEFAULT")
