"""Modbus meters for any code in Odoo: read one now, have one polled, leave one alone."""

from odoo import _, api, models
from odoo.exceptions import AccessError, UserError

from ..modbus.client import MeterError, read_once, read_points
from ..modbus.profile import ProfileError

#: Quantities of milk, which the meter's calibration corrects.
MILK = ("yield_liters", "yield_lf", "yield_rf", "yield_lr", "yield_rr", "flow_rate")


class IotModbusService(models.AbstractModel):
    _name = "iot.modbus.service"
    _description = "Modbus Meters"

    @api.model
    def read_meter_data(self, meter_id):
        """Read the first milking point of a meter once, over a connection of its own.

        :param meter_id: id of `iot.milk_meter`
        :return: dict quantity -> value, as in a Modbus profile; without those the meter has no value for
        :raise UserError: the meter cannot be read, and why
        """
        self._check_manager()
        meter = self.env["iot.milk_meter"].browse(meter_id)
        endpoint, profile = self._target(meter)
        _number, offset = self._points(meter, profile)[0]
        try:
            values = read_once(endpoint, meter.modbus_address, profile, offset).values
        except MeterError as error:
            raise UserError(_("%(meter)s cannot be read: %(error)s", meter=meter.name, error=error)) from error
        for quantity in MILK:
            if quantity in values:
                values[quantity] *= meter.flow_calibration_factor
        return values

    @api.model
    def start_meter_polling(self, meter_id):
        """Have a meter read while it is active or in maintenance.

        :raise UserError: it is not set up for that, and what is missing
        """
        meter = self.env["iot.milk_meter"].browse(meter_id)
        self._target(meter)
        meter.polling_enabled = True

    @api.model
    def stop_meter_polling(self, meter_id):
        """Leave a meter alone."""
        self.env["iot.milk_meter"].browse(meter_id).polling_enabled = False

    @api.model
    def _read_points(self, meter):
        """Read all milking points of a meter once.

        :return: `Endpoint`, `Profile`, list of (point number, offset of its registers, `RegisterReading` or
            `MeterError`, or None where it was not tried any more)
        """
        self._check_manager()
        endpoint, profile = self._target(meter)
        points = self._points(meter, profile)
        results = read_points(endpoint, meter.modbus_address, profile, [offset for _number, offset in points])
        results += [None] * (len(points) - len(results))
        return endpoint, profile, [(*point, result) for point, result in zip(points, results, strict=True)]

    @api.model
    def _check_manager(self):
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise AccessError(_("Only a manager may read a meter out."))

    @api.model
    def _points(self, meter, profile):
        """List of (point number, offset of its registers from the addresses of the profile); never empty."""
        points = meter.milking_point_ids.filtered("is_active").sorted("point_number")
        first = points[:1].point_number
        offsets = [
            (point.point_number, point.address_offset or (point.point_number - first) * profile.point_stride)
            for point in points
        ]
        return offsets or [(1, 0)]

    @api.model
    def _target(self, meter):
        """What is needed to read a meter: (`Endpoint`, `Profile`).

        :raise UserError: it is not set up for that, and what is missing
        """
        meter.ensure_one()
        if meter.communication_type not in ("modbus_tcp", "modbus_rtu"):
            raise UserError(_("%s is no Modbus meter: only those are polled.", meter.name))
        if not meter.modbus_profile_id:
            raise UserError(_("%s has no Modbus profile, which says what its registers hold.", meter.name))
        if not meter.modbus_port:
            raise UserError(_("%s has no address: give it as host:port, or the device of its line.", meter.name))
        try:
            endpoint = meter._endpoint()
        except ValueError as error:
            raise UserError(_("The address of %(meter)s: %(error)s", meter=meter.name, error=error)) from error
        try:
            return endpoint, meter.modbus_profile_id._as_profile()
        except ProfileError as error:
            raise UserError(
                _("The Modbus profile of %(meter)s cannot be used: %(error)s", meter=meter.name, error=error)
            ) from error
