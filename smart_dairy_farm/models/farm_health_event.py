"""Health events: what happened to an animal or was done to it, by people or found by devices."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError


class FarmHealthEvent(models.Model):
    """Something about the health or reproduction of one animal."""

    _name = "farm.health.event"
    _description = "Health Event"
    _inherit = ["mail.thread", "farm.owned.mixin"]
    _order = "date desc, id desc"

    animal_id = fields.Many2one("farm.animal", required=True, index=True, tracking=True, ondelete="restrict")
    farm_id = fields.Many2one(
        "farm.location",
        compute="_compute_farm_id",
        store=True,
        precompute=True,
        required=True,
        index=True,
        ondelete="restrict",
        help="The farm on which it happened: it stays when the animal moves.",
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    event_type = fields.Selection(
        [
            ("mastitis_indicator", "Mastitis Indicator"),
            ("mastitis", "Mastitis"),
            ("lameness", "Lameness"),
            ("calving", "Calving"),
            ("heat", "Heat"),
            ("insemination", "Insemination"),
            ("pregnancy_check", "Pregnancy Check"),
            ("treatment", "Treatment"),
            ("vaccination", "Vaccination"),
            ("dry_off", "Drying Off"),
            ("hoof_trimming", "Hoof Trimming"),
            ("other", "Other"),
        ],
        required=True,
        index=True,
        tracking=True,
    )
    date = fields.Date(
        required=True, index=True, default=fields.Date.context_today, tracking=True, help="By the farm's calendar."
    )
    description = fields.Text()
    source = fields.Selection(
        [("manual", "Entered by Hand"), ("iot_milk_meter", "Milk Meter"), ("import", "Import")],
        required=True,
        default="manual",
        index=True,
    )
    source_reference = fields.Char(copy=False, help="What found it, such as the identity of a device.")
    state = fields.Selection(
        [("open", "Open"), ("done", "Done")], required=True, default="open", index=True, copy=False, tracking=True
    )
    withdrawal_until = fields.Date(tracking=True, help="The last day on which the animal's milk may not be delivered.")

    @api.constrains("date", "withdrawal_until")
    def _check_withdrawal(self):
        for event in self:
            if event.withdrawal_until and event.withdrawal_until < event.date:
                raise ValidationError(_("A withdrawal period cannot end before the event it follows from."))

    # Not of animal_id.farm_id: where it happened does not change when the animal moves.
    @api.depends("animal_id")
    def _compute_farm_id(self):
        for event in self:
            event.farm_id = event.animal_id.farm_id

    @api.depends("animal_id.name", "event_type")
    def _compute_display_name(self):
        labels = dict(self._fields["event_type"]._description_selection(self.env))
        for event in self:
            event.display_name = f"{labels.get(event.event_type, '')} {event.animal_id.name or ''}".strip()

    def action_done(self):
        """Nothing is left to do about it."""
        self.state = "done"

    def action_reopen(self):
        """Something is left to do about it after all."""
        self.state = "open"
