"""Modbus meters for any code in Odoo: read one now, have one polled, leave one alone."""

from odoo import _, api, models
from odoo.exceptions import AccessError, UserError

from ..modbus.client import MeterError, parse_endpoint, read_once
from ..modbus.profile import ProfileError


class IotModbusService(models.AbstractModel):
    _name = "iot.modbus.service"
    _description = "Modbus Meters"

    @api.model
    def read_meter_data(self, meter_id):
        """Read a meter once, over a connection of its own.

        :param meter_id: id of `iot.milk_meter`
        :return: dict quantity -> value, as in a Modbus profile; without those the meter has no value for
        :raise UserError: the meter cannot be read, and why
        """
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise AccessError(_("Only a manager may read a meter out."))
        meter = self.env["iot.milk_meter"].browse(meter_id)
        endpoint, profile = self._target(meter)
        try:
            values = read_once(endpoint, meter.modbus_address, profile)
        except MeterError as error:
            raise UserError(_("%(meter)s cannot be read: %(error)s", meter=meter.name, error=error)) from error
        for name in ("yield_liters", "flow_rate"):
            if name in values:
                values[name] *= meter.flow_calibration_factor
        return values

    @api.model
    def start_meter_polling(self, meter_id):
        """Have a meter read every second while it is active or in maintenance.

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
    def _target(self, meter):
        """What is needed to read a meter: ((host, port), `Profile`)."""
        meter.ensure_one()
        if meter.communication_type != "modbus_tcp":
            raise UserError(_("%s is no Modbus TCP meter: only those are polled.", meter.name))
        if not meter.modbus_profile_id:
            raise UserError(_("%s has no Modbus profile, which says what its registers hold.", meter.name))
        if not meter.modbus_port:
            raise UserError(_("%s has no address: give it as host:port.", meter.name))
        try:
            return parse_endpoint(meter.modbus_port), meter.modbus_profile_id._as_profile()
        except ProfileError as error:
            raise UserError(
                _("The Modbus profile of %(meter)s cannot be used: %(error)s", meter=meter.name, error=error)
            ) from error
