"""Sees that the meters are polled at all."""

import logging
from datetime import timedelta

from odoo import _, api, fields, models

from ..modbus.registry import POLLER_LOCK
from .iot_milk_meter_state import POLLED_DOMAIN

_logger = logging.getLogger(__name__)

#: A bridge that is put together anew, or taken over by another process, is back before that.
PATIENCE = timedelta(minutes=2)

#: A poller asks the database for something every second. One that has not for so long hangs; its bridge relieves it.
LONGEST_SILENCE = timedelta(seconds=30)

#: Databases whose poller was found missing, so that an outage is logged once by this process.
_pollers_missing = set()


class IotModbusService(models.AbstractModel):
    _inherit = "iot.modbus.service"

    @api.model
    def _poller_lives(self):
        """Whether a poller of this database is at work, in whichever process: it holds its lock as long as it is, and
        is heard of. One whose statement takes long is late, not silent; one that came after this transaction had looked
        for the first time is not seen in the activity."""
        self.env.cr.execute(
            """
            SELECT count(*) > 0 FROM pg_locks AS held LEFT JOIN pg_stat_activity AS activity USING (pid)
             WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
               AND held.classid = 0 AND held.objid = %s::bigint::oid
               AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND NOT coalesce(activity.wait_event_type = 'Client'
                                AND activity.state_change < clock_timestamp() - %s, false)
            """,
            [POLLER_LOCK, LONGEST_SILENCE],
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _check_poller(self):
        """Warn, once per outage, if there are meters to poll and nobody polls them. Starts nothing: a bridge sees to
        its poller itself, and where there is no bridge, no process of Odoo's may take its place.

        :return: whether a poller lives, or none is needed
        """
        wanted = self.env["iot.milk_meter"].search(POLLED_DOMAIN)
        missing = bool(wanted) and not self._poller_lives()
        database = self.env.cr.dbname
        if missing:
            self._record_outage(wanted)
        if missing and database not in _pollers_missing:
            _pollers_missing.add(database)
            _logger.warning(
                "Modbus milk meters are not polled: no bridge is running for the database %s, or its poller hangs",
                database,
            )
        elif not missing and database in _pollers_missing:
            _pollers_missing.discard(database)
            _logger.info("Modbus milk meters are polled again")
        return not missing

    @api.model
    def _record_outage(self, meters):
        """Record for each farm that its meters are not polled, once per outage: it is known by its beginning."""
        self.env.cr.execute("SELECT max(told_at) FROM iot_milk_meter_state")
        (last_polled_at,) = self.env.cr.fetchone()
        now = fields.Datetime.now()
        if last_polled_at and last_polled_at > now - PATIENCE:
            return
        begin = f"{last_polled_at:%Y%m%dT%H%M%S}" if last_polled_at else "never"
        for farm, of_farm in meters.filtered("farm_id").grouped("farm_id").items():
            self.env["iot.event"].record(
                "modbus_poller_missing",
                timestamp=last_polled_at or now,
                farm=farm,
                severity="high",
                message=_(
                    "Not polled: %s. No bridge is running, or its poller hangs.", ", ".join(of_farm.mapped("name"))
                ),
                data={"meters": of_farm.mapped("device_id")},
                dedup_key=f"modbus_poller_missing:{farm.id}:{begin}",
            )
