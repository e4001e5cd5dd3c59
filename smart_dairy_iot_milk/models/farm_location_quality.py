"""By what a farm grades its milk, and how it counts milkings that were interrupted or seem to be told twice."""

from datetime import timedelta

from odoo import fields, models

from ..quality import DEFAULT_LIMITS, GradeLimits

_DEFAULTS = DEFAULT_LIMITS
_NOT_BACKWARDS = "It holds for milkings from now on: milk keeps the grade by which it was delivered."


class FarmLocation(models.Model):
    _inherit = "farm.location"

    grade_a_fat = fields.Float(string="Grade A from Fat (%)", digits=(5, 2), default=_DEFAULTS.a_fat)
    grade_a_protein = fields.Float(string="Grade A from Protein (%)", digits=(5, 2), default=_DEFAULTS.a_protein)
    grade_b_fat = fields.Float(string="Grade B from Fat (%)", digits=(5, 2), default=_DEFAULTS.b_fat)
    grade_b_protein = fields.Float(string="Grade B from Protein (%)", digits=(5, 2), default=_DEFAULTS.b_protein)
    grade_c_fat = fields.Float(string="Grade C from Fat (%)", digits=(5, 2), default=_DEFAULTS.c_fat)
    scc_limit = fields.Integer(
        string="Cells at Most (1/mL)",
        default=_DEFAULTS.scc_limit,
        help="Milk with more somatic cells is graded reject. The EU delivers up to 400,000, the US up to 750,000. "
        + _NOT_BACKWARDS,
    )
    scc_healthy = fields.Integer(
        string="Cells of Healthy Udders (1/mL)",
        default=_DEFAULTS.scc_healthy,
        help="Grade A has fewer somatic cells. An udder with 200,000 or more counts as inflamed without a sign; that "
        "figure is a convention, not a rule. " + _NOT_BACKWARDS,
    )
    milking_restart_minutes = fields.Integer(
        string="Milking Goes on within (min)",
        default=10,
        help="A cow whose meter begins anew at the same milking point within so many minutes, after a power cut or "
        "when the cluster was kicked off, was milked once. 0: every beginning is a milking of its own.",
    )
    milking_twice_minutes = fields.Integer(
        string="Milked Twice within (min)",
        default=30,
        help="A cow that is read at another milking point within so many minutes was hardly milked there: whose "
        "milking that was is doubtful. 0: never.",
    )

    _sql_constraints = [
        (
            "grades_ordered",
            (
                "CHECK(grade_a_fat >= grade_b_fat AND grade_b_fat >= grade_c_fat AND grade_c_fat >= 0 "
                "AND grade_a_protein >= grade_b_protein AND grade_b_protein >= 0)"
            ),
            "A better grade asks for as much fat and protein as the next, or more.",
        ),
        (
            "cells_ordered",
            "CHECK(scc_limit >= scc_healthy AND scc_healthy > 0)",
            "Milk of healthy udders has no more cells than may be delivered, and more than none.",
        ),
        (
            "milking_minutes_range",
            "CHECK(milking_restart_minutes BETWEEN 0 AND 120 AND milking_twice_minutes BETWEEN 0 AND 240)",
            "A milking goes on within 0 to 120 minutes, and a cow is milked twice within 0 to 240.",
        ),
    ]

    def _grade_limits(self):
        """The `GradeLimits` of this farm; the usual ones without a farm."""
        if not self:
            return DEFAULT_LIMITS
        self.ensure_one()
        return GradeLimits(
            self.grade_a_fat,
            self.grade_a_protein,
            self.grade_b_fat,
            self.grade_b_protein,
            self.grade_c_fat,
            self.scc_limit,
            self.scc_healthy,
        )

    def _milking_restart(self):
        """Within what time a milking goes on that its meter began anew."""
        return timedelta(minutes=self.milking_restart_minutes)

    def _milking_twice(self):
        """Within what time no cow is milked again elsewhere."""
        return timedelta(minutes=self.milking_twice_minutes)
