"""What installing and uninstalling need beyond the data files."""

from .telemetry.tables import drop_tables


def uninstall_hook(env):
    """Take the devices' users from the broker, and drop the telemetry tables, before Odoo takes all else apart.

    Without users the devices no longer follow their topics, which Odoo deletes one by one; and a hypertable cannot be
    dropped column by column, as Odoo would do it.
    """
    env["iot.device"].with_context(active_test=False).search([])._leave_broker()
    for spec in env["iot.settings"]._telemetry_specs():
        drop_tables(env.cr, spec)
