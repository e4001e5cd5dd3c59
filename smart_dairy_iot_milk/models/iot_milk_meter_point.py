"""Milking points of a meter: the place where one cow stands. Its number is the channel of the meter's messages."""

from odoo import api, fields, models


class IotMilkMeterPoint(models.Model):
    _name = "iot.milk_meter.point"
    _description = "Milking Point"
    _inherit = ["iot.registry.mixin"]
    _order = "meter_id, point_number"

    meter_id = fields.Many2one("iot.milk_meter", required=True, index=True, ondelete="cascade")
    farm_id = fields.Many2one(related="meter_id.farm_id")
    point_number = fields.Integer(required=True, help="The channel under which the meter reports this point.")
    name = fields.Char(string="Point Name", compute="_compute_name", store=True, readonly=False)
    pen_id = fields.Many2one("farm.pen", string="Pen/Stall", domain="[('farm_id', '=', farm_id)]")
    position_description = fields.Char()
    address_offset = fields.Integer(
        string="Register Offset",
        help="Over Modbus: registers from the addresses of the profile to those of this point. 0: as the profile says.",
    )
    rfid_reader_id = fields.Char(string="RFID Reader ID")
    is_active = fields.Boolean(string="Active", default=True)
    session_ids = fields.One2many("milk.session", "milking_point", string="Sessions")
    is_occupied = fields.Boolean(string="Occupied", compute="_compute_occupancy")
    current_animal_id = fields.Many2one("farm.animal", compute="_compute_occupancy")

    _sql_constraints = [
        ("meter_point_unique", "UNIQUE(meter_id, point_number)", "Point number must be unique per meter!"),
        ("address_offset_range", "CHECK(address_offset BETWEEN 0 AND 65535)", "An offset lies between 0 and 65535."),
        ("point_number_range", "CHECK(point_number BETWEEN 0 AND 32767)", "A point number lies between 0 and 32767."),
    ]

    @api.depends("point_number")
    def _compute_name(self):
        for point in self:
            point.name = point.name or str(point.point_number)

    @api.depends("session_ids.state", "session_ids.animal_id")
    def _compute_occupancy(self):
        running = self.env["milk.session"].search(
            [("milking_point", "in", self.ids), ("state", "=", "in_progress")], order="start_time, id"
        )
        latest = {session.milking_point: session for session in running}
        for point in self:
            session = latest.get(point._origin)
            point.is_occupied = bool(session)
            point.current_animal_id = session and session.animal_id
