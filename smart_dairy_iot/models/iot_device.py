"""The devices of a farm: what they are and where they stand.

Their addresses are in `iot_device_addresses`, what was last heard from them in `iot_device_liveness`; how they get to
the broker, and are kept away from it, in `iot_device_provisioning`.
"""

import json
import re
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..bridge.topics import IDENTIFIER
from .iot_topic_hierarchy import DEVICE_TYPES

TOPIC_FIELDS = {
    "data": "data_topic",
    "status": "status_topic",
    "commands": "command_topic",
    "config": "config_topic",
    "alerts": "alert_topic",
    "ack": "ack_topic",
}
RESERVED_IDS = ("bridge", "admin")
"""Their client ids, sd_bridge and sd_admin, are the platform's own unless the settings say otherwise."""

CALIBRATION_DUE_DAYS = 7
MOST_CONFIGURATION_BYTES = 65_536
"""Brokers end the connection of who sends more than they take, EMQX by default a megabyte; small devices take less."""


def mqtt_identity(device_type, device_id):
    """(user name, client id) of a device at the broker, e.g. ("MI_MM001", "sd_MM001")."""
    return f"{(device_type or '')[:2].upper()}_{device_id}", f"sd_{device_id}"


def _refuse_constant(name):
    """Python reads NaN and infinite numbers where JSON has none."""
    raise ValueError(f"{name} is no number in JSON")


