"""Milkings of another system from a file: milking visits of ICAR's Animal Data Exchange."""

import base64
import binascii
from collections import Counter

import orjson

from odoo import _, fields, models
from odoo.exceptions import UserError

from odoo.addons.smart_dairy_iot.controllers.api.errors import HANDLED, as_api_error

MOST_SHOWN = 200
"""So many problems are listed."""
MOST_VISITS = 1_000
"""Each takes some 30 to 70 ms, and Odoo ends a request after two minutes by default: a file with more is cut up."""


class AdeImportWizard(models.TransientModel):
    _name = "ade.import.wizard"
    _description = "Import Milkings"

    farm_id = fields.Many2one("farm.location", required=True, ondelete="cascade")
    file = fields.Binary(
        attachment=False,
        help="JSON: a page of milking visits as the ADE API gives it, a list of visits, or a single one.",
    )
    file_name = fields.Char()
    state = fields.Selection([("file", "Choose a File"), ("done", "Done")], default="file", readonly=True)
    created_count = fields.Integer(string="New", readonly=True)
    updated_count = fields.Integer(string="Corrected", readonly=True)
    cancelled_count = fields.Integer(string="Cancelled", readonly=True)
    unchanged_count = fields.Integer(string="Known Already", readonly=True)
    problem_count = fields.Integer(string="Not Taken", readonly=True)
    problems = fields.Text(readonly=True)

    def action_import(self):
        """Take all milkings of the file that can be taken, and tell of the others why not."""
        self.ensure_one()
        outcomes, problems = Counter(), []
        for number, resource in enumerate(self._visits(), 1):
            try:
                with self.env.cr.savepoint():
                    _session, outcome = self.env["milk.session"]._import_ade(self.farm_id, resource)
                outcomes[outcome] += 1
            except HANDLED as error:
                problem = as_api_error(self.env, error).message
                problems.append(_("Milking %(number)s: %(problem)s", number=number, problem=problem))
        more = len(problems) - MOST_SHOWN
        shown = [*problems[:MOST_SHOWN], *([_("and %s more", more)] if more > 0 else [])]
        self.write(
            {
                "state": "done",
                **{
                    f"{outcome}_count": outcomes[outcome]
                    for outcome in ("created", "updated", "cancelled", "unchanged")
                },
                "problem_count": len(problems),
                "problems": "\n".join(shown) or False,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": _("Import Milkings"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }

    def _visits(self):
        """:raises UserError: where the file has no list of milkings"""
        if not self.file:
            raise UserError(_("Choose a file first."))
        try:
            content = orjson.loads(base64.b64decode(self.file))
        except (orjson.JSONDecodeError, binascii.Error) as error:
            raise UserError(_("The file is not JSON: %s", error)) from error
        if isinstance(content, dict):
            content = content["member"] if isinstance(content.get("member"), list) else [content]
        if not isinstance(content, list) or not content:
            raise UserError(_("The file has no list of milkings."))
        if len(content) > MOST_VISITS:
            raise UserError(_("The file has more than %s milkings: cut it up.", MOST_VISITS))
        return content
