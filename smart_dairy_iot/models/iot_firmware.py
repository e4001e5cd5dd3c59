"""Firmware: a file with a version, for some types of devices. Once released it stays as it is, byte for byte.

draft → released → withdrawn. Only a draft can be changed or deleted. A roll-out (`iot.firmware.rollout`) brings
released firmware to devices; withdrawn firmware is handed out no more, and its roll-outs are cancelled.
"""

import base64
import hashlib
import re

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""A version is a segment of the download's address, and as long as a device's status may say it."""

SHA256 = re.compile(r"[0-9a-f]{64}")

CONTENT_FIELDS = {"name", "version", "file", "file_name", "device_type_ids", "expected_sha256", "release_notes"}
FACT_FIELDS = {"state", "sha256", "size", "released_at"}
"""What follows from the file, or is changed by the actions."""

IN_ACTION = object()
"""Set in the context by the actions. A context that comes from outside holds JSON, and so never this object."""


class IotFirmware(models.Model):
    _name = "iot.firmware"
    _description = "Firmware"
    _inherit = ["mail.thread"]
    _order = "name, id desc"
    _rec_names_search = ["name", "version"]

    name = fields.Char(required=True, tracking=True)
    version = fields.Char(
        required=True,
        copy=False,
        tracking=True,
        help="As the devices report it in their status once they run it, e.g. 2.4.1.",
    )
    device_type_ids = fields.Many2many("iot.device.type", string="Device Types", required=True)
    file = fields.Binary(attachment=True, copy=False, groups="smart_dairy_farm.group_farm_admin")
    file_name = fields.Char(copy=False)
    expected_sha256 = fields.Char(
        string="Maker's SHA-256",
        copy=False,
        help="The checksum that the maker has published, in hex. The file is refused unless it has it.",
    )
    sha256 = fields.Char(
        string="SHA-256",
        readonly=True,
        copy=False,
        help="Of the file, in hex; devices check what they downloaded by it.",
    )
    size = fields.Integer(string="Size (bytes)", readonly=True, copy=False, group_operator=False)
    release_notes = fields.Text()
    state = fields.Selection(
        [("draft", "Draft"), ("released", "Released"), ("withdrawn", "Withdrawn")],
        string="Status",
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    released_at = fields.Datetime(string="Released", readonly=True, copy=False)
    rollout_ids = fields.One2many("iot.firmware.rollout", "firmware_id", string="Roll-outs")
    rollout_count = fields.Integer(compute="_compute_rollout_count")

    # ------------------------------------------------------------------ constraints

    @api.constrains("version")
    def _check_version(self):
        for firmware in self:
            if not VERSION.fullmatch(firmware.version):
                raise ValidationError(
                    _(
                        "“%s” cannot be a version: use up to 64 letters, digits and . _ + -, a letter or digit first.",
                        firmware.version,
                    )
                )

    @api.constrains("version", "device_type_ids")
    def _check_version_of_type(self):
        """A device reports nothing but the version: for its type, that has to say which firmware it runs."""
        for firmware in self:
            other = self.search(
                [
                    ("id", "!=", firmware.id),
                    ("version", "=", firmware.version),
                    ("device_type_ids", "in", firmware.device_type_ids.ids),
                ],
                limit=1,
            )
            if other:
                raise ValidationError(
                    _(
                        "There is a version %(version)s for this type of device already: %(other)s.",
                        version=firmware.version,
                        other=other.name,
                    )
                )

    @api.constrains("expected_sha256", "sha256")
    def _check_sha256(self):
        for firmware in self.filtered("expected_sha256"):
            expected = firmware.expected_sha256.strip().lower()
            if not SHA256.fullmatch(expected):
                raise ValidationError(_("The maker's SHA-256 must be 64 digits in hex."))
            if firmware.sha256 and firmware.sha256 != expected:
                raise ValidationError(
                    _(
                        "This is not the file that the maker published: its SHA-256 is %(found)s, not %(expected)s.",
                        found=firmware.sha256,
                        expected=expected,
                    )
                )

    # ------------------------------------------------------------------ computed

    @api.depends("name", "version")
    def _compute_display_name(self):
        for firmware in self:
            firmware.display_name = " ".join(filter(None, (firmware.name, firmware.version)))

    @api.depends("rollout_ids")
    def _compute_rollout_count(self):
        for firmware in self:
            firmware.rollout_count = len(firmware.rollout_ids)

    # ------------------------------------------------------------------ create, write, unlink

    @api.model_create_multi
    def create(self, vals_list):
        defaults = {
            key[len("default_") :] for key, value in self.env.context.items() if key[:8] == "default_" and value
        }
        for vals in vals_list:
            named = {name for name, value in vals.items() if value and (name, value) != ("state", "draft")}
            self._check_facts(named | defaults)
        return super().create([self._with_digest(vals) for vals in vals_list])

    def write(self, vals):
        self._check_facts(vals.keys())
        if CONTENT_FIELDS & vals.keys():
            self._check_draft(_("%s has been released, and stays as it is. Make another version instead."))
        return super().write(self._with_digest(vals))

    @api.ondelete(at_uninstall=False)
    def _unlink_only_drafts(self):
        self._check_draft(_("%s has been released and cannot be deleted: devices may run it. Withdraw it instead."))

    def _check_facts(self, names):
        refused = FACT_FIELDS & set(names)
        if refused and not self.env.su and self.env.context.get("iot_firmware_action") is not IN_ACTION:
            raise UserError(_("%s cannot be written.", ", ".join(sorted(refused))))

    def _check_draft(self, message):
        for firmware in self:
            if firmware.state != "draft":
                raise UserError(message % firmware.display_name)

    @api.model
    def _with_digest(self, vals):
        """The values with what follows from the file, if they bring one."""
        if "file" not in vals:
            return vals
        content = base64.b64decode(vals["file"] or b"")
        digest = hashlib.sha256(content).hexdigest() if content else False
        return {**vals, "sha256": digest, "size": len(content)}

    # ------------------------------------------------------------------ actions

    def action_release(self):
        """Make it available for roll-outs, and fix it for good."""
        for firmware in self:
            if firmware.state != "draft":
                raise UserError(_("%s is no draft.", firmware.display_name))
            if not firmware.size or not firmware.device_type_ids:
                raise UserError(_("%s lacks its file or its device types.", firmware.display_name))
            firmware._check_stored_file()
        self._in_action().write({"state": "released", "released_at": fields.Datetime.now()})
        return True

    def action_withdraw(self):
        """Hand it out no more, and cancel its roll-outs. Devices that have it keep it."""
        for firmware in self:
            if firmware.state != "released":
                raise UserError(_("%s is not released.", firmware.display_name))
        self._in_action().write({"state": "withdrawn"})
        # Firmware is for every farm, and its administrator's to stop on every farm, whoever started a roll-out there.
        self.sudo().rollout_ids.filtered(lambda rollout: rollout.state in ("running", "paused"))._stop(
            _("The firmware was withdrawn.")
        )
        return True

    def action_view_rollouts(self):
        """Open its roll-outs."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_firmware_rollout_action")
        return {**action, "domain": [("firmware_id", "=", self.id)], "context": {"default_firmware_id": self.id}}

    def _check_stored_file(self):
        """What is stored is what was uploaded, else every device would refuse what it downloads."""
        content = base64.b64decode(self.with_context(bin_size=False).file or b"")
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UserError(_("The stored file of %s is damaged: upload it again.", self.display_name))

    def _in_action(self):
        return self.with_context(iot_firmware_action=IN_ACTION)

    # ------------------------------------------------------------------ for devices

    def _fits(self, device):
        """Whether it is for devices of this one's type."""
        return device.device_type in self.device_type_ids.mapped("device_type")

    def _stream(self):
        """The file as a `Stream`, read as it is sent, whose entity tag is its SHA-256."""
        self.ensure_one()
        # The file itself is for administrators and for devices that are sent it; the caller has seen to that.
        stream = self.env["ir.binary"].sudo()._get_stream_from(self.sudo(), "file", filename=self.file_name)
        stream.etag = self.sha256
        stream.mimetype = "application/octet-stream"
        stream.public = False
        return stream


class IrAttachment(models.Model):
    _inherit = "ir.attachment"

    @api.model_create_multi
    def create(self, vals_list):
        files = super().create(vals_list)
        files._check_released_firmware()
        return files

    def write(self, vals):
        self._check_released_firmware()
        result = super().write(vals)
        self._check_released_firmware()
        return result

    def unlink(self):
        self._check_released_firmware()
        return super().unlink()

    def _check_released_firmware(self):
        """Who may write firmware may write attachments of it, too; but not round the firmware's own checks."""
        if self.env.su:
            return
        # The attachment is to be protected whether or not its field may be read.
        kept = self.sudo().filtered(lambda file: file.res_model == "iot.firmware" and file.res_field == "file")
        if self.env["iot.firmware"].sudo().browse(kept.mapped("res_id")).filtered(lambda file: file.state != "draft"):
            raise AccessError(_("This is the file of released firmware, and stays as it is."))
