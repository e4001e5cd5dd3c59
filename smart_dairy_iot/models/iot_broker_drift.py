"""Users at the broker that are not as the register says: found by `iot.broker.check`, mended on request.

Mending writes nothing to the broker itself: it asks the provisioning outbox to make the broker follow the register, as
that is then. So a row that is out of date does no harm.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..provisioning.reconciliation import compare

KEPT_DAYS = 90


class IotBrokerDrift(models.Model):
    _name = "iot.broker.drift"
    _description = "Broker Drift"
    _order = "found_at desc, username"
    _rec_name = "username"

    username = fields.Char(string="User Name", required=True, readonly=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, index=True, ondelete="set null")
    kind = fields.Selection(
        [("missing", "Missing"), ("stale", "Differs"), ("foreign", "Foreign")],
        required=True,
        readonly=True,
        index=True,
        help="Missing: the broker does not know a device's user. Differs: it knows it otherwise than the register."
        " Foreign: the register has no such user.",
    )
    details = fields.Text(readonly=True)
    needs_password = fields.Boolean(
        readonly=True,
        help="The broker can make this user only with its plain password, which nobody has but the device.",
    )
    state = fields.Selection(
        [("open", "Open"), ("ignored", "Ignored"), ("mended", "Mended")],
        required=True,
        readonly=True,
        default="open",
        index=True,
    )
    found_at = fields.Datetime(string="Found", required=True, readonly=True)
    last_seen_at = fields.Datetime(string="Last Seen", required=True, readonly=True)
    mended_at = fields.Datetime(string="Gone", readonly=True)
    is_under_way = fields.Boolean(string="Under Way", compute="_compute_under_way")
    broker_error = fields.Char(string="What Happened", compute="_compute_under_way")

    _sql_constraints = [
        (
            "username_once",
            "EXCLUDE USING btree (username WITH =) WHERE (state <> 'mended')",
            "A user that differs is listed once.",
        ),
    ]

    def _compute_under_way(self):
        # The outbox is for administrators, as these rows are, but limited to the companies they have chosen.
        waiting = (
            self.env["iot.provisioning.entry"]
            .sudo()
            .search([("state", "=", "waiting"), ("username", "in", self.mapped("username"))])
        )
        errors = {entry.username: entry.error for entry in waiting}
        for drift in self:
            drift.is_under_way = drift.state == "open" and drift.username in errors
            drift.broker_error = drift.is_under_way and errors[drift.username]

    # ------------------------------------------------------------------ finding

    @api.model
    def _note(self, found, ours, tells_passwords, since):
        """Keep the rows in line with what the broker has.

        :param found: {username: FoundUser}
        :param ours: names of the platform's own users
        :param tells_passwords: whether the broker takes and tells hashes
        :param since: when the broker began to be asked, by the database's clock (naive UTC)
        """
        devices = self.env["iot.device"].with_context(active_test=False).search([])
        users = devices._broker_users()
        expected = {device.mqtt_username: users[device.id] for device in devices if users[device.id]}
        by_username = {device.mqtt_username: device for device in devices}
        under_way = self._under_way(since)
        rows = {row.username: row for row in self.search([("state", "!=", "mended")])}
        seen, new = self.browse(), []
        for drift in compare(expected, found, ours, tells_passwords):
            if drift.username in under_way:
                continue
            values = self._values(drift, by_username.get(drift.username), expected, tells_passwords)
            row = rows.pop(drift.username, None)
            if row is None:
                new.append(values)
            else:
                row._renew(values)
                seen += row
        now = fields.Datetime.now()
        seen.write({"last_seen_at": now})
        self.create([{**values, "found_at": now, "last_seen_at": now} for values in new])
        gone = self.union(*(row for username, row in rows.items() if username not in under_way))
        gone.write({"state": "mended", "mended_at": now})

    @api.model
    def _under_way(self, since):
        """Names of users of whom the broker is yet to be told, or was told while it was being asked."""
        entries = self.env["iot.provisioning.entry"]
        entries.flush_model()
        # By SQL for the microseconds: an entry that was applied just before the broker was asked is through.
        self.env.cr.execute(
            "SELECT DISTINCT username FROM iot_provisioning_entry WHERE state = 'waiting' OR write_date >= %s", [since]
        )
        return {username for (username,) in self.env.cr.fetchall()}

    @api.model
    def _values(self, drift, device, expected, tells_passwords):
        wanted = expected.get(drift.username)
        needs_password = drift.kind == "missing" and not tells_passwords and bool(wanted.password)
        details = list(drift.details)
        if drift.kind == "missing":
            details.append(_("The broker does not know it: the device cannot connect."))
        if needs_password:
            details.append(
                _("The broker makes it with its plain password only, which is kept nowhere: issue a new one.")
            )
        if drift.kind == "foreign" and device:
            details.append(_("%s is registered, and has no user at the broker as it is now.", device.display_name))
        return {
            "username": drift.username,
            "iot_device_id": device.id if device else False,
            "kind": drift.kind,
            "details": "\n".join(details),
            "needs_password": needs_password,
        }

    def _renew(self, values):
        known = {**{name: self[name] for name in values}, "iot_device_id": self.iot_device_id.id}
        changed = {name: value for name, value in values.items() if known[name] != value}
        if "kind" in changed:
            # It was ignored as something else.
            changed["state"] = "open"
        if changed:
            self.write(changed)

    @api.autovacuum
    def _gc_mended(self):
        limit = fields.Datetime.now() - timedelta(days=KEPT_DAYS)
        self.search([("state", "=", "mended"), ("mended_at", "<", limit)]).unlink()

    # ------------------------------------------------------------------ acting

    def action_check_now(self):
        """Compare the broker with the register now, whatever is selected."""
        return self.env["iot.broker.check"].action_check_now()

    def action_mend(self):
        """Make the broker follow the register for these users.

        Foreign ones and those that want a new password are left out, and stay listed; alone, they are refused.
        """
        self._check_open()
        mendable = self.filtered(lambda drift: drift.kind != "foreign" and not drift.needs_password)
        for drift in self if not mendable else ():
            if drift.kind == "foreign":
                raise UserError(_("%s belongs to no device: remove it from the broker, or ignore it.", drift.username))
            if drift.needs_password:
                raise UserError(
                    _(
                        "%s cannot be made again without a password, and nobody has the old one: issue a new one with"
                        " “New Password”, and give it to the device.",
                        drift.username,
                    )
                )
        return mendable._follow_register()

    def action_remove(self):
        """Remove foreign users from the broker."""
        self._check_foreign()
        return self._follow_register()

    def action_ignore(self):
        """Leave foreign users at the broker, and say no more about them."""
        self._check_foreign()
        return self._set_state("ignored")

    def action_watch(self):
        """Show ignored users again."""
        return self.filtered(lambda drift: drift.state == "ignored")._set_state("open")

    def action_new_password(self):
        """Issue a new password, with which the broker gets its user."""
        self.ensure_one()
        self._check_open()
        self.env["iot.broker.check"]._check_after_commit()
        return self.iot_device_id.action_replace_password()

    def _follow_register(self):
        self.env["iot.provisioning.entry"]._request(self.mapped("username"))
        self.env["iot.broker.check"]._check_after_commit()
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _set_state(self, state):
        # The rows are the platform's and nobody's to write, or a name written into one could be any user's; who may
        # read them may set them aside.
        self.sudo().write({"state": state})
        return {"type": "ir.actions.client", "tag": "soft_reload"}

    def _check_open(self):
        if any(drift.state == "mended" for drift in self):
            raise UserError(_("What is mended needs nothing more."))

    def _check_foreign(self):
        self._check_open()
        if any(drift.kind != "foreign" for drift in self):
            raise UserError(_("These include users of registered devices: mend them instead."))
