"""A device's configuration: its versions, on its topic, retained; and the way to it for a device that was moved.

Desired and reported: the device is sent the configuration with its `config_version`, and tells in its status messages
which version it works by.
"""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from .iot_device import TOPIC_FIELDS
from .iot_device_provisioning import ACTIONS_ONLY, STATES_WITHOUT_USER

VERSION_KEY = "config_version"
"""The platform's own key in what is published to the device, and in the device's status."""

ACTIONS_ONLY.update({"previous_config_topic", "config_version"})

_SELECT_BY_STATUS = """
    SELECT device.id
      FROM iot_device device
 LEFT JOIN iot_device_state state ON state.iot_device_id = device.id
     WHERE CASE WHEN coalesce(device.config_json, '') = '' THEN 'none'
                WHEN state.config_version IS NULL THEN 'unreported'
                WHEN state.config_version = device.config_version THEN 'up_to_date'
                ELSE 'drift' END = ANY(%s)
"""


class IotDevice(models.Model):
    _inherit = "iot.device"

    previous_config_topic = fields.Char(
        copy=False, readonly=True, help="Where a device that was moved may still read where it belongs now."
    )
    config_version = fields.Integer(
        string="Configuration Version",
        readonly=True,
        copy=False,
        group_operator=False,
        help="Counts the changes of the configuration. It is sent to the device along with it.",
    )
    config_version_ids = fields.One2many(
        "iot.device.config.version", "iot_device_id", string="Configuration History", readonly=True
    )
    reported_config_version = fields.Integer(
        compute="_compute_config_status", help="The version that the device says it works by."
    )
    config_status = fields.Selection(
        [
            ("none", "No Configuration"),
            ("unreported", "Not Reported"),
            ("drift", "Differs"),
            ("up_to_date", "Up to Date"),
        ],
        string="Configuration Status",
        compute="_compute_config_status",
        search="_search_config_status",
    )

    @api.depends("config_json", "config_version")
    def _compute_config_status(self):
        # Read by SQL, as the bridge writes it by SQL. No right is passed over: just the devices in self.
        reported = {}
        if self.ids:
            self.env.cr.execute(
                "SELECT iot_device_id, config_version FROM iot_device_state WHERE iot_device_id IN %s",
                [tuple(self.ids)],
            )
            reported = dict(self.env.cr.fetchall())
        for device in self:
            version = reported.get(device._origin.id)
            device.reported_config_version = version or 0
            if not device.config_json:
                device.config_status = "none"
            elif version is None:
                device.config_status = "unreported"
            else:
                device.config_status = "up_to_date" if version == device.config_version else "drift"

    def _search_config_status(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {value}
        self.flush_model(["config_json", "config_version"])
        self.env.cr.execute(_SELECT_BY_STATUS, [[name for name in wanted if name]])
        ids = [device_id for (device_id,) in self.env.cr.fetchall()]
        return [("id", "not in" if operator in ("!=", "not in") else "in", ids)]

    @api.model
    def _parse_configuration(self, text, owner):
        configuration = super()._parse_configuration(text, owner)
        if VERSION_KEY in configuration:
            raise ValidationError(
                _(
                    "%(key)s is set by the platform: leave it out of the configuration of %(owner)s.",
                    key=VERSION_KEY,
                    owner=owner,
                )
            )
        return configuration

    @api.model_create_multi
    def create(self, vals_list):
        devices = super().create(vals_list)
        devices.filtered("config_json")._record_config_version()
        return devices

    def write(self, vals):
        if "config_json" not in vals:
            return super().write(vals)
        before = {device: device.config_json for device in self}
        result = super().write(vals)
        self.filtered(lambda device: (device.config_json or "") != (before[device] or ""))._record_config_version()
        self._publish_configuration()
        return result

    def _record_config_version(self):
        """Count these configurations as new versions, and keep them."""
        for version, devices in self.grouped("config_version").items():
            devices._in_action().write({"config_version": version + 1})
        # The history is the platform's to write; that the user may change the configuration was checked on the device.
        self.env["iot.device.config.version"].sudo().create(
            [
                {"iot_device_id": device.id, "version": device.config_version, "config_json": device.config_json}
                for device in self
            ]
        )

    def action_send_configuration(self):
        """Send the configuration once more, as it is, to devices that work by another version."""
        for device in self:
            # With the user's own rights, and published: each writing is, though what is the same is no new version.
            device.write({"config_json": device.config_json})
            device._message_log(body=_("Configuration version %s sent again.", device.config_version))
        return True

    def _config_topics(self):
        """{id: configuration topic}"""
        return {device.id: device.config_topic for device in self}

    def _publish_configuration(self):
        """Send the configuration to the devices that may have a user, retained; none clears what is retained."""
        for device in self.filtered(lambda device: device.state not in STATES_WITHOUT_USER and device.uses_mqtt):
            device._publish_retained(device.config_topic, device._wire_configuration() if device.config_json else "")

    def _wire_configuration(self):
        """What the device is sent: its configuration and `config_version`."""
        return {**self._configuration(), VERSION_KEY: self.config_version}

    def _clear_configuration(self):
        for device in self.filtered(lambda device: device.state not in STATES_WITHOUT_USER and device.uses_mqtt):
            for topic in filter(None, (device.config_topic, device.previous_config_topic)):
                # Not on the device's account: the entry has to outlive the device. Superuser: as below.
                self.env["iot.mqtt.service"].sudo().publish(topic, "", qos=2, retain=True)

    def _leave_address(self, config_topics_before):
        """Tell moved devices on their old configuration topic, the only one they know, where they belong now."""
        for device in self:
            if device.previous_config_topic and device.previous_config_topic != device.config_topic:
                device._publish_retained(device.previous_config_topic, "")
            old_topic = config_topics_before[device.id]
            device._in_action().write({"previous_config_topic": old_topic})
            topics = {message_type: device[name] for message_type, name in TOPIC_FIELDS.items()}
            device._publish_retained(old_topic, {"device_id": device.device_id, "topics": topics})
        self._publish_configuration()

    def _publish_retained(self, topic, payload):
        self.ensure_one()
        # Publishing is the platform's alone; that the user may change this device was checked when he wrote it.
        self.env["iot.mqtt.service"].sudo().publish(topic, payload, qos=2, retain=True, device=self)
