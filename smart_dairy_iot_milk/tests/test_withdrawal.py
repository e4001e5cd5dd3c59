"""Milk of cows under treatment is marked and graded reject, whenever the treatment is entered."""

from datetime import timedelta

from odoo.tests.common import new_test_user, tagged

from .common import START
from .udder_common import HALF_DAY, UdderCase


@tagged("post_install", "-at_install")
class TestWithdrawal(UdderCase):
    def treat(self, days_before=1, days_after=3, **values):
        day = self.farm._local_date(START)
        return self.env["farm.health.event"].create(
            {
                "animal_id": self.cow.id,
                "event_type": "treatment",
                "date": day - timedelta(days=days_before),
                "withdrawal_until": day + timedelta(days=days_after),
                **values,
            }
        )

    def rejected(self, session):
        return self.env["iot.event"].search([("dedup_key", "=", f"milk_rejected:{session.name}")])

    def test_milk_of_a_treated_cow_is_rejected_and_says_until_when(self):
        self.treat()
        session = self.milking(START, fat_percentage=4.0, protein_percentage=3.5)
        self.assertTrue(session.under_withdrawal)
        self.assertEqual(session.quality_grade, "reject")
        self.assertIn("milk withheld until", self.rejected(session).message)

    def test_the_last_day_is_withheld_and_the_next_is_not(self):
        self.treat(days_after=0)
        # 05:30 in the morning of the last day; 23:30 of that day; 05:30 of the next.
        self.assertTrue(self.milking(START).under_withdrawal)
        self.assertTrue(self.milking(START + timedelta(hours=18)).under_withdrawal)
        self.assertFalse(self.milking(START + timedelta(hours=24)).under_withdrawal)

    def test_milk_before_the_treatment_is_not_withheld(self):
        self.treat(days_before=0)
        self.assertFalse(self.milking(START - timedelta(days=1)).under_withdrawal)

    def test_a_treatment_entered_later_rejects_what_was_milked_since(self):
        session = self.milking(START, fat_percentage=4.0, protein_percentage=3.5)
        earlier = self.milking(START - 3 * HALF_DAY, fat_percentage=4.0, protein_percentage=3.5)
        self.assertNotEqual(session.quality_grade, "reject")
        self.treat(days_before=0)
        self.assertEqual(session.quality_grade, "reject")
        self.assertTrue(self.rejected(session))
        self.assertNotEqual(earlier.quality_grade, "reject")

    def test_a_shorter_withdrawal_frees_the_milk_after_it(self):
        treatment = self.treat()
        session = self.milking(START + timedelta(days=2), fat_percentage=4.0, protein_percentage=3.5)
        self.assertEqual(session.quality_grade, "reject")
        treatment.withdrawal_until = self.farm._local_date(START)
        self.assertFalse(session.under_withdrawal)
        self.assertNotEqual(session.quality_grade, "reject")

    def test_a_treatment_of_another_cow_entered_by_mistake_is_put_right_for_both(self):
        other = self.env["farm.animal"].create({"name": "Other", "farm_id": self.farm.id})
        mine, others = self.milking(START), self.milking(START, cow=other)
        treatment = self.treat()
        self.assertEqual((mine.under_withdrawal, others.under_withdrawal), (True, False))
        treatment.animal_id = other
        self.assertEqual((mine.under_withdrawal, others.under_withdrawal), (False, True))
        treatment.unlink()
        self.assertFalse(others.under_withdrawal)

    def test_withheld_milk_is_no_part_of_what_is_usual(self):
        self.healthy(20)
        self.treat(days_before=3, days_after=-1)
        usual = self.env["milk.session"]._udder_milkings("session.animal_id = %s", [self.cow.id])
        self.assertEqual({row.milking.withheld for row in usual if row.milking.at >= START - timedelta(days=1)}, {True})

    def test_whoever_may_enter_a_treatment_rejects_the_milk(self):
        session = self.milking(START, fat_percentage=4.0, protein_percentage=3.5)
        manager = new_test_user(
            self.env, "udder-manager", groups="smart_dairy_farm.group_farm_manager", company_id=self.env.company.id
        )
        self.env["farm.health.event"].with_user(manager).create(
            {
                "animal_id": self.cow.id,
                "event_type": "treatment",
                "date": self.farm._local_date(START),
                "withdrawal_until": self.farm._local_date(START),
            }
        )
        self.assertTrue(session.under_withdrawal)
