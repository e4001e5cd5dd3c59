"""Try a payload against a version of a topic's schema, in force or not, without publishing anything."""

from odoo import api, fields, models


class IotTopicSchemaTrial(models.TransientModel):
    _name = "iot.topic.schema.trial"
    _description = "Try a Payload"

    schema_id = fields.Many2one("iot.topic.schema", required=True, ondelete="cascade")
    payload = fields.Text(help="What a device would publish.")
    accepted = fields.Boolean(compute="_compute_complaint")
    complaint = fields.Text(
        string="What Is Wrong", compute="_compute_complaint", help="One thing a line, with its place"
    )

    @api.depends("schema_id", "payload")
    def _compute_complaint(self):
        for trial in self:
            complaint = trial.schema_id._complaint(trial.payload or "") if trial.schema_id else ""
            trial.complaint = complaint.replace("; ", "\n")
            trial.accepted = bool(trial.schema_id) and not complaint
