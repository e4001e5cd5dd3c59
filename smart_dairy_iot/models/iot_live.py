"""Tell the open screens of a farm that something has changed there.

The notification says *that* something changed, not what: a screen that gets one fetches what it shows with its
user's own rights. That keeps farm data out of the bus, and makes harmless what the bus does not promise: on
Odoo 17.0 a notification is lost to the browser when one with a later id commits first, which is why it is sent in
a short transaction of its own, after the change itself has been committed.
"""

import logging
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, api, models
from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)

PENDING = "smart_dairy_iot.live"


class IotLive(models.AbstractModel):
    _name = "iot.live"
    _description = "Live Screens"

    @api.model
    def _changed(self, farm, kind, data=None):
        """Notify the screens that watch ``farm``, once this transaction has been committed.

        However often it is called in one transaction, a farm and kind get one notification, whose ``data`` are those
        of all calls, the later ones winning. After a rollback nothing is sent.

        :param farm: ``farm.location`` record; an empty one notifies nobody
        :param str kind: what changed, e.g. ``"milk"``; the notification's type is ``iot_live/<kind>``
        :param dict data: JSON-serialisable hints for the screen; nothing that not every user of the farm may know
        """
        if not farm:
            return
        postcommit = self.env.cr.postcommit
        if PENDING not in postcommit.data:
            postcommit.data[PENDING] = {}
            postcommit.add(partial(_send, self.env.cr.dbname, postcommit.data[PENDING]))
        postcommit.data[PENDING].setdefault((farm.id, kind), {}).update(data or {})


def _send(db_name, pending):
    """Send ``pending``, ``{(farm id, kind): data}``, in a transaction of its own.

    It runs after somebody else's commit, which an error here must not make look like a failure: a screen that misses
    a notification catches up with the next one, or when it reconnects.
    """
    try:
        with Registry(db_name).cursor() as cr:
            # Superuser: the bus belongs to no user, and the payload carries no record's content.
            env = api.Environment(cr, SUPERUSER_ID, {})
            for (farm_id, kind), data in pending.items():
                farm = env["farm.location"].browse(farm_id)
                env["bus.bus"]._sendone(farm, f"iot_live/{kind}", {**data, "farm_id": farm_id})
    except psycopg2.Error:
        _logger.warning("Open screens were not told of %d changes", len(pending), exc_info=True)
