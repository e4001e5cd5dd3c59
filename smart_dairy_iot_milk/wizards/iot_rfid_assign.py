"""Asks whose an unknown tag is."""

from odoo import _, api, fields, models


class IotRfidAssign(models.TransientModel):
    _name = "iot.rfid.assign"
    _description = "Assign Unknown Tag"

    unknown_id = fields.Many2one("iot.rfid.unknown", string="Tag", required=True, readonly=True, ondelete="cascade")
    farm_id = fields.Many2one(related="unknown_id.farm_id", related_sudo=False)
    session_count = fields.Integer(related="unknown_id.session_count", related_sudo=False)
    animal_id = fields.Many2one("farm.animal", required=True, domain="[('farm_id', '=', farm_id)]", ondelete="cascade")
    worn_tag = fields.Char(related="animal_id.rfid_numbers", related_sudo=False, string="Tag Worn So Far")
    is_primary = fields.Boolean(
        string="In Place of the Tag Worn So Far",
        compute="_compute_is_primary",
        store=True,
        readonly=False,
        precompute=True,
        help="Not ticked: the animal wears both, such as an ear tag and a bolus.",
    )
    since = fields.Datetime(
        string="Worn Since",
        compute="_compute_since",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="Milkings with this tag since then become the animal's.",
    )

    @api.depends("animal_id")
    def _compute_is_primary(self):
        for wizard in self:
            wizard.is_primary = True

    @api.depends("unknown_id")
    def _compute_since(self):
        for wizard in self:
            wizard.since = wizard.unknown_id.first_seen or fields.Datetime.now()

    def action_assign(self):
        """Put the tag on the animal, and show the milkings that are hers now."""
        self.ensure_one()
        sessions = self.env["iot.rfid.service"].assign_unknown(
            self.unknown_id.id, self.animal_id.id, self.is_primary, self.since
        )
        if not sessions:
            return {"type": "ir.actions.act_window_close"}
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot_milk.milk_session_action")
        return {
            **action,
            "name": _("Milkings of %s", self.animal_id.name),
            "domain": [("id", "in", sessions.ids)],
        }
