"""The life of a device: who may connect, with what, and how that reaches the broker.

provisioning → active ↔ inactive, active ↔ maintenance, any → decommissioned (final). Active devices and those in
maintenance may connect, all others are refused, by the broker and by the bridge. Only the actions change the state;
the broker follows: in the same action, which fails and changes nothing where the broker cannot be told, or, where the
broker takes hashes, right after its commit (see `iot_device_auth`).
"""

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools.misc import split_every

from ..provisioning import BrokerUser, Change, PasswordHash, effect_on_connection
from .iot_device import TOPIC_FIELDS, mqtt_identity

CONNECTABLE_STATES = ("active", "maintenance")
STATES_WITHOUT_USER = ("provisioning", "decommissioned")

ACTIONS_ONLY = {
    "company_id",
    "state",
    "mqtt_username",
    "mqtt_client_id",
    *TOPIC_FIELDS.values(),
}
IDENTITY = {"device_id", "device_type"}
FOLLOWED = IDENTITY | {"state", "active", "farm_id", "uses_mqtt", "auth_method"}
"""Fields whose change concerns the broker or the bridge."""

TRACKED_ONE_BY_ONE = 20
"""Of more devices at a time the chatter gets its lines in one go: Odoo's own tracking takes 3 ms for each."""

IN_ACTION = object()
"""Set in the context by the actions. A context that comes from outside holds JSON, and so never this object."""


