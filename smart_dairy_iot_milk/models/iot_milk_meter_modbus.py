"""How a milk meter is read over Modbus: where it is, with which registers, and whether it is polled."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..modbus.client import parse_endpoint


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    modbus_address = fields.Integer(string="Modbus Unit", default=1, help="Address of the meter behind its endpoint.")
    modbus_port = fields.Char(
        string="Serial Port / IP:Port",
        help="For Modbus TCP host:port, e.g. 192.168.1.20:502; for a serial line its device.",
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
        help="The meter is read every second while it is active or in maintenance.",
    )

    _sql_constraints = [
        ("unit_range", "CHECK(modbus_address BETWEEN 0 AND 255)", "A Modbus unit is a number from 0 to 255."),
    ]

    @api.constrains("communication_type", "modbus_port")
    def _check_modbus_port(self):
        for meter in self.filtered(lambda meter: meter.communication_type == "modbus_tcp" and meter.modbus_port):
            try:
                parse_endpoint(meter.modbus_port)
            except ValueError as error:
                raise ValidationError(
                    _("%(meter)s: %(port)s is no host:port.", meter=meter.name, port=meter.modbus_port)
                ) from error

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
        """Have the meters read every second."""
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
