"""How each meter answers the poller, written by the poller alone, and as it is shown on the meter.

The table is kept apart from the meters, so that a user's edit and the poller never wait for, or undo, one another.
"""

from odoo import _, api, fields, models

from odoo.addons.smart_dairy_iot.telemetry.tables import set_fill_factor

_TABLE = """
    CREATE TABLE IF NOT EXISTS iot_milk_meter_state (
        meter_id integer PRIMARY KEY,
        -- What the ORM addresses rows by: the meter's own id.
        id integer NOT NULL UNIQUE GENERATED ALWAYS AS (meter_id) STORED,
        state text NOT NULL,
        since timestamp NOT NULL,
        last_read_at timestamp,
        problem text NOT NULL DEFAULT '',
        failures integer NOT NULL DEFAULT 0,
        response_ms real,
        interval_s real,
        overruns bigint NOT NULL DEFAULT 0,
        -- When the poller last said so: in an outage of the poller, when that began.
        told_at timestamp NOT NULL
    )
"""

STATES = [
    ("polled", "Polled"),
    ("slow", "Slow"),
    ("unreachable", "Cannot Be Reached"),
    ("silent", "Does Not Answer"),
    ("refused", "Refuses"),
    ("garbage", "Not Understood"),
    ("incomplete", "Values Missing"),
    ("failed", "Polling Failed"),
    ("misconfigured", "Settings Wrong"),
]
#: What is shown where the poller has said nothing: nobody polls at all, or this meter was not read yet.
UNTOLD = [("unpolled", "Not Polled"), ("waiting", "Not Read Yet")]

#: As a domain: the meters that are to be polled.
POLLED_DOMAIN = [
    ("polling_enabled", "=", True),
    ("communication_type", "in", ["modbus_tcp", "modbus_rtu"]),
    ("state", "in", ["active", "maintenance"]),
]


class IotMilkMeterState(models.Model):
    _name = "iot.milk_meter.state"
    _description = "Milk Meter State"
    _auto = False
    _log_access = False
    _rec_name = "meter_id"

    meter_id = fields.Many2one("iot.milk_meter", string="Milk Meter", readonly=True)
    state = fields.Selection(STATES, readonly=True)
    since = fields.Datetime(readonly=True, help="Since when it can be read, or cannot.")
    last_read_at = fields.Datetime(string="Last Reading", readonly=True)
    problem = fields.Char(readonly=True)
    failures = fields.Integer(readonly=True, help="Readings that failed one after the other, up to now.")
    response_ms = fields.Float(string="Response (ms)", readonly=True, help="Mean of the last ten answers.")
    interval_s = fields.Float(string="Interval (s)", readonly=True)
    overruns = fields.Integer(
        readonly=True, help="Readings left out because the line was busy, since the poller was started."
    )
    told_at = fields.Datetime(readonly=True)

    def init(self):
        self.env.cr.execute(_TABLE)
        # The poller updates its rows every few seconds.
        set_fill_factor(self.env.cr, self._table)

    @api.model
    def _react_unreadable(self, messages):
        """Handler of the inbox: a meter could not be read for a minute, from the message's time stamp on."""
        events = self.env["iot.event"]
        for message, device in events._with_devices(messages):
            if not events._is_back(message, device):
                problem = message.payload.get("problem") or ""
                events.record(
                    "meter_unreadable",
                    timestamp=message.timestamp,
                    device=device,
                    severity="medium",
                    message=_("Over Modbus: %s.", problem) if problem else "",
                    data={"meter": device.device_id, **message.payload},
                    dedup_key=f"meter_unreadable:{device.id}:{message.timestamp.isoformat()}",
                )


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    polling_state = fields.Selection(
        STATES + UNTOLD,
        compute="_compute_polling",
        search="_search_polling_state",
        help="How the meter answers over Modbus; empty where it is not to be polled.",
    )
    polling_since = fields.Datetime(compute="_compute_polling", help="Since when it can be read, or cannot.")
    polling_problem = fields.Char(compute="_compute_polling")
    last_read_at = fields.Datetime(string="Last Reading", compute="_compute_polling")
    response_ms = fields.Float(
        string="Response (ms)", digits=(8, 0), compute="_compute_polling", help="Mean of the last ten answers."
    )
    polling_overruns = fields.Integer(
        string="Left Out", compute="_compute_polling", help="Readings left out because the line was busy."
    )

    @api.depends("polling_enabled", "communication_type", "state", "active")
    def _compute_polling(self):
        states = self._polling_states()
        for meter in self:
            told = states.get(meter._origin.id, {})
            meter.polling_state = told.get("state", False)
            meter.polling_since = told.get("since", False)
            meter.polling_problem = told.get("problem") or False
            meter.last_read_at = told.get("last_read_at", False)
            meter.response_ms = told.get("response_ms") or 0.0
            meter.polling_overruns = told.get("overruns", 0)

    def _polling_states(self):
        """How those of the meters that are to be polled answer.

        :return: dict meter id -> dict of the columns of `iot.milk_meter.state`; of a meter of which the poller has said
            nothing, or where there is none, `state` and `problem` alone
        """
        wanted = self._origin.filtered("active").filtered_domain(POLLED_DOMAIN)
        if not wanted:
            return {}
        if not self.env["iot.modbus.service"]._poller_lives():
            problem = _("Nobody polls: no bridge is running, or its poller hangs.")
            return {meter.id: {"state": "unpolled", "problem": problem} for meter in wanted}
        # Read by SQL, as the poller writes it by SQL: what the ORM has in its cache would be out of date.
        # No right is passed over: it reads the rows of just the meters in self.
        self.env.cr.execute(
            "SELECT meter_id, state, since, last_read_at, problem, failures, response_ms, interval_s, overruns"
            " FROM iot_milk_meter_state WHERE meter_id IN %s",
            [tuple(wanted.ids)],
        )
        told = {row["meter_id"]: row for row in self.env.cr.dictfetchall()}
        return {meter.id: told.get(meter.id, {"state": "waiting", "problem": ""}) for meter in wanted}

    def _search_polling_state(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {value}
        states = self.search(POLLED_DOMAIN)._polling_states()
        # A meter that is not to be polled has no state, which is False.
        if False in wanted:
            domain = [("id", "not in", [meter_id for meter_id, told in states.items() if told["state"] not in wanted])]
        else:
            domain = [("id", "in", [meter_id for meter_id, told in states.items() if told["state"] in wanted])]
        return ["!", *domain] if operator in ("!=", "not in") else domain
