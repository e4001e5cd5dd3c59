"""The end of a milking that a person enters: yesterday's is written down today."""

from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests.common import Form, new_test_user, tagged
from odoo.tools import mute_logger

from .common import START, TAG, MilkCase

END = START + timedelta(minutes=7)


@tagged("post_install", "-at_install")
class TestSessionEnd(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(cls.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        cls.by_hand = cls.env["milk.session"].with_user(cls.manager)

    def enter(self, **vals):
        vals = {"meter_id": self.meter.id, "animal_id": self.cow.id, "start_time": START, "current_yield": 14.0} | vals
        return self.by_hand.create(vals)

    def assertEnd(self, session, end=END):
        self.assertRecordValues(
            session,
            [{"state": "completed", "end_time": end, "duration_seconds": (end - session.start_time).total_seconds()}],
        )

    def test_an_end_that_was_entered_before_completing_stays(self):
        session = self.enter(end_time=END)
        session.action_complete()
        self.assertEnd(session)
        self.assertEqual(session.avg_flow_rate, 2.0)

    def test_an_end_is_corrected_after_completing(self):
        session = self.enter()
        session.action_complete()
        self.assertGreater(session.end_time, END)
        session.end_time = END
        self.assertEnd(session)
        session.write({"start_time": START + timedelta(hours=12), "end_time": END + timedelta(hours=12)})
        self.assertEnd(session, END + timedelta(hours=12))
        self.assertEqual(session.production_id.milking_time, "pm")

    def test_an_end_that_was_emptied_again_is_the_meter_s_to_say(self):
        self.message(10, 1.0, duration_seconds=10)
        self.process()
        session = self.sessions().with_user(self.manager)
        session.end_time = END
        session.end_time = False
        self.sessions()._complete(fields.Datetime.now())
        self.message(300, 12.0, duration_seconds=300, milking=False)
        self.process()
        self.assertEnd(session, START + timedelta(seconds=300))

    def test_the_end_is_entered_on_the_form(self):
        form = Form(self.by_hand)
        form.meter_id, form.animal_id, form.start_time, form.end_time = self.meter, self.cow, START, END
        form.total_yield = 14.0
        session = form.save()
        session.action_complete()
        self.assertEnd(session)
        with Form(session) as form:
            form.end_time = END + timedelta(minutes=1)
        self.assertEnd(session, END + timedelta(minutes=1))

    def test_an_end_that_was_typed_stays_though_the_meter_goes_on(self):
        session = self.milk(12.0)
        session.with_user(self.manager).end_time = END
        self.assertEqual(session.typed_values, ["end_time"])
        self.message(330, 12.5, duration_seconds=330, milking=False, rfid_tag=TAG)
        self.process()
        self.assertEnd(session)
        self.assertEqual(session.total_yield, 12.5)

    def test_a_running_milking_whose_end_was_typed_ends_then(self):
        session = self.milking_at(0, end=False)
        session.with_user(self.manager).end_time = END
        session.with_user(self.manager).action_complete()
        self.assertEnd(session)

    def test_an_end_before_the_beginning_is_refused(self):
        session = self.enter(end_time=END)
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            session.end_time = START - timedelta(seconds=1)
            session.flush_recordset()
        columns = ["meter_id/.id", "start_time", "end_time"]
        row = [str(self.meter.id), str(START), str(START - timedelta(seconds=1))]
        with mute_logger("odoo.sql_db"):
            messages = self.by_hand.load(columns, [row])["messages"]
        self.assertIn("cannot end before it has begun", messages[0]["message"])

    def test_an_end_that_is_still_to_come_is_refused_but_for_a_clock_that_is_ahead(self):
        session, now = self.enter(), fields.Datetime.now()
        session.end_time = now + timedelta(minutes=2)
        with self.assertRaisesRegex(ValidationError, "still to come"):
            session.end_time = now + timedelta(hours=1)
        with self.assertRaisesRegex(ValidationError, "still to come"):
            self.enter(end_time=now + timedelta(hours=1))

    def test_a_completed_milking_keeps_an_end(self):
        session = self.enter(end_time=END)
        session.end_time = False
        session.end_time = END
        session.action_complete()
        with self.assertRaisesRegex(ValidationError, "has an end"):
            session.end_time = False
