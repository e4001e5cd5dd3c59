"""How long readings are kept. Rollups are kept for good: they are small, and what is compared over years.

Weeks are dropped as a whole, once all of them is too old, and a day later. A message is refused (dead letter `clock`)
where it is too old itself as it is received, and may then wait for hours for the database; so no reading comes back
into a week that is gone: there it could not be known for a duplicate, and the rollups would count it twice.
"""

from datetime import timedelta

from .hypertables import drop_chunks, keep_for
from .levels import APACHE, COMMUNITY, PLAIN, level_of
from .partitions import drop_partitions, make_partitions_ahead

_GRACE_DAYS = 1


def retention_by_type(specs, config):
    """How long the readings of a type of device are kept.

    :param specs: the `TelemetrySpec`s
    :param config: `Config`
    :return: callable(device type) -> timedelta
    """
    kept = {
        device_type: timedelta(days=config.retention_days_of(spec.table))
        for spec in specs
        for device_type in spec.device_types
    }
    general = timedelta(days=config.telemetry_retention_days)
    return lambda device_type: kept.get(device_type, general)


def prepare(cr, table, now):
    """Make the partitions of the coming weeks, where the table's level has any.

    :param now: naive UTC
    """
    if level_of(cr, table) == PLAIN:
        make_partitions_ahead(cr, table, now)


def drop_old(cr, table, now, days):
    """Drop what is too old, as the table's level has it. What cannot be dropped is nothing to undo `prepare` for.

    :param now: naive UTC
    :param days: how long readings are kept
    :return: names of the partitions or chunks that were dropped here
    """
    level = level_of(cr, table)
    days += _GRACE_DAYS
    before = now - timedelta(days=days)
    if level == PLAIN:
        return drop_partitions(cr, table, before)
    if level == APACHE:
        return drop_chunks(cr, table, before)
    if level == COMMUNITY:
        keep_for(cr, table, days)
    return []