class IotDevice(models.Model):
    _name = "iot.device"
    _description = "IoT Device"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "name, id"
    _rec_names_search = ["name", "device_id", "serial_number"]

    name = fields.Char(string="Device Name", required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    device_id = fields.Char(
        string="Device ID",
        required=True,
        copy=False,
        tracking=True,
        help="The device's identity on the wire, e.g. MM001: letters, digits, _ and -. Fixed once it is provisioned.",
    )
    device_type = fields.Selection(DEVICE_TYPES, required=True, index=True, tracking=True)
    state = fields.Selection(
        [
            ("provisioning", "Provisioning"),
            ("active", "Active"),
            ("inactive", "Inactive"),
            ("maintenance", "Maintenance"),
            ("decommissioned", "Decommissioned"),
        ],
        string="Status",
        default="provisioning",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )

    farm_id = fields.Many2one(
        "farm.location",
        index=True,
        ondelete="restrict",
        tracking=True,
        help="A device without a farm is registered in advance: it is claimed for a farm before it is provisioned.",
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    location_id = fields.Many2one(
        "farm.pen", string="Pen/Location", domain="[('farm_id', '=', farm_id)]", tracking=True
    )
    location_description = fields.Char(string="Physical Location Description")

    manufacturer = fields.Char()
    model = fields.Char()
    serial_number = fields.Char(copy=False)
    firmware_version = fields.Char(tracking=True)
    hardware_version = fields.Char()

    data_topic = fields.Char(compute="_compute_topics", store=True)
    status_topic = fields.Char(compute="_compute_topics", store=True)
    command_topic = fields.Char(compute="_compute_topics", store=True)
    config_topic = fields.Char(string="Configuration Topic", compute="_compute_topics", store=True)
    alert_topic = fields.Char(compute="_compute_topics", store=True)
    ack_topic = fields.Char(string="Acknowledgement Topic", compute="_compute_topics", store=True)

    calibration_date = fields.Date(string="Last Calibration Date", copy=False)
    next_calibration_date = fields.Date(copy=False)
    calibration_status = fields.Selection(
        [("valid", "Valid"), ("due", "Calibration Due"), ("overdue", "Calibration Overdue")],
        compute="_compute_calibration_status",
    )
    config_json = fields.Text(
        string="Device Configuration (JSON)",
        help="Sent to the device, retained, on its configuration topic whenever it is changed.",
    )
    notes = fields.Text()
    alert_ids = fields.One2many("iot.alert", "iot_device_id", string="Alerts")
    open_alert_count = fields.Integer(compute="_compute_open_alert_count")

    _sql_constraints = [
        ("device_id_unique", "EXCLUDE USING btree (lower(device_id) WITH =)", "Device ID must be unique!"),
        (
            "serial_number_unique",
            "EXCLUDE USING btree (lower(manufacturer) WITH =, lower(serial_number) WITH =, device_type WITH =)"
            " WHERE (state != 'decommissioned')",
            "Another device of this type and manufacturer has this serial number.",
        ),
    ]

    # ------------------------------------------------------------------ constraints

    @api.constrains("device_id", "device_type")
    def _check_device_id(self):
        platform = self._platform_identities()
        for device in self:
            problem = self._identity_problem(device.device_id, device.device_type, platform)
            if problem:
                raise ValidationError(problem)

    @api.model
    def _identity_problem(self, device_id, device_type, platform):
        """What is wrong with an identity, None for a good one.

        It is a plain topic segment, fits its type's pattern and is not the platform's own.

        :param platform: what `_platform_identities` gave
        """
        if not IDENTIFIER.fullmatch(device_id):
            return _("“%s” cannot be a device ID: use up to 64 letters, digits, _ and -.", device_id)
        if device_id.lower() in RESERVED_IDS or platform & set(mqtt_identity(device_type, device_id)):
            return _("“%s” is reserved for the platform itself.", device_id)
        pattern = self._id_pattern(device_type)
        if not re.fullmatch(pattern, device_id):
            return _(
                "“%(device_id)s” does not fit the pattern %(pattern)s, which the settings ask of this type.",
                device_id=device_id,
                pattern=pattern,
            )
        return None

    @api.model
    def _platform_identities(self):
        """Client ids and user names at the broker that are the platform's own."""
        config = self.env["iot.settings"]._get_config()
        return {config.mqtt_bridge_client_id, config.mqtt_bridge_username, config.mqtt_admin_username}

    @api.model
    def _id_pattern(self, device_type):
        # Reading one setting, of no secrecy: whoever registers a device is bound by it.
        parameters = self.env["ir.config_parameter"].sudo()
        return parameters.get_param(f"iot.device_id_pattern_{device_type}") or IDENTIFIER.pattern

    @api.constrains("farm_id", "state")
    def _check_farm(self):
        """A device has no farm only before it is provisioned."""
        for device in self:
            if not device.farm_id and device.state != "provisioning":
                raise ValidationError(_("Give %s a farm first: its topics and its users follow from it.", device.name))

    @api.constrains("farm_id", "location_id")
    def _check_location(self):
        for device in self:
            if device.location_id and device.location_id.farm_id != device.farm_id:
                raise ValidationError(
                    _(
                        "%(pen)s is not on the farm of the device %(device)s (%(farm)s).",
                        pen=device.location_id.display_name,
                        device=device.name,
                        farm=device.farm_id.name or _("none yet"),
                    )
                )

    @api.constrains("config_json")
    def _check_config_json(self):
        for device in self:
            if device.config_json:
                device._configuration()

    def _configuration(self):
        """The configuration as a dict; raises ValidationError for anything but a JSON object."""
        return self._parse_configuration(self.config_json or "{}", self.name)

    @api.model
    def _parse_configuration(self, text, owner):
        """:param owner: whose configuration it is, for the error"""
        if len(text.encode()) > MOST_CONFIGURATION_BYTES:
            raise ValidationError(
                _(
                    "The configuration of %(owner)s takes more than %(most)s bytes.",
                    owner=owner,
                    most=MOST_CONFIGURATION_BYTES,
                )
            )
        try:
            configuration = json.loads(text, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValidationError(_("The configuration of %s is nested too deeply.", owner)) from error
        except ValueError as error:
            raise ValidationError(
                _("The configuration of %(owner)s is not JSON: %(error)s", owner=owner, error=error)
            ) from error
        if not isinstance(configuration, dict):
            raise ValidationError(_("The configuration of %s must be a JSON object.", owner))
        return configuration

    # ------------------------------------------------------------------ create, write

    @api.model_create_multi
    def create(self, vals_list):
        default = self.default_get(["farm_id"]).get("farm_id")
        if not all(vals.get("farm_id", default) for vals in vals_list):
            self._check_may_be_without_farm()
        return super().create(vals_list)

    def write(self, vals):
        if "farm_id" in vals and not vals["farm_id"]:
            self._check_may_be_without_farm()
        return super().write(vals)

    @api.model
    def _check_may_be_without_farm(self):
        """Not a constraint: those are checked with all rights on some series."""
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_admin"):
            raise AccessError(_("Choose a farm: only a farm administrator registers devices that have none yet."))

    # ------------------------------------------------------------------ computed

    @api.depends("device_type", "device_id", "farm_id.code")
    def _compute_topics(self):
        # The topics' patterns are no farm's secret, and a device has topics whoever registers it.
        topics = self.env["iot.topic.hierarchy"].sudo()._of_devices()
        for device in self:
            values = dict.fromkeys(TOPIC_FIELDS.values(), False)
            if device.device_id and device.farm_id.code and device.device_type:
                for topic in topics[device.device_type]:
                    values[TOPIC_FIELDS[topic.message_type]] = topic.generate_topic(
                        device.farm_id.code, device.device_id
                    )
            device.update(values)

    def _recompute_topics(self):
        """Compute the topics anew after a change of their patterns, which no dependency can express."""
        for name in TOPIC_FIELDS.values():
            self.env.add_to_compute(self._fields[name], self)

    @api.depends("next_calibration_date")
    def _compute_calibration_status(self):
        today = fields.Date.context_today(self)
        for device in self:
            due = device.next_calibration_date
            if due and due < today:
                device.calibration_status = "overdue"
            elif due and due < today + timedelta(days=CALIBRATION_DUE_DAYS):
                device.calibration_status = "due"
            else:
                device.calibration_status = "valid"

    @api.depends("alert_ids.state")
    def _compute_open_alert_count(self):
        open_alerts = [("iot_device_id", "in", self.ids), ("state", "!=", "resolved")]
        counts = dict(self.env["iot.alert"]._read_group(open_alerts, ["iot_device_id"], ["__count"]))
        for device in self:
            device.open_alert_count = counts.get(device._origin, 0)

    @api.onchange("farm_id")
    def _onchange_farm_id(self):
        if self.location_id.farm_id != self.farm_id:
            self.location_id = False

    # ------------------------------------------------------------------ actions

    def action_view_readings(self):
        """Open what the device has measured."""
        self.ensure_one()
        specs = self.env["iot.settings"]._telemetry_specs()
        model = next(spec.model for spec in specs if self.device_type in spec.device_types)
        return {
            "type": "ir.actions.act_window",
            "name": _("Readings of %s", self.name),
            "res_model": model,
            "view_mode": "list,pivot,graph",
            "domain": [("iot_device_id", "=", self.id)],
        }

    def action_view_alerts(self):
        """Open the device's alerts."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_alert_action")
        return {**action, "domain": [("iot_device_id", "=", self.id)], "context": {"default_iot_device_id": self.id}}
