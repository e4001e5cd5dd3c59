"""The life of a device: who may connect, with what, and how that reaches the broker.

provisioning → active ↔ inactive, active ↔ maintenance, any → decommissioned (final). Active devices and those in
maintenance may connect, all others are refused, by the broker and by the bridge. Only the actions change the state;
the broker follows in the same action, and where it cannot be told the action fails and changes nothing.
"""

import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from .iot_device import TOPIC_FIELDS
from .iot_device_auth import BrokerUser

CONNECTABLE_STATES = ("active", "maintenance")
STATES_WITHOUT_USER = ("provisioning", "decommissioned")

ACTIONS_ONLY = {
    "state",
    "mqtt_username",
    "mqtt_client_id",
    "mqtt_password_hash",
    "mqtt_password_salt",
    "password_issued_at",
    "previous_config_topic",
    *TOPIC_FIELDS.values(),
}
IDENTITY = {"device_id", "device_type"}
FOLLOWED = IDENTITY | {"state", "active", "farm_id", "uses_mqtt"}
"""Fields whose change concerns the broker or the bridge."""

IN_ACTION = object()
"""Set in the context by the actions. A context that comes from outside holds JSON, and so never this object."""


class IotDevice(models.Model):
    _inherit = "iot.device"

    uses_mqtt = fields.Boolean(
        string="Connects over MQTT",
        default=True,
        help="Devices that the platform polls itself, such as Modbus meters, need no user at the broker.",
    )
    mqtt_username = fields.Char(
        string="MQTT Username", compute="_compute_mqtt_identity", store=True, precompute=True, required=True, index=True
    )
    mqtt_client_id = fields.Char(
        string="MQTT Client ID", compute="_compute_mqtt_identity", store=True, precompute=True, required=True
    )
    mqtt_password_hash = fields.Char(
        string="MQTT Password (Hashed)",
        copy=False,
        readonly=True,
        groups="smart_dairy_farm.group_farm_admin",
        help="SHA-256 of salt and password, in hex.",
    )
    mqtt_password_salt = fields.Char(copy=False, readonly=True, groups="smart_dairy_farm.group_farm_admin")
    password_issued_at = fields.Datetime(string="Password Issued", copy=False, readonly=True)
    previous_config_topic = fields.Char(
        copy=False, readonly=True, help="Where a device that was moved may still read where it belongs now."
    )

    _sql_constraints = [
        ("mqtt_username_unique", "UNIQUE(mqtt_username)", "Two devices cannot share an MQTT user name."),
        ("mqtt_client_id_unique", "UNIQUE(mqtt_client_id)", "Two devices cannot share an MQTT client ID."),
    ]

    @api.depends("device_type", "device_id")
    def _compute_mqtt_identity(self):
        for device in self:
            device.mqtt_username = f"{(device.device_type or '')[:2].upper()}_{device.device_id}"
            device.mqtt_client_id = f"sd_{device.device_id}"

    # ------------------------------------------------------------------ create, write, unlink

    @api.model_create_multi
    def create(self, vals_list):
        defaults = {key[len("default_") :]: value for key, value in self.env.context.items() if key[:8] == "default_"}
        for vals in [defaults, *vals_list]:
            self._check_actions_only({name for name, value in vals.items() if value and value != "provisioning"})
        devices = super().create(vals_list)
        self.env["iot.settings"]._notify_registry()
        return devices

    def write(self, vals):
        self._check_actions_only(vals.keys())
        self._check_identity(vals)
        if not FOLLOWED & vals.keys():
            result = super().write(vals)
        else:
            users, topics = self._broker_users(), self._config_topics()
            result = super().write(vals)
            if "farm_id" in vals:
                self._check_farms_allowed()
            self._follow(users, topics)
        if "config_json" in vals:
            self._publish_configuration()
        return result

    def unlink(self):
        users = self._broker_users()
        self._clear_configuration()
        result = super().unlink()
        self._remove_users(users)
        self.env["iot.settings"]._notify_registry()
        return result

    @api.model
    def _remove_users(self, users):
        """Remove the users `_broker_users` gave, for devices that are no longer to have one."""
        users = [user for user in users.values() if user]
        if users:
            with self.env["iot.device.auth"]._changing() as change:
                for user in users:
                    change.follow(user, None)

    def _forget_passwords(self):
        """Leave these devices without a user at the broker, as when the addon is uninstalled."""
        users = self._broker_users()
        # Hash and salt are nobody's to write; only the uninstallation, which an administrator does, comes by here.
        self.sudo().write({"mqtt_password_hash": False, "mqtt_password_salt": False})
        self._remove_users(users)

    @api.model
    def _check_actions_only(self, names):
        if self.env.su or self.env.context.get("iot_device_action") is IN_ACTION:
            return
        refused = ACTIONS_ONLY & set(names)
        if refused:
            raise UserError(
                _("%s cannot be written: the device's own actions change them.", ", ".join(sorted(refused)))
            )

    def _check_identity(self, vals):
        for device in self.filtered(lambda device: device.state != "provisioning"):
            if any(name in vals and vals[name] != device[name] for name in IDENTITY):
                raise UserError(
                    _(
                        "%s has been provisioned: its ID and type are its identity and stay as they are."
                        " Decommission it and register the device anew.",
                        device.name,
                    )
                )

    def _check_farms_allowed(self):
        """Rules are checked on the record as it was: nobody may move a device to a farm that he does not see."""
        farms = self.env["farm.location"].with_context(active_test=False)
        if farms.search_count([("id", "in", self.farm_id.ids)]) < len(self.farm_id):
            raise AccessError(_("You may not move a device to this farm."))

    # ------------------------------------------------------------------ actions

    def action_provision(self):
        """Let the device connect: make its user at the broker and show the password, once.

        :returns: the action that opens the credentials, whose context holds them; True for a device without MQTT
        """
        self.ensure_one()
        self._change_state("active", allowed=("provisioning",))
        if not self.uses_mqtt:
            return True
        credentials = self.env["iot.device.auth"].create_mqtt_user(self)
        if self.config_json:
            self._publish_configuration()
        return self._credentials_action(credentials["password"])

    def action_rotate_password(self):
        """Issue a new password. The old one is refused from now on."""
        self.ensure_one()
        if self.state not in CONNECTABLE_STATES or not self.active or not self.uses_mqtt:
            raise UserError(_("Only a device that may connect over MQTT gets a new password."))
        return self._credentials_action(self.env["iot.device.auth"].rotate_password(self))

    def action_deactivate(self):
        """Refuse the device and disconnect it at once."""
        return self._change_state("inactive", allowed=("active",))

    def action_set_maintenance(self):
        """Let the device connect, but mark its readings and raise no alerts."""
        return self._change_state("maintenance", allowed=("active",))

    def action_reactivate(self):
        """Let the device connect again, with the password it has."""
        return self._change_state("active", allowed=("inactive", "maintenance"))

    def action_decommission(self):
        """Remove the device from the broker, for good, and disconnect it at once."""
        states = [state for state, _label in self._fields["state"].selection if state != "decommissioned"]
        self._clear_configuration()
        self._change_state("decommissioned", allowed=states)
        self._in_action().write({"password_issued_at": False, "previous_config_topic": False})
        # Nobody but administrators has rights to the hash; whoever may decommission makes it useless.
        return self.sudo().write({"mqtt_password_hash": False, "mqtt_password_salt": False})

    def _change_state(self, state, allowed):
        labels = dict(self._fields["state"]._description_selection(self.env))
        for device in self:
            if device.state not in allowed:
                raise UserError(
                    _(
                        "%(device)s is %(state)s: it cannot become %(new_state)s.",
                        device=device.name,
                        state=labels[device.state].lower(),
                        new_state=labels[state].lower(),
                    )
                )
        return self._in_action().write({"state": state})

    def _in_action(self):
        return self.with_context(iot_device_action=IN_ACTION)

    def _store_password(self, password):
        salt = secrets.token_hex(16)
        # With the user's own rights: who may not write the device may not issue its password.
        self._in_action().write({"password_issued_at": fields.Datetime.now()})
        # Hash and salt are for administrators to read; everybody who may provision makes new ones.
        self.sudo().write(
            {
                "mqtt_password_hash": self.env["iot.device.auth"]._hash_password(password, salt),
                "mqtt_password_salt": salt,
            }
        )

    def _credentials_action(self, password):
        return {
            "type": "ir.actions.act_window",
            "name": _("Device Credentials"),
            "res_model": "iot.device.credentials.wizard",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {
                "default_iot_device_id": self.id,
                "default_mqtt_username": self.mqtt_username,
                "default_mqtt_client_id": self.mqtt_client_id,
                "default_mqtt_password": password,
            },
        }

    # ------------------------------------------------------------------ the broker follows the register

    def _broker_user(self):
        """The device's user as it has to be at the broker, or None where it has none."""
        self.ensure_one()
        return self._broker_users()[self.id]

    def _broker_users(self):
        """{id: BrokerUser or None}"""
        manager = self.env["iot.acl.manager"]
        users = {}
        # The hash is no user's to read; here it is compared with itself, and leaves the server in no form.
        for device in self.sudo():
            users[device.id] = None
            if device.uses_mqtt and device.mqtt_password_hash and device.state not in STATES_WITHOUT_USER:
                users[device.id] = BrokerUser(
                    access=manager._access(device),
                    enabled=device.active and device.state in CONNECTABLE_STATES,
                    password_hash=device.mqtt_password_hash,
                )
        return users

    def _follow(self, users_before, config_topics_before):
        """Carry a change of the register to the broker, to the devices that moved, and to the bridge."""
        moved = self.filtered(lambda device: users_before[device.id] and device._broker_user()).filtered(
            lambda device: config_topics_before[device.id] != device.config_topic
        )
        moved._leave_address(config_topics_before)
        self._tell_broker(users_before)
        self.env["iot.settings"]._notify_registry()

    def _tell_broker(self, users_before):
        """Tell the broker of every user that is no longer as it was before; those who must be refused come first."""
        users = self._broker_users()
        changes = [
            (before, users[device_id])
            for device_id, before in users_before.items()
            # A device gets its user by being provisioned, which makes one with a password; not in passing.
            if before and before != users[device_id]
        ]
        if changes:
            changes.sort(key=lambda change: bool(change[1] and change[1].enabled))
            with self.env["iot.device.auth"]._changing() as change:
                for before, after in changes:
                    change.follow(before, after)

    def _note_lost_password(self):
        self.message_post(
            body=_(
                "An action that issued a new password was undone after the broker had taken it. The device's old"
                " password may be refused, and nobody has the new one: issue another password."
            )
        )

    # ------------------------------------------------------------------ configuration

    def _config_topics(self):
        """{id: configuration topic}"""
        return {device.id: device.config_topic for device in self}

    def _publish_configuration(self):
        """Send the configuration to the devices that may have a user, retained; none clears what is retained."""
        for device in self.filtered(lambda device: device.state not in STATES_WITHOUT_USER and device.uses_mqtt):
            device._publish_retained(device.config_topic, device._configuration() if device.config_json else "")

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
