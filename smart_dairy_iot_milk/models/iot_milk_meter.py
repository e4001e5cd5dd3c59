"""Milk meters: devices that measure milkings, polled over Modbus (`iot_milk_meter_modbus`) or publishing themselves."""

from odoo import api, fields, models

MANUFACTURERS = [
    ("delaval", "DeLaval"),
    ("afimilk", "Afimilk"),
    ("gea", "GEA"),
    ("lely", "Lely"),
    ("boumatic", "BouMatic"),
    ("other", "Other"),
]
MAKE = {"manufacturer", "model_number"}
"""Fields of the meter's own in place of the device's."""


class IotMilkMeter(models.Model):
    _name = "iot.milk_meter"
    _description = "Milk Meter"
    _inherit = ["iot.registry.mixin"]
    _inherits = {"iot.device": "iot_device_id"}
    _order = "name, id"
    _rec_names_search = ["name", "device_id", "serial_number"]

    iot_device_id = fields.Many2one("iot.device", string="Device", required=True, ondelete="cascade", index=True)

    meter_type = fields.Selection(
        [
            ("inline", "Inline Meter"),
            ("jar", "Recording Jar"),
            ("electronic", "Electronic Meter"),
            ("robotic", "Robotic System"),
        ],
        default="electronic",
    )
    manufacturer = fields.Selection(MANUFACTURERS, required=True)
    model_number = fields.Char()

    communication_type = fields.Selection(
        [
            ("modbus_rtu", "Modbus RTU (Serial)"),
            ("modbus_tcp", "Modbus TCP (Ethernet)"),
            ("mqtt", "MQTT"),
            ("api", "REST API"),
        ],
        string="Communication",
        default="modbus_tcp",
        required=True,
        help="Modbus meters are polled by the platform: over the network, or on a serial line of the machine that "
        "polls them. Others send by themselves.",
    )
    milking_point_count = fields.Integer(string="Milking Points", default=1)
    milking_point_ids = fields.One2many("iot.milk_meter.point", "meter_id", string="Points")

    has_rfid_reader = fields.Boolean(string="RFID Reader", default=True)
    has_conductivity = fields.Boolean(string="Measures Conductivity", default=True)
    has_temperature = fields.Boolean(string="Measures Temperature", default=True)
    has_flow_sensor = fields.Boolean(string="Flow Sensor", default=True)
    has_milk_quality = fields.Boolean(string="Inline Quality Analysis")

    session_ids = fields.One2many("milk.session", "meter_id", string="Sessions")
    current_session_id = fields.Many2one("milk.session", compute="_compute_current_session")
    is_milking = fields.Boolean(string="Currently Milking", compute="_compute_current_session")
    total_sessions = fields.Integer(compute="_compute_statistics", help="Completed ones.")
    total_yield_liters = fields.Float(string="Total Yield (L)", digits=(10, 3), compute="_compute_statistics")
    avg_session_yield = fields.Float(string="Average Yield (L)", digits=(10, 3), compute="_compute_statistics")

    flow_calibration_factor = fields.Float(
        default=1.0,
        digits=(8, 5),
        help="What the meter says of yield and flow is multiplied with it, over Modbus and MQTT alike: true volume / "
        "shown volume. A milking keeps the factor with which it began.",
    )
    conductivity_baseline = fields.Float(
        string="Conductivity Baseline (mS/cm)",
        digits=(6, 3),
        help="Of healthy milk at 25 °C, as this meter measures it. Counts for a cow without a baseline of her own; "
        "where it is empty, 5.5 is taken.",
    )
    last_calibration = fields.Datetime()

    _sql_constraints = [
        ("device_unique", "UNIQUE(iot_device_id)", "This device is a milk meter already."),
        ("point_count_range", "CHECK(milking_point_count BETWEEN 1 AND 999)", "A meter has 1 to 999 milking points."),
        ("factor_positive", "CHECK(flow_calibration_factor > 0)", "A calibration factor is greater than 0."),
    ]

    @api.depends("session_ids.state", "session_ids.start_time")
    def _compute_current_session(self):
        running = self.env["milk.session"].search(
            [("meter_id", "in", self.ids), ("state", "=", "in_progress")], order="start_time, id"
        )
        latest = {session.meter_id: session for session in running}
        for meter in self:
            meter.current_session_id = latest.get(meter._origin)
            meter.is_milking = bool(meter.current_session_id)

    @api.depends("session_ids.state", "session_ids.total_yield")
    def _compute_statistics(self):
        groups = self.env["milk.session"]._read_group(
            [("meter_id", "in", self.ids), ("state", "=", "completed")],
            ["meter_id"],
            ["__count", "total_yield:sum", "total_yield:avg"],
        )
        statistics = {meter: values for meter, *values in groups}
        for meter in self:
            count, total, mean = statistics.get(meter._origin, (0, 0.0, 0.0))
            meter.total_sessions, meter.total_yield_liters, meter.avg_session_yield = count, total, mean

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("iot_device_id"):
                vals["device_type"] = "milk_meter"
            communication = (
                vals.get("communication_type") or self.default_get(["communication_type"])["communication_type"]
            )
            vals.setdefault("uses_mqtt", not communication.startswith("modbus"))
        meters = super().create(vals_list)
        meters._tell_make()
        meters._add_missing_points()
        return meters

    def write(self, vals):
        if vals.get("communication_type"):
            vals = {"uses_mqtt": not vals["communication_type"].startswith("modbus"), **vals}
        result = super().write(vals)
        if MAKE & vals.keys():
            self._tell_make()
        if "milking_point_count" in vals:
            self._add_missing_points()
        return result

    def unlink(self):
        devices = self.iot_device_id
        result = super().unlink()
        devices.unlink()
        return result

    def _tell_make(self):
        """Let the register of devices have the meter's make; one that is not in our list is in the register alone."""
        for (maker, model), meters in self.grouped(lambda meter: (meter.manufacturer, meter.model_number)).items():
            make = {"manufacturer": dict(MANUFACTURERS)[maker]} if maker != "other" else {}
            if model:
                make["model"] = model
            if make:
                meters.iot_device_id.write(make)

    def _add_missing_points(self):
        """Give each meter as many points as it is said to have, with the next free numbers; none is ever taken away."""
        missing = []
        for meter in self:
            numbers = set(meter.milking_point_ids.mapped("point_number"))
            free = (number for number in range(1, 2 * meter.milking_point_count + 1) if number not in numbers)
            wanted = meter.milking_point_count - len(numbers)
            missing += [{"meter_id": meter.id, "point_number": next(free)} for _i in range(wanted)]
        if missing:
            self.env["iot.milk_meter.point"].create(missing)

    # ------------------------------------------------------------------ actions

    def action_view_sessions(self):
        """Open this meter's sessions."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot_milk.milk_session_action")
        return {**action, "domain": [("meter_id", "=", self.id)], "context": {"default_meter_id": self.id}}

    def action_view_device(self):
        """Open the device, where its credentials, topics and history are."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "iot.device",
            "res_id": self.iot_device_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # The life of a meter is that of its device.

    def action_provision(self):
        result = self.iot_device_id.action_provision()
        # What is required of a meter at work is asked for here, where somebody sees it.
        self._check_modbus_settings()
        return result

    def action_rotate_password(self):
        return self.iot_device_id.action_rotate_password()

    def action_deactivate(self):
        return self.iot_device_id.action_deactivate()

    def action_set_maintenance(self):
        return self.iot_device_id.action_set_maintenance()

    def action_reactivate(self):
        return self.iot_device_id.action_reactivate()

    def action_decommission(self):
        return self.iot_device_id.action_decommission()

    def action_replace(self):
        return self.iot_device_id.action_replace()

    # ------------------------------------------------------------------ for the platform

    @api.model
    def _of_devices(self, device_ids):
        """The meters of devices, archived ones too.

        A device that was registered as a milk meter without a meter's own settings gets them here, with the defaults:
        its milkings are no less real.

        :param device_ids: ids of `iot.device`
        :return: dict id of the device -> `iot.milk_meter`; without those that no longer exist
        """
        everything = self.with_context(active_test=False)
        meters = everything.search([("iot_device_id", "in", device_ids)])
        bare = self.env["iot.device"].browse(set(device_ids) - set(meters.iot_device_id.ids)).exists()
        meters |= everything.create(
            [
                {"iot_device_id": device.id, "manufacturer": "other", "communication_type": "mqtt"}
                for device in bare.filtered(lambda device: device.device_type == "milk_meter")
            ]
        )
        return {meter.iot_device_id.id: meter for meter in meters}
