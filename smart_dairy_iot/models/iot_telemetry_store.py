"""How the readings are kept: the level of their tables, its being raised, and what is done to them every hour.

What changes tables here has connections of its own, at READ COMMITTED and with short waits for locks: what the bridge
has committed meanwhile must be seen, and the bridge must not wait for long.
"""

import contextlib
import logging

from psycopg2.errors import LockNotAvailable

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..bridge.database import connect
from ..dsn import connection_parameters
from ..telemetry.conversion import ConversionError, convert
from ..telemetry.levels import LEVELS, ORDINARY, detect, is_above, level_of, offered
from ..telemetry.retention import maintain

_logger = logging.getLogger(__name__)

# Milliseconds to wait for a table that somebody is reading.
_PATIENCE_OF_A_PERSON = 10_000
_PATIENCE_OF_THE_CRON = 2_000


class IotTelemetryStore(models.AbstractModel):
    _name = "iot.telemetry.store"
    _description = "Store of Readings"

    @api.model
    def _level(self):
        """The level of the store, which is that of its lowest table: see `telemetry.levels`."""
        found = {level_of(self.env.cr, spec.table) for spec in self.env["iot.settings"]._telemetry_specs()}
        return min(found, key=(ORDINARY, *LEVELS).index)

    @api.model
    def _offered_level(self):
        """The level that the server offers, as far as that can be told without changing anything."""
        return offered(self.env.cr)

    @api.model
    def _can_be_raised(self):
        return is_above(self._offered_level(), self._level())

    @api.model
    def _raise_level(self):
        """Raise every table to the level that the server offers.

        :return: list of `Conversion`
        :raises UserError: where a table is in use for too long, or its copy is not complete; that table, and those
            after it, are then as they were
        """
        done = []
        with self._connection(_PATIENCE_OF_A_PERSON) as connection:
            with connection.cursor() as cursor:
                level = detect(cursor)
            connection.commit()
            for spec in self.env["iot.settings"]._telemetry_specs():
                try:
                    with connection.cursor() as cursor:
                        done.append(convert(cursor, spec, level))
                    connection.commit()
                except LockNotAvailable as error:
                    raise UserError(_("%s is in use: try again when less is going on.", spec.table)) from error
                except ConversionError as error:
                    raise UserError(_("Nothing was changed: %s.", error)) from error
        done = [conversion for conversion in done if conversion]
        for conversion in done:
            _logger.info("%s: %s readings, level %s -> %s", *_facts(conversion))
        return done

    @api.model
    def _cron_maintain(self):
        """Make partitions ahead and drop readings that are too old, as each table's level has it."""
        config = self.env["iot.settings"]._get_config()
        now = fields.Datetime.now()
        with self._connection(_PATIENCE_OF_THE_CRON) as connection:
            for spec in self.env["iot.settings"]._telemetry_specs():
                try:
                    with connection.cursor() as cursor:
                        dropped = maintain(cursor, spec.table, now, config.retention_days_of(spec.table))
                    connection.commit()
                except LockNotAvailable:
                    connection.rollback()
                    _logger.info("%s is in use: it is looked after within the hour", spec.table)
                    continue
                if dropped:
                    _logger.info("%s: dropped %s, older than telemetry is kept", spec.table, ", ".join(dropped))

    @api.model
    def _connection(self, patience):
        """A connection of its own, which is closed with its context; what was not committed is then undone."""
        return contextlib.closing(connect(connection_parameters(self.env.cr.dbname), lock_timeout=patience))


def _facts(conversion):
    return conversion.table, conversion.rows, conversion.before, conversion.after
