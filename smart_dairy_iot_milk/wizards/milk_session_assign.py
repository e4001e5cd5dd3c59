"""Asks whose milkings are that no tag told."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError


class MilkSessionAssign(models.TransientModel):
    _name = "milk.session.assign"
    _description = "Assign Animal to Milkings"

    session_ids = fields.Many2many("milk.session", string="Milkings", required=True)
    farm_id = fields.Many2one("farm.location", compute="_compute_farm_id", compute_sudo=False)
    proposed_animal_id = fields.Many2one(
        "farm.animal", string="Likely Animal", compute="_compute_proposal", compute_sudo=False
    )
    proposal_reason = fields.Char(string="Why", compute="_compute_proposal", compute_sudo=False)
    animal_id = fields.Many2one("farm.animal", required=True, domain="[('farm_id', '=', farm_id)]", ondelete="cascade")

    @api.depends("session_ids")
    def _compute_farm_id(self):
        for wizard in self:
            wizard.farm_id = wizard.session_ids.farm_id[:1]

    @api.depends("session_ids")
    def _compute_proposal(self):
        for wizard in self:
            session = wizard.session_ids if len(wizard.session_ids) == 1 else wizard.session_ids.browse()
            wizard.proposed_animal_id = session.proposed_animal_id
            wizard.proposal_reason = session.proposal_reason

    def action_assign(self):
        """These milkings are of that animal."""
        self.ensure_one()
        if len(self.session_ids.farm_id) > 1:
            raise UserError(_("These milkings are of different farms: no animal was milked on both."))
        self.session_ids.write({"animal_id": self.animal_id.id})
        return {"type": "ir.actions.act_window_close"}
