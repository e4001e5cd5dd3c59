"""How a milk meter is read over Modbus: where it is, with which registers, and whether it is polled."""

import contextlib

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..modbus.endpoint import parse_endpoint

#: A serial line knows no other units: 0 speaks to all, those above are reserved.
_LAST_SERIAL_UNIT = 247


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    modbus_address = fields.Integer(string="Modbus Unit", default=1, help="Address of the meter behind its endpoint.")
    modbus_port = fields.Char(
        string="Serial Port / IP:Port",
        help="For Modbus TCP host:port, e.g. 192.168.1.20:502; for Modbus RTU the device of a serial line of the "
        "machine that polls, e.g. /dev/ttyUSB0, or host:port of a gateway that passes RTU frames on.",
    )
    modbus_baudrate = fields.Selection(
        [(rate, rate) for rate in ("9600", "19200", "38400", "57600", "115200")], string="Baud Rate", default="9600"
    )
    modbus_parity = fields.Selection([("N", "None"), ("E", "Even"), ("O", "Odd")], string="Parity", default="N")
    modbus_profile_id = fields.Many2one(
        "iot.modbus.profile",
        ondelete="restrict",
        compute="_compute_modbus_profile_id",
        store=True,
        readonly=False,
        help="Which quantity stands in which register.",
    )
    polling_enabled = fields.Boolean(
        string="Polling",
        default=True,
        copy=False,
        help="The meter is read at its interval while it is active or in maintenance.",
    )
    poll_interval = fields.Float(
        string="Polling Interval (s)",
        default=1.0,
        digits=(5, 2),
        required=True,
        help="Each milking point is read this often, if its line has the time.",
    )
    idle_interval = fields.Float(
        string="Idle Interval (s)",
        default=3.0,
        digits=(5, 2),
        required=True,
        help="The same once nobody was milked on the farm for ten minutes. The first cow ends that at once.",
    )

    _sql_constraints = [
        ("unit_range", "CHECK(modbus_address BETWEEN 0 AND 255)", "A Modbus unit is a number from 0 to 255."),
        (
            "poll_interval_range",
            "CHECK(poll_interval BETWEEN 0.2 AND 60)",
            "A meter is polled every 0.2 to 60 seconds.",
        ),
        (
            "idle_interval_range",
            "CHECK(idle_interval BETWEEN poll_interval AND 60)",
            "While nobody is milked a meter is polled no more often than otherwise, and every 60 seconds at least.",
        ),
    ]

    @api.constrains(
        "communication_type",
        "modbus_port",
        "modbus_address",
        "modbus_baudrate",
        "modbus_parity",
        "polling_enabled",
        "modbus_profile_id",
    )
    def _check_modbus_settings(self):
        meters = self.filtered(lambda meter: (meter.communication_type or "").startswith("modbus"))
        polled = meters._polled_lines() if meters else []
        for meter in meters:
            endpoint = meter._checked_endpoint()
            if endpoint and meter.polling_enabled:
                meter._check_neighbours(endpoint, [other for other in polled if other[0] != meter])

    def _checked_endpoint(self):
        """The `Endpoint` that the settings name; None while there is none.

        :raise ValidationError: they name none, or one is needed
        """
        self.ensure_one()
        if not self.modbus_port:
            if self.polling_enabled and self.state in ("active", "maintenance"):
                raise ValidationError(_("%s is to be polled: say where it is reached.", self.name))
            return None
        if self.communication_type == "modbus_rtu" and not 1 <= self.modbus_address <= _LAST_SERIAL_UNIT:
            raise ValidationError(
                _(
                    "%(meter)s: a meter on a serial line has a unit from 1 to %(last)s.",
                    meter=self.name,
                    last=_LAST_SERIAL_UNIT,
                )
            )
        try:
            return self._endpoint()
        except ValueError as error:
            raise ValidationError(_("%(meter)s: %(error)s.", meter=self.name, error=error)) from error

    def _endpoint(self):
        """:raise ValueError: the settings name none"""
        return parse_endpoint(self.communication_type, self.modbus_port, self.modbus_baudrate, self.modbus_parity)

    @api.model
    def _polled_lines(self):
        """Pairs of meter and `Endpoint` of all Modbus meters that are polled, or will be once they are active.

        Of those that the user may see: one of another company on the same line is found out by the poller.
        """
        meters = self.search(
            [
                ("communication_type", "in", ["modbus_tcp", "modbus_rtu"]),
                ("polling_enabled", "=", True),
                ("modbus_port", "!=", False),
                ("state", "!=", "decommissioned"),
            ]
        )
        lines = []
        for meter in meters:
            # One of before that cannot be read says so itself, when it is saved.
            with contextlib.suppress(ValueError):
                lines.append((meter, meter._endpoint()))
        return lines

    def _check_neighbours(self, endpoint, others):
        for other, its_endpoint in others:
            if its_endpoint.line != endpoint.line:
                continue
            if its_endpoint != endpoint:
                raise ValidationError(
                    _(
                        "%(meter)s and %(other)s are on the same line, and %(other)s is read at %(endpoint)s: a line"
                        " has one speed, one parity and one kind of frames.",
                        meter=self.name,
                        other=other.name,
                        endpoint=its_endpoint,
                    )
                )
            if other.modbus_address == self.modbus_address:
                raise ValidationError(
                    _(
                        "%(meter)s and %(other)s are both unit %(unit)s at %(endpoint)s. Several milking points of one"
                        " meter are points of one record.",
                        meter=self.name,
                        other=other.name,
                        unit=self.modbus_address,
                        endpoint=endpoint,
                    )
                )

    @api.depends("manufacturer", "communication_type")
    def _compute_modbus_profile_id(self):
        """Propose the maker's profile; one that was chosen stays as long as it fits the maker."""
        for meter in self:
            if not (meter.communication_type or "").startswith("modbus"):
                meter.modbus_profile_id = False
            elif meter.modbus_profile_id.manufacturer not in (meter.manufacturer, "other"):
                meter.modbus_profile_id = self.env["iot.modbus.profile"].search(
                    [("manufacturer", "=", meter.manufacturer)], limit=1
                )

    # ------------------------------------------------------------------ actions

    def action_start_polling(self):
        """Have the meters read, each at its interval."""
        for meter in self:
            self.env["iot.modbus.service"].start_meter_polling(meter.id)

    def action_stop_polling(self):
        """Leave the meters alone; a milking that is running is closed by its time-out."""
        for meter in self:
            self.env["iot.modbus.service"].stop_meter_polling(meter.id)

    def action_read_now(self):
        """Read the meter once and show its registers beside what they are taken for."""
        self.ensure_one()
        return self.env["iot.modbus.reading"].open_for(self)
