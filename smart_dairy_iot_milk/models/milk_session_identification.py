"""Which animal a milking is of, by what was read at the milking point."""

from odoo import fields, models

from ..reactors.meter_data import canonical


class MilkSession(models.Model):
    _inherit = "milk.session"

    identification = fields.Selection(
        [
            ("tag", "Tag"),
            ("number", "Animal's Number"),
            ("person", "By Hand"),
            ("proposal", "Accepted Proposal"),
            ("doubtful", "Doubtful"),
            ("none", "Unknown"),
        ],
        readonly=True,
        copy=False,
        index=True,
        help="How it is known whose milking it is.",
    )
    tag_reads = fields.Json(readonly=True, copy=False, help="Tag, or the text as it was sent -> how often it was read.")
    proposed_animal_id = fields.Many2one("farm.animal", string="Likely Animal", readonly=True, copy=False)
    proposal_reason = fields.Char(readonly=True, copy=False)
    proposal_certainty = fields.Float(readonly=True, copy=False, group_operator=False, help="From 0 to 1.")

    def _identification_vals(self, meter, readings, at):
        """Tag and animal, as far as the readings tell: the first tag counts, for it was read as the cow came in."""
        readings = sorted(readings, key=lambda reading: reading.timestamp)
        tags = [canonical(self.rfid_tag), *(reading.tag for reading in readings)]
        # What is no tag is kept as well, until the reader reads one.
        sent = [self.rfid_tag, *(reading.sent_tag for reading in readings)]
        tag = next(filter(None, [*tags, *sent]), False)
        # The animal wore the tag then: a tag that has been given to another one since names the first.
        animal = self.env["farm.animal"]._find_by_rfid(tag, at) if tag else self.env["farm.animal"]
        # The meter may have moved since.
        farm = self.farm_id or meter.farm_id
        animal = animal.filtered(lambda animal: animal.company_id == farm.company_id)
        names = [reading.animal_ref for reading in readings if reading.animal_ref]
        if not animal and names:
            animal = animal.search([("farm_id", "=", farm.id), ("name", "=", names[0])], limit=1)
        vals = {"rfid_tag": tag} if tag != self.rfid_tag else {}
        return {**vals, "animal_id": animal.id} if animal else vals
