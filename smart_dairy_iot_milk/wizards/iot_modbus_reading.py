"""Reads a meter once and shows its registers beside what they are taken for: to try out a meter or a register map."""

from odoo import _, api, fields, models

from ..modbus.client import LINE_IN_USE, MeterError
from ..modbus.decode import NOT_AVAILABLE, NOT_DECODED, OUT_OF_RANGE, line_words
from ..models.iot_modbus_profile_line import QUANTITIES, REGISTER_TYPES

_VERDICTS = {NOT_AVAILABLE: "not_available", OUT_OF_RANGE: "out_of_range", NOT_DECODED: "not_decoded"}


class IotModbusReading(models.TransientModel):
    _name = "iot.modbus.reading"
    _description = "Reading of a Modbus Meter"

    meter_id = fields.Many2one("iot.milk_meter", required=True, readonly=True, ondelete="cascade")
    endpoint = fields.Char(string="Read From", readonly=True)
    read_at = fields.Datetime(readonly=True)
    milliseconds = fields.Integer(
        string="Time (ms)", readonly=True, help="From the first request of each point to its last answer, all points."
    )
    request_count = fields.Integer(string="Requests", readonly=True, help="Of all points that answered.")
    problem = fields.Char(readonly=True)
    line_in_use = fields.Boolean(readonly=True)
    stopped_meter_ids = fields.Many2many("iot.milk_meter", string="Polling Stopped", readonly=True)
    line_ids = fields.One2many("iot.modbus.reading.line", "reading_id", string="Registers", readonly=True)

    @api.model
    def open_for(self, meter):
        """Read a meter and open the window that shows it.

        :raise UserError: the meter is not set up to be read, and what is missing
        """
        reading = self.create({"meter_id": meter.id})
        reading._read_meter()
        return reading._window()

    def action_read_again(self):
        """Read the meter once more, with its settings of now."""
        self.ensure_one()
        self._read_meter()
        return self._window()

    def action_stop_polling(self):
        """Have the platform leave the serial line, which belongs to one reader at a time."""
        self.ensure_one()
        meters = self._meters_of_line()
        meters.action_stop_polling()
        self.write(
            {
                "stopped_meter_ids": [(4, meter.id) for meter in meters],
                "line_in_use": False,
                "problem": _("The line is free in a moment: read again."),
            }
        )
        return self._window()

    def action_start_polling(self):
        """Have the meters polled again whose polling was stopped here."""
        self.ensure_one()
        self.stopped_meter_ids.action_start_polling()
        self.stopped_meter_ids = False
        return self._window()

    def _read_meter(self):
        endpoint, profile, points = self.env["iot.modbus.service"]._read_points(self.meter_id)
        readings = [getattr(result, "reading", result) for _number, _offset, result in points]
        done = [reading for reading in readings if reading is not None]
        errors = [(number, result) for number, _offset, result in points if isinstance(result, MeterError)]
        several = len(points) > 1
        self.line_ids.unlink()
        self.write(
            {
                "endpoint": str(endpoint),
                "read_at": fields.Datetime.now(),
                "milliseconds": round(1000 * sum(reading.seconds for reading in done)),
                "request_count": len(profile.blocks) * len(done),
                "problem": "; ".join(
                    _("point %(number)s: %(error)s", number=number, error=error) if several else str(error)
                    for number, error in errors
                ),
                "line_in_use": any(LINE_IN_USE in str(error) for _number, error in errors),
                "line_ids": [
                    (0, 0, self._line_values(line, number, offset, reading))
                    for (number, offset, _result), reading in zip(points, readings, strict=True)
                    for line in self.meter_id.modbus_profile_id.line_ids
                ],
            }
        )

    @api.model
    def _line_values(self, line, number, offset, reading):
        """One register of one milking point.

        :param line: `iot.modbus.profile.line`
        :param reading: `RegisterReading`, or None where the point could not be read
        """
        values = {
            "point_number": number,
            "name": line.name,
            "quantity": line.quantity,
            "register_type": line.register_type,
            "address": line.address + offset,
            "unit": line.unit,
            "verdict": "not_read",
        }
        if reading is None:
            return values
        problem, _separator, shown = reading.problems.get(line.quantity, "").partition(": ")
        # The unit stands in a column of its own.
        shown = shown.partition(" ")[0]
        value = reading.values.get(line.quantity)
        if problem:
            verdict = _VERDICTS[problem]
        else:
            verdict = "none" if value is None else "ok"
            shown = self._shown(value)
        words = line_words(line._as_line(), reading.words, offset)
        return {**values, "words": " ".join(map(_hexadecimal, words)), "value": shown, "verdict": verdict}

    @api.model
    def _shown(self, value):
        if isinstance(value, bool):
            return _("Yes") if value else _("No")
        return "" if value is None else str(value)

    def _meters_of_line(self):
        """The meters that are polled on this one's line, as far as the user may see them."""
        endpoint, _profile = self.env["iot.modbus.service"]._target(self.meter_id)
        meters = self.env["iot.milk_meter"]
        return meters.union(*(meter for meter, other in meters._polled_lines() if other.line == endpoint.line))

    def _window(self):
        return {
            "type": "ir.actions.act_window",
            "name": _("Registers of %s", self.meter_id.name),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }


class IotModbusReadingLine(models.TransientModel):
    _name = "iot.modbus.reading.line"
    _description = "Register of a Modbus Meter"
    _order = "point_number, id"

    reading_id = fields.Many2one("iot.modbus.reading", required=True, ondelete="cascade")
    point_number = fields.Integer(string="Point", readonly=True)
    name = fields.Char(string="Register", readonly=True)
    register_type = fields.Selection(REGISTER_TYPES, readonly=True)
    address = fields.Integer(readonly=True, help="On the wire, the point's own.")
    words = fields.Char(
        string="Raw", readonly=True, help="Registers in hexadecimal digits, as they came; a coil 1 or 0."
    )
    value = fields.Char(readonly=True, help="Decoded, before the meter's calibration factor.")
    unit = fields.Char(readonly=True)
    quantity = fields.Selection(QUANTITIES, string="Meaning", readonly=True)
    verdict = fields.Selection(
        [
            ("ok", "Good"),
            ("none", "No value"),
            ("not_available", "Not available"),
            ("out_of_range", "Out of range"),
            ("not_decoded", "Cannot be decoded"),
            ("not_read", "Not read"),
        ],
        readonly=True,
        help="Only a good value is taken over. No value: nothing is there to have one, such as a tag.",
    )


def _hexadecimal(word):
    return str(int(word)) if isinstance(word, bool) else f"{word:04X}"
