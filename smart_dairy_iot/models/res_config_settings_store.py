"""The block "Store" of the settings page: which level the readings' tables are on, and raising it."""

from odoo import _, api, fields, models

from ..telemetry.levels import APACHE, COMMUNITY, ORDINARY, PLAIN
from .res_config_settings import TELEMETRY_TABLES

#: Most readings that are copied while a browser waits: on a busy machine a minute's work, half of what a server lets a
#: request take.
MOST_IN_REQUEST = 2_000_000

_LEVELS = [
    (ORDINARY, "PostgreSQL, not partitioned"),
    (PLAIN, "PostgreSQL, a partition for each week"),
    (APACHE, "TimescaleDB, Apache edition"),
    (COMMUNITY, "TimescaleDB, community edition"),
]


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    telemetry_level = fields.Selection(_LEVELS, string="Level", compute="_compute_telemetry_level")
    telemetry_level_can_be_raised = fields.Boolean(compute="_compute_telemetry_level")

    # The page is opened as a new record, of which Odoo computes only what depends on something.
    @api.depends("mqtt_broker_type")
    def _compute_telemetry_level(self):
        self._check_may_change_settings()
        store = self.env["iot.telemetry.store"]
        for settings in self:
            settings.telemetry_level = store._level()
            settings.telemetry_level_can_be_raised = store._can_be_raised()

    @api.onchange("telemetry_retention_days", *(f"telemetry_retention_days_{table}" for table in TELEMETRY_TABLES))
    def _onchange_telemetry_retention(self):
        """What is dropped is gone: say so before a shorter span is saved."""
        self._check_may_change_settings()
        config = self.env["iot.settings"]._get_config()
        shorter = {
            days
            for table in TELEMETRY_TABLES
            # What is no number of days is refused once it is saved.
            if 0
            < (days := self[f"telemetry_retention_days_{table}"] or self.telemetry_retention_days)
            < config.retention_days_of(table)
        }
        if not shorter:
            return None
        message = _(
            "Once this is saved, readings older than %s days are dropped within the hour and cannot be brought back."
            " Export them first if they are still wanted.",
            ", ".join(map(str, sorted(shorter))),
        )
        return {"warning": {"title": _("Shorter Retention"), "message": message}}

    def action_raise_telemetry_level(self):
        """Turn the tables, with the readings in them, into what the server offers by now."""
        self._check_may_change_settings()
        done = self.env["iot.telemetry.store"]._raise_level(MOST_IN_REQUEST)
        readings = sum(conversion.rows for conversion in done)
        message = _(
            "%(tables)s tables with %(readings)s readings were converted; as many were counted afterwards.",
            tables=len(done),
            readings=f"{readings:,}",
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": _("Store"),
                "message": message if done else _("The tables are what the server offers already."),
                "type": "success",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
