"""Milkings that people enter, and what they correct of their time and place."""

from datetime import datetime, timedelta

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests.common import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .common import START, MilkCase

END = START + timedelta(minutes=7)


@tagged("post_install", "-at_install")
class TestByHand(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(cls.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        cls.by_manager = cls.env["milk.session"].with_user(cls.manager)

    def enter(self, **values):
        vals = {"meter_id": self.meter.id, "animal_id": self.cow.id, "start_time": START, "total_yield": 14.0}
        return self.by_manager.create({**vals, **values})

    # ------------------------------------------------------------------ the end

    def test_yesterday_s_milking_is_entered_on_the_form_with_its_beginning_and_its_end(self):
        with Form(self.by_manager) as form:
            form.meter_id = self.meter
            form.animal_id = self.cow
            form.start_time = START
            form.end_time = END
            form.total_yield = 14.0
        session = form.save()
        session.action_complete()
        self.assertRecordValues(
            session, [{"state": "completed", "end_time": END, "duration_seconds": 420, "avg_flow_rate": 2.0}]
        )
        self.assertEqual(session.production_id.quantity, 14.0)

    def test_without_an_end_it_ends_when_it_is_completed(self):
        session = self.enter(start_time=fields.Datetime.now() - timedelta(minutes=6))
        before = fields.Datetime.now()
        session.action_complete()
        self.assertGreaterEqual(session.end_time, before)

    def test_the_end_is_corrected_later_and_the_duration_follows(self):
        session = self.enter()
        session.action_complete()
        with Form(session) as form:
            form.end_time = END
        self.assertRecordValues(session, [{"end_time": END, "duration_seconds": 420, "avg_flow_rate": 2.0}])

    def test_an_end_before_the_beginning_is_refused(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.enter(end_time=START - timedelta(seconds=1)).flush_recordset()

    def test_an_end_in_the_future_is_refused(self):
        future = datetime.now() + timedelta(days=1)
        session = self.enter()
        with self.assertRaisesRegex(ValidationError, "future"):
            session.end_time = future
        with self.assertRaisesRegex(ValidationError, "future"):
            self.enter(end_time=fields.Datetime.to_string(future))

    def test_an_end_that_a_person_typed_is_not_taken_back_by_late_messages(self):
        session = self.milk(12.0)
        session.with_user(self.manager).end_time = END
        self.message(310, 12.5)
        self.process()
        self.assertRecordValues(session, [{"end_time": END, "total_yield": 12.5}])

    # ------------------------------------------------------------------ the place

    def test_a_milking_point_of_another_meter_is_refused(self):
        other = self.make_meter("MM-2", milking_point_ids=[(0, 0, {"point_number": 1, "name": "P1"})])
        with self.assertRaisesRegex(ValidationError, "Meter MM-1"):
            self.enter(milking_point=other.milking_point_ids.id)

    # ------------------------------------------------------------------ a copy

    def test_a_copy_is_of_the_same_cow(self):
        self.assertEqual(self.enter().copy().animal_id, self.cow)

    def test_a_copy_of_the_milking_of_a_cow_that_has_left_names_none(self):
        session = self.enter()
        closed = self.env["farm.location"].create(
            {"name": "Closed", "code": "closed", "tz": "UTC", "user_ids": [(6, 0, self.env.user.ids)]}
        )
        self.cow.farm_id = closed
        self.env.invalidate_all()
        copy = session.copy()
        self.assertRecordValues(copy, [{"animal_id": False, "meter_id": self.meter.id, "farm_id": self.farm.id}])
