"""How the readings are kept: the level of their tables, its being raised, and what is done to them every hour.

What changes tables here has connections of its own, at READ COMMITTED and with short waits for locks: what the bridge
has committed meanwhile must be seen, and the bridge must not wait for long.
"""

import contextlib
import logging

import psycopg2
from psycopg2.errors import LockNotAvailable

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..bridge.database import connect
from ..dsn import connection_parameters
from ..telemetry.conversion import ConversionError, convert, has_more_to_copy
from ..telemetry.levels import LEVELS, ORDINARY, detect, is_above, level_of, offered
from ..telemetry.retention import drop_old, prepare

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
        # One that is being converted just now is not there for a moment.
        return min(found - {None}, key=(ORDINARY, *LEVELS).index, default=ORDINARY)

    @api.model
    def _offered_level(self):
        """The level that the server offers, as far as that can be told without changing anything."""
        return offered(self.env.cr)

    @api.model
    def _can_be_raised(self):
        return is_above(self._offered_level(), self._level())

    @api.model
    def _raise_level(self, most=None):
        """Raise every table to the level that the server offers.

        :param most: refuse to begin where more readings than that would have to be copied
        :return: list of `Conversion`
        :raises UserError: where there are more, or a table cannot be converted; that table, and those after it, are
            then as they were
        """
        done = []
        specs = self.env["iot.settings"]._telemetry_specs()
        with self._connection(_PATIENCE_OF_A_PERSON) as connection:
            level = self._make_use_of_server(connection)
            with connection.cursor() as cursor:
                if most is not None and has_more_to_copy(cursor, specs, level, most):
                    raise UserError(self._too_many(most))
            connection.commit()
            for spec in specs:
                try:
                    with connection.cursor() as cursor:
                        conversion = convert(cursor, spec, level)
                    connection.commit()
                except (psycopg2.Error, ConversionError) as error:
                    raise UserError(self._unconverted(spec.table, error, done)) from error
                if conversion:
                    _logger.info("%s: %s readings, level %s -> %s", *_facts(conversion))
                    done.append(conversion)
        return done

    @api.model
    def _make_use_of_server(self, connection):
        """The level that new tables get from now on; TimescaleDB's extension is made where it can be."""
        try:
            with connection.cursor() as cursor:
                level = detect(cursor)
            connection.commit()
        except psycopg2.Error as error:
            raise UserError(_("TimescaleDB cannot be made use of: %s", _first_line(error))) from error
        return level

    @api.model
    def _too_many(self, most):
        return _(
            "These are more than %(most)s readings, which takes longer than a request may. Have the server's"
            " administrator run: %(command)s",
            most=f"{most:,}",
            command=f"odoo-bin iot_store -d {self.env.cr.dbname} convert",
        )

    @api.model
    def _unconverted(self, table, error, done):
        """In a sentence or two: why a table could not be converted, and what was."""
        if isinstance(error, LockNotAvailable):
            sentences = [_("%s is in use: try again when less is going on.", table)]
        else:
            sentences = [_("%(table)s is as it was: %(reason)s.", table=table, reason=_first_line(error))]
        if done:
            sentences.append(_("Converted before it: %s.", ", ".join(conversion.table for conversion in done)))
        return " ".join(sentences)

    @api.model
    def _cron_maintain(self):
        """Make partitions ahead and drop readings that are too old, as each table's level has it."""
        config = self.env["iot.settings"]._get_config()
        now = fields.Datetime.now()
        failures = []
        with self._connection(_PATIENCE_OF_THE_CRON) as connection:
            for spec in self.env["iot.settings"]._telemetry_specs():
                days = config.retention_days_of(spec.table)
                # Each in a transaction of its own: what cannot be dropped is no reason to be without coming weeks.
                for step, *arguments in ((prepare, now), (drop_old, now, days)):
                    try:
                        with connection.cursor() as cursor:
                            dropped = step(cursor, spec.table, *arguments)
                        connection.commit()
                    except LockNotAvailable:
                        connection.rollback()
                        _logger.info("%s is in use: it is looked after within the hour", spec.table)
                        continue
                    except psycopg2.DatabaseError as error:
                        # The others are looked after all the same.
                        connection.rollback()
                        failures.append(error)
                        continue
                    if dropped:
                        _logger.info("%s: dropped %s, older than telemetry is kept", spec.table, ", ".join(dropped))
        if failures:
            raise failures[0]

    @api.model
    def _connection(self, patience):
        """A connection of its own, which is closed with its context; what was not committed is then undone."""
        return contextlib.closing(connect(connection_parameters(self.env.cr.dbname), lock_timeout=patience))


def _facts(conversion):
    return conversion.table, conversion.rows, conversion.before, conversion.after


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
