"""Sees that the meters are polled at all."""

import logging

from odoo import api, models

from ..modbus.registry import POLLER_LOCK

_logger = logging.getLogger(__name__)

#: Databases whose poller was found missing, so that an outage is logged once by this process.
_pollers_missing = set()


class IotModbusService(models.AbstractModel):
    _inherit = "iot.modbus.service"

    @api.model
    def _check_poller(self):
        """Warn, once per outage, if there are meters to poll and nobody holds the poller's lock.

        :return: whether a poller lives, or none is needed
        """
        wanted = self.env["iot.milk_meter"].search_count(
            [
                ("polling_enabled", "=", True),
                ("communication_type", "=", "modbus_tcp"),
                ("state", "in", ["active", "maintenance"]),
            ],
            limit=1,
        )
        # Had for the moment of this transaction only where no poller has it; a poller that starts then tries again.
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", [POLLER_LOCK])
        missing = bool(wanted) and self.env.cr.fetchone()[0]
        database = self.env.cr.dbname
        if missing and database not in _pollers_missing:
            _pollers_missing.add(database)
            _logger.warning("Modbus milk meters are not polled: no bridge is running for the database %s", database)
        elif not missing and database in _pollers_missing:
            _pollers_missing.discard(database)
            _logger.info("Modbus milk meters are polled again")
        return not missing
