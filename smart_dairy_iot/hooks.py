"""What installing and uninstalling need beyond the data files."""

from .telemetry.tables import drop_tables


def uninstall_hook(env):
    """Drop the telemetry tables before Odoo tries it column by column, which a hypertable refuses."""
    for spec in env["iot.settings"]._telemetry_specs():
        drop_tables(env.cr, spec)
