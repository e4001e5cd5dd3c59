"""A cow that has left for a farm closed to the user: her milkings stay, and are corrected as before."""

from datetime import timedelta

from odoo.exceptions import AccessError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, START, MilkCase
from .udder_common import HALF_DAY, UdderCase

VALUES = (("fat_percentage", 4.4), ("total_yield", 6.0), ("conductivity", 7.0))


def move(case):
    """Let the cow leave; returns a manager who does not see her any more."""
    manager = new_test_user(case.env, "herdsman", "smart_dairy_farm.group_farm_manager")
    case.cow.farm_id = case.env["farm.location"].create(
        {"name": "Closed", "code": "closed", "tz": "UTC", "user_ids": [(6, 0, case.env.user.ids)]}
    )
    case.env.flush_all()
    case.env.invalidate_all()
    case.assertFalse(case.env["farm.animal"].with_user(manager).search([("id", "=", case.cow.id)]))
    return manager


@tagged("post_install", "-at_install")
class TestMovedCow(UdderCase):
    def moved(self, with_curve):
        """The last of three milkings of the cow, as the manager of the farm that she has left sees it."""
        if with_curve:
            calving = self.farm._local_date(START) - timedelta(days=100)
            flat = {"a": 24.0, "b": 0.0, "c": 0.0, "residual_sd": 1.0, "days": 60}
            self.cow.write({"last_calving_date": calving, "lactation_curve": {"calving": calving.isoformat(), **flat}})
        for number in range(3):
            session = self.milking(START + number * HALF_DAY, liters=12.0)
        self.assertEqual(bool(self.cow._curve()), with_curve)
        return session.with_user(move(self))

    def correct(self, session, **vals):
        session.write(vals)
        self.env.flush_all()
        self.env.invalidate_all()

    def check_values(self, session):
        for name, value in VALUES:
            with self.subTest(name):
                self.correct(session, **{name: value})
                self.assertAlmostEqual(session.sudo()[name], value)
        self.assertEqual(session.sudo().production_id.quantity, 6.0)
        self.assertAlmostEqual(session.yield_deviation, -50.0, 0)
        self.assertIn("6.0", session.abnormality_reason)

    def test_her_milkings_are_corrected_where_she_has_a_curve(self):
        session = self.moved(with_curve=True)
        # By a curve, one low milking is chance.
        self.correct(session.sudo()._previous_milking(), total_yield=6.0)
        self.check_values(session)

    def test_her_milkings_are_corrected_where_she_has_none(self):
        self.check_values(self.moved(with_curve=False))

    def test_she_is_taken_off_a_milking(self):
        session = self.moved(with_curve=True)
        record = session.sudo().production_id
        self.correct(session, animal_id=False)
        self.assertFalse(session.animal_id)
        self.assertFalse(record.exists())

    def test_her_record_is_made_again_on_the_farm_that_milked_her(self):
        session = self.moved(with_curve=False)
        self.correct(session, total_yield=0.0)
        self.assertFalse(session.sudo().production_id)
        self.correct(session, total_yield=11.0)
        self.correct(session, fat_percentage=4.4)
        self.assertRecordValues(
            session.sudo().production_id, [{"farm_id": self.farm.id, "quantity": 11.0, "fat_percentage": 4.4}]
        )

    def test_a_copy_of_her_milking_is_without_her(self):
        session = self.moved(with_curve=False)
        copy = session.copy()
        self.assertEqual((copy.meter_id, copy.animal_id.ids, copy.identification), (self.meter, [], "none"))
        self.assertEqual(session.copy({"fat_percentage": 4.4}).fat_percentage, 4.4)
        with self.assertRaisesRegex(AccessError, "This animal"):
            session.copy({"animal_id": self.cow.id})
        stays = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        self.assertEqual(session.copy({"animal_id": stays.id}).animal_id, stays)
        session.sudo().animal_id = stays
        self.assertEqual(session.copy().animal_id, stays)

    def test_a_doubt_names_her(self):
        session = self.moved(with_curve=True)
        earlier = self.env["milk.session"].search([("animal_id", "=", self.cow.id)], order="start_time", limit=1)
        session._as_platform()._doubt(earlier.with_user(session.env.user))
        self.env.flush_all()
        self.assertIn("17", session.sudo().doubt_reason or earlier.doubt_reason)


@tagged("post_install", "-at_install")
class TestMovedCowRuns(MilkCase):
    def test_her_running_milking_is_ended_by_hand_and_other_systems_are_told_whose_it_was(self):
        session = self.milking_at(0, end=False)
        by_hand = session.with_user(move(self))
        by_hand.action_complete()
        self.assertEqual(session.state, "completed")
        # What has just been read of her is there for whoever asks.
        self.env.flush_all()
        self.env.invalidate_all()
        by_hand._publish_complete()
        for entry in self.published():
            self.assertIn('"animal_id":"17"', entry.payload.replace(" ", ""))

    def test_a_tag_that_contradicts_her_number_is_doubtful_and_both_are_named(self):
        session = self.milking_at(0, rfid_tag=OTHER_TAG, animal_id="17")
        self.assertEqual((session.identification, session.animal_id), ("number", self.cow))
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": OTHER_TAG})
        other.rfid_ids.date_from = START - timedelta(days=1)
        vals = session.with_user(move(self))._identification_vals(self.meter, [], session.start_time)
        self.assertEqual(vals["identification"], "doubtful")
        self.assertIn("18", vals["doubt_reason"])
        self.assertIn("17", vals["doubt_reason"])
