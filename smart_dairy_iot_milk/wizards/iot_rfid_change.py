"""Asks what became of an animal's tag: replaced by another one, or taken off for good."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError


class IotRfidChange(models.TransientModel):
    _name = "iot.rfid.change"
    _description = "Change Tag"

    animal_id = fields.Many2one("farm.animal", required=True, readonly=True, ondelete="cascade")
    worn_id = fields.Many2one(
        "farm.animal.rfid",
        string="Tag Worn So Far",
        compute="_compute_worn_id",
        store=True,
        readonly=False,
        precompute=True,
        domain="[('animal_id', '=', animal_id), ('date_to', '=', False)]",
        ondelete="cascade",
    )
    rfid_tag = fields.Char(string="New Tag", help="As printed or read, in any form. Empty: the tag only comes off.")
    reason = fields.Selection(
        selection=lambda self: self.env["farm.animal.rfid"]._fields["removal_reason"].selection,
        string="Why It Came Off",
        default="lost",
    )
    at = fields.Datetime(string="Since", required=True, default=fields.Datetime.now)

    @api.depends("animal_id")
    def _compute_worn_id(self):
        for wizard in self:
            wizard.worn_id = wizard.animal_id.rfid_ids._current_primary()

    def action_apply(self):
        """Take the tag off and put the new one on."""
        self.ensure_one()
        service = self.env["iot.rfid.service"]
        reason = self.reason or ""
        if self.rfid_tag and (not self.worn_id or self.worn_id.is_primary):
            service.replace_rfid(self.animal_id.id, self.rfid_tag, reason, self.at)
            return {"type": "ir.actions.act_window_close"}
        if not self.worn_id:
            raise UserError(_("Animal %s wears no tag: enter the new one.", self.animal_id.name))
        service.retire_rfid(self.worn_id.rfid_tag, reason, self.at)
        if self.rfid_tag:
            service.register_new_rfid(self.rfid_tag, self.animal_id.id, is_primary=False, at=self.at)
        return {"type": "ir.actions.act_window_close"}
