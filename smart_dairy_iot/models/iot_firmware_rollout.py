"""Firmware is brought to devices in waves, and no further than it does well.

A roll-out is planned when it is started: its devices are chosen and dealt out to the waves, those that cannot take part
are skipped with the reason. From then on the database alone knows how far it is. `_step` looks at it and does what is
next; it may be called at any time, by anybody, as often as one likes, and whatever is killed in the middle is taken up
by the next call. `reactors/rollouts.py` calls it every few seconds.

A wave is sent when the one before has ended: when each of its devices runs the new version, or has failed. The
roll-out pauses by itself as soon as `failure_limit` of any `failure_window` devices that ended one after the other have
failed. Who resumes it takes the failures so far for settled: they count no more.
"""

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from .iot_firmware import IN_ACTION
from .iot_firmware_rollout_line import ENDED, UNDER_WAY

PLAN_FIELDS = {"firmware_id", "farm_id", "group_ids", "tag_ids", "device_ids", "allow_downgrade", "wave_ids"}
FACT_FIELDS = {"state", "started_at", "finished_at", "pause_reason", "line_ids"}


class IotFirmwareRollout(models.Model):
    _name = "iot.firmware.rollout"
    _description = "Firmware Roll-out"
    _inherit = ["iot.farm.shared.mixin", "iot.firmware.progress.mixin", "mail.thread"]
    _order = "id desc"
    _line_field = "rollout_id"

    name = fields.Char(compute="_compute_name", store=True, readonly=False, required=True, precompute=True)
    firmware_id = fields.Many2one(
        "iot.firmware",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('state', '=', 'released')]",
        tracking=True,
    )
    farm_id = fields.Many2one(help="Only devices of this farm. Empty: of every farm.")
    group_ids = fields.Many2many(
        "iot.device.group", string="Groups", domain="['|', ('farm_id', '=', False), ('farm_id', '=?', farm_id)]"
    )
    tag_ids = fields.Many2many("iot.device.tag", string="Tags")
    device_ids = fields.Many2many("iot.device", string="Further Devices", domain="[('farm_id', '=?', farm_id)]")
    target_count = fields.Integer(
        compute="_compute_target_count",
        help="Devices of the firmware's types that are in one of the groups, have one of the tags, or are named here.",
    )
    allow_downgrade = fields.Boolean(
        string="Replace Newer Versions",
        help="To go back to an older version: otherwise devices that report a newer one than this are skipped.",
    )
    wave_ids = fields.One2many(
        "iot.firmware.rollout.wave",
        "rollout_id",
        string="Waves",
        copy=True,
        help="One after the other. Devices that no wave has room for are a last wave of their own.",
    )
    line_ids = fields.One2many("iot.firmware.rollout.line", "rollout_id", string="Progress of Devices", readonly=True)

    failure_limit = fields.Integer(
        default=3, required=True, tracking=True, help="Pause when so many devices have failed; 0: never."
    )
    failure_window = fields.Integer(
        default=10,
        required=True,
        tracking=True,
        help="… of any so many that ended one after the other; 0: of all of them.",
    )
    install_hours = fields.Integer(
        string="Hours to Install",
        default=24,
        required=True,
        help="A device that has been sent the command and does not run the version by then has failed.",
    )

    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("running", "Running"),
            ("paused", "Paused"),
            ("done", "Done"),
            ("cancelled", "Cancelled"),
        ],
        string="Status",
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    pause_reason = fields.Char(string="Paused Because", readonly=True, copy=False)
    started_at = fields.Datetime(string="Started", readonly=True, copy=False)
    finished_at = fields.Datetime(string="Ended", readonly=True, copy=False)

    _sql_constraints = [
        (
            "limits_sensible",
            "CHECK(failure_limit >= 0 AND failure_window >= 0"
            " AND (failure_window = 0 OR failure_limit <= failure_window))",
            "Of so many devices in a row no more than all can fail: lower the failures, or raise the devices.",
        ),
        (
            "install_hours_sensible",
            "CHECK(install_hours BETWEEN 1 AND 8784)",
            "Devices have 1 to 8784 hours to install.",
        ),
    ]

    # ------------------------------------------------------------------ constraints

    @api.constrains("farm_id", "group_ids", "device_ids")
    def _check_targets_of_farm(self):
        for rollout in self.filtered("farm_id"):
            # Whether a group or a device belongs elsewhere does not depend on who asks.
            for target in [*rollout.sudo().group_ids.filtered("farm_id"), *rollout.sudo().device_ids]:
                if target.farm_id != rollout.farm_id:
                    raise ValidationError(
                        _(
                            "%(target)s does not belong to the farm %(farm)s of this roll-out.",
                            target=target.name,
                            farm=rollout.farm_id.name,
                        )
                    )

    # ------------------------------------------------------------------ computed

    @api.depends("firmware_id")
    def _compute_name(self):
        for rollout in self:
            rollout.name = rollout.name or rollout.firmware_id.display_name

    @api.depends("firmware_id", "farm_id", "group_ids", "tag_ids", "device_ids", "state")
    def _compute_target_count(self):
        for rollout in self:
            rollout.target_count = self.env["iot.device"].search_count(rollout._target_domain())

    # ------------------------------------------------------------------ create, write, unlink

    @api.model_create_multi
    def create(self, vals_list):
        defaults = {
            key[len("default_") :] for key, value in self.env.context.items() if key[:8] == "default_" and value
        }
        for vals in vals_list:
            named = {name for name, value in vals.items() if value and (name, value) != ("state", "draft")}
            self._check_facts(named | defaults)
        return super().create(vals_list)

    def write(self, vals):
        self._check_facts(vals.keys())
        if PLAN_FIELDS & vals.keys() and self.filtered(lambda rollout: rollout.state != "draft"):
            raise UserError(_("The plan of a roll-out stays as it is once it has been started."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_only_at_rest(self):
        if self.filtered(lambda rollout: rollout.state in ("running", "paused")) or self.sudo().line_ids.filtered(
            lambda line: line.state in UNDER_WAY
        ):
            raise UserError(_("Cancel the roll-out first, and let the devices that are installing come to an end."))

    def _check_facts(self, names):
        refused = FACT_FIELDS & set(names)
        if refused and not self.env.su and self.env.context.get("iot_firmware_action") is not IN_ACTION:
            raise UserError(_("%s cannot be written.", ", ".join(sorted(refused))))

    # ------------------------------------------------------------------ actions

    def action_start(self):
        """Choose the devices, deal them out to the waves, and begin."""
        self._check_state(("draft",))
        for rollout in self:
            rollout.firmware_id._check_may_roll_out()
            # With the user's own rights, which also decide which devices it is for.
            rollout._in_action().write({"state": "running", "started_at": fields.Datetime.now()})
            rollout._plan()
        return True

    def action_pause(self):
        """Send nothing more for now. Devices that are installing go on."""
        self._check_state(("running",))
        return self._in_action().write({"state": "paused", "pause_reason": _("Paused by %s.", self.env.user.name)})

    def action_resume(self):
        """Go on; the failures so far are taken for settled."""
        self._check_state(("paused",))
        self._in_action().write({"state": "running", "pause_reason": False})
        # Nobody writes lines himself; that he may write the roll-out has been checked just now.
        self.sudo().line_ids.filtered(lambda line: line.state in ENDED).write({"settled": True})
        return True

    def action_retry_failed(self):
        """Try the devices that failed again, each in its own wave, before going on with the next."""
        self._check_state(("running", "paused", "done"))
        for rollout in self:
            rollout.firmware_id._check_may_roll_out()
            # With the user's own rights, who may thus write it; lines and waves nobody writes himself.
            rollout._in_action().write({"state": "running", "pause_reason": False, "finished_at": False})
            rollout.sudo()._retry_failed(fields.Datetime.now())
        return True

    def action_cancel(self):
        """Send nothing more for good, and take the command back from devices that have not begun.

        Devices that are installing go on, and are followed to their end.
        """
        self._check_state(("draft", "running", "paused"))
        return self._stop(_("The roll-out was cancelled."))

    def action_view_lines(self):
        """Open the devices with their progress."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_firmware_rollout_line_action")
        return {**action, "name": self.name, "domain": [("rollout_id", "=", self.id)]}

    def _stop(self, reason):
        self._in_action().write({"state": "cancelled", "finished_at": fields.Datetime.now(), "pause_reason": False})
        # As in action_resume.
        for line in self.sudo().line_ids.filtered(lambda line: line.state == "waiting"):
            line._end("skipped", reason)
        self.sudo().line_ids._call_back(reason)
        return True

    def _check_state(self, allowed):
        labels = dict(self._fields["state"]._description_selection(self.env))
        for rollout in self:
            if rollout.state not in allowed:
                raise UserError(
                    _("%(rollout)s is %(state)s.", rollout=rollout.name, state=labels[rollout.state].lower())
                )

    def _in_action(self):
        return self.with_context(iot_firmware_action=IN_ACTION)

    # ------------------------------------------------------------------ the plan

    def _target_domain(self):
        return [
            ("device_type", "in", self.firmware_id.device_type_ids.mapped("device_type")),
            *([("farm_id", "=", self.farm_id.id)] if self.farm_id else []),
            "|",
            "|",
            ("group_ids", "in", self.group_ids.ids),
            ("tag_ids", "in", self.tag_ids.ids),
            ("id", "in", self.device_ids.ids),
        ]

    def _plan(self):
        """Make the lines: first those that can be told something by, devices that are online."""
        self.ensure_one()
        devices = self.env["iot.device"].search(self._target_domain(), order="id")
        if not devices:
            raise UserError(_("No device of the firmware's types is in the groups, has the tags, or is named."))
        # Lines and waves are the platform's to write; the devices were found with the user's rights.
        lines = self.sudo().line_ids.create(
            [
                {
                    "rollout_id": self.id,
                    "iot_device_id": device.id,
                    "previous_version": device.reported_firmware_version,
                }
                for device in devices.sorted(lambda device: not device.is_online)
            ]
        )
        self.sudo()._deal_out(lines._skip_hindered(("waiting", *UNDER_WAY)))

    def _deal_out(self, lines):
        """Give each of the lines a wave, in the order of both."""
        left, waves = lines, self.wave_ids.sorted("sequence")
        for wave in waves:
            number = min(wave._number_of(len(lines)), len(left))
            left[:number].write({"wave_id": wave.id})
            left = left[number:]
        if left:
            last = max(waves.mapped("sequence"), default=0) + 1
            rest = waves.create({"rollout_id": self.id, "sequence": last, "size": len(left), "unit": "devices"})
            left.write({"wave_id": rest.id})
        waves.filtered(lambda wave: not wave.line_ids).unlink()

    def _retry_failed(self, now):
        failed = self.line_ids.filtered(lambda line: line.state == "failed")
        if not failed:
            raise UserError(_("No device of %s has failed.", self.name))
        failed.wave_id.write({"finished_at": False})
        failed._follow_devices(now)
        again = failed.filtered(lambda line: line.state == "failed")
        again._try_again()
        self.message_post(body=_("Devices that failed and are tried again: %s.", len(again)))