class IotDevice(models.Model):
    _inherit = "iot.device"

    uses_mqtt = fields.Boolean(
        string="Connects over MQTT or HTTP",
        default=True,
        help="Such a device has a user name and a password or certificate. Devices that the platform polls itself, such"
        " as Modbus meters, need none.",
    )
    auth_method = fields.Selection(
        [("password", "Password"), ("certificate", "Certificate")],
        string="Identifies Itself By",
        default="password",
        required=True,
        tracking=True,
    )
    mqtt_username = fields.Char(
        string="MQTT Username", compute="_compute_mqtt_identity", store=True, precompute=True, required=True, index=True
    )
    mqtt_client_id = fields.Char(
        string="MQTT Client ID", compute="_compute_mqtt_identity", store=True, precompute=True, required=True
    )
    _sql_constraints = [
        ("mqtt_username_unique", "UNIQUE(mqtt_username)", "Two devices cannot share an MQTT user name."),
        ("mqtt_client_id_unique", "UNIQUE(mqtt_client_id)", "Two devices cannot share an MQTT client ID."),
    ]

    @api.depends("device_type", "device_id")
    def _compute_mqtt_identity(self):
        for device in self:
            device.mqtt_username, device.mqtt_client_id = mqtt_identity(device.device_type, device.device_id)

    # ------------------------------------------------------------------ create, write, unlink

    @api.model_create_multi
    def create(self, vals_list):
        # Defaults are values, too: those in the context, and those that every user may keep for himself (ir.default).
        for vals in [self.default_get(sorted(ACTIONS_ONLY)), *vals_list]:
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
            # What a device identified itself by before is void.
            self.filtered(lambda device: device._identifies_otherwise(vals))._forget_password_hashes()
            result = super().write(vals)
            if "farm_id" in vals:
                self._check_farms_allowed()
            self._follow(users, topics)
        return result

    def unlink(self):
        users = self._broker_users()
        self._clear_configuration()
        result = super().unlink()
        self.env["iot.device.auth"]._tell(_change(user, None) for user in users.values() if user)
        self.env["iot.settings"]._notify_registry()
        return result

    def _leave_broker(self):
        """Take these devices' users from the broker at once, as when the addon, and its outbox, are uninstalled.

        A neutralised copy leaves the original's broker alone.
        """
        users = {} if self.env["iot.settings"]._is_neutralized() else self._broker_users()
        self.flush_model()
        # By SQL: a write would have the broker follow, through the outbox.
        self.env.cr.execute("UPDATE iot_device SET uses_mqtt = false WHERE id IN %s", [tuple(self.ids) or (0,)])
        self.invalidate_model(["uses_mqtt"])
        auth = self.env["iot.device.auth"]
        changes = [_change(user, None) for user in users.values() if user]
        for some in split_every(auth._broker().most_changes or max(len(changes), 1), changes):
            auth._tell(some, at_once=True)

    def _identifies_otherwise(self, vals):
        """Whether writing these values changes by what the device identifies itself."""
        return any(name in vals and vals[name] != self[name] for name in ("auth_method", "uses_mqtt"))

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
                        " Replace the device to give its place to other hardware.",
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
        """Let the devices connect: make their users at the broker and show the passwords, once.

        :returns: the action that shows the credentials, which are nowhere else; for a device that identifies itself by
            a certificate the action that issues one; True where there is nothing to show
        """
        credentials = self._provision()
        if credentials:
            return self._credentials_action(credentials)
        over_mqtt = self.filtered("uses_mqtt")
        if len(over_mqtt) == 1 and not over_mqtt._has_certificate():
            return over_mqtt.action_issue_certificate()
        return True

    def _provision(self):
        """Let the devices connect.

        :returns: what `iot.device.auth` issued to those that identify themselves by a password
        """
        for device in self:
            if not device.farm_id:
                raise UserError(_("%s belongs to no farm yet, and so has no topics: choose its farm.", device.name))
        self._change_state("active", allowed=("provisioning",))
        over_mqtt = self.filtered("uses_mqtt")
        by_password = over_mqtt.filtered(lambda device: device.auth_method == "password")
        credentials = self.env["iot.device.auth"]._issue_passwords(by_password)
        over_mqtt.filtered("config_json")._publish_configuration()
        return credentials

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
        self._in_action().write({"previous_config_topic": False})
        self._forget_password_hashes()
        return True

    def _change_state(self, state, allowed):
        labels = dict(self._fields["state"]._description_selection(self.env))
        for device in self:
            if device.state == state:
                raise UserError(_("%(device)s is %(state)s already.", device=device.name, state=labels[state].lower()))
            if device.state not in allowed:
                raise UserError(
                    _(
                        "%(device)s is %(state)s: it cannot become %(new_state)s.",
                        device=device.name,
                        state=labels[device.state].lower(),
                        new_state=labels[state].lower(),
                    )
                )
        if len(self) <= TRACKED_ONE_BY_ONE:
            return self._in_action().write({"state": state})
        self._message_log_batch(
            bodies={
                device.id: _("Status: %(before)s → %(after)s", before=labels[device.state], after=labels[state])
                for device in self
            }
        )
        return self.with_context(mail_notrack=True)._in_action().write({"state": state})

    def _in_action(self):
        return self.with_context(iot_device_action=IN_ACTION)

    # ------------------------------------------------------------------ the broker follows the register

    def _broker_user(self):
        """The device's user as it has to be at the broker, or None where it has none."""
        self.ensure_one()
        return self._broker_users()[self.id]

    def _broker_users(self):
        """{id: BrokerUser or None}"""
        # The hash is no user's to read; here it is compared with itself, and leaves the server for the broker alone.
        with_user = self.sudo().filtered(lambda device: device._has_broker_user())
        accesses = self.env["iot.acl.manager"]._accesses(with_user)
        users = dict.fromkeys(self.ids)
        for device in with_user:
            by_password = device.auth_method == "password"
            previous = by_password and device.mqtt_previous_hash
            users[device.id] = BrokerUser(
                access=accesses[device.id],
                enabled=device.active and device.state in CONNECTABLE_STATES,
                password=PasswordHash(device.mqtt_password_hash, device.mqtt_password_salt) if by_password else None,
                previous_password=PasswordHash(previous, device.mqtt_previous_salt) if previous else None,
                previous_until=device.previous_password_until if previous else None,
            )
        return users

    def _has_broker_user(self):
        if not self.uses_mqtt or not self.farm_id or self.state in STATES_WITHOUT_USER:
            return False
        return bool(self.mqtt_password_hash) if self.auth_method == "password" else self._has_certificate()

    @api.model
    def _registered_users(self, usernames, with_users=True):
        """{username: (device, BrokerUser or None)} of those that are registered, archived ones too."""
        devices = self.with_context(active_test=False).search([("mqtt_username", "in", list(usernames))])
        users = devices._broker_users() if with_users else {}
        return {device.mqtt_username: (device, users.get(device.id)) for device in devices}

    def _follow(self, users_before, config_topics_before):
        """Carry a change of the register to the broker, to the devices that moved, and to the bridge."""
        users = self._broker_users()
        moved = self.filtered(
            lambda device: (
                users_before[device.id] and users[device.id] and config_topics_before[device.id] != device.config_topic
            )
        )
        moved._leave_address(config_topics_before)
        self._tell_broker(users_before)
        self.env["iot.settings"]._notify_registry()

    def _tell_broker(self, users_before):
        """Tell the broker of every user that is no longer as it was before.

        :param users_before: what `_broker_users` gave before the change
        """
        users = self._broker_users()
        self.env["iot.device.auth"]._tell(
            _change(before, users[device_id])
            for device_id, before in users_before.items()
            if before != users[device_id] and (before or not users[device_id].password)
            # A user with a password is made by issuing it; not in passing.
        )


def _change(before, after):
    access = (before or after).access
    return Change(
        username=access.username,
        client_id=access.client_id,
        before=before,
        after=after,
        effect=effect_on_connection(before, after),
    )
