"""Corrects a copy of what a device sent, and replays it. What the device sent stays as it was."""

from odoo import api, fields, models


class IotDeadLetterCorrectionWizard(models.TransientModel):
    _name = "iot.dead.letter.correction.wizard"
    _description = "Correct and Replay a Dead Letter"

    dead_letter_id = fields.Many2one("iot.dead.letter", required=True, readonly=True, ondelete="cascade")
    # Of the letter a user sees what he may read of it, and nothing by way of a window on somebody else's.
    topic = fields.Char(related="dead_letter_id.topic", related_sudo=False)
    detail = fields.Text(string="Refused Because", related="dead_letter_id.detail", related_sudo=False)
    payload_text = fields.Text(string="As Received", related="dead_letter_id.payload_text", related_sudo=False)
    corrected_payload = fields.Text(
        compute="_compute_corrected_payload",
        compute_sudo=False,
        store=True,
        precompute=True,
        readonly=False,
        required=True,
    )
    complaint = fields.Text(string="Still Wrong", compute="_compute_complaint")

    @api.depends("dead_letter_id")
    def _compute_corrected_payload(self):
        for wizard in self:
            letter = wizard.dead_letter_id
            wizard.corrected_payload = letter.corrected_payload or letter.payload_text

    @api.depends("corrected_payload")
    def _compute_complaint(self):
        for wizard in self:
            wizard.complaint = wizard.dead_letter_id._complaint(wizard.corrected_payload or "")

    def action_replay(self):
        """Replay the corrected copy."""
        self.ensure_one()
        self.dead_letter_id._replay_corrected(self.corrected_payload)
        return {"type": "ir.actions.act_window_close"}
