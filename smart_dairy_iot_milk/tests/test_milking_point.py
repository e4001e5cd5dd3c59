"""Whether a milking point is occupied, and what is said when two milkings are entered there."""

from datetime import timedelta

from odoo.exceptions import ValidationError
from odoo.tests.common import new_test_user, tagged

from .common import START, MilkCase


@tagged("post_install", "-at_install")
class TestMilkingPoint(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.point = cls.meter.milking_point_ids
        cls.other_point = cls.point.create({"meter_id": cls.meter.id, "point_number": 2})
        cls.points = cls.point | cls.other_point

    def test_a_point_is_occupied_by_the_cow_that_is_milked_there_until_the_end(self):
        self.assertRecordValues(self.points, [{"is_occupied": False, "current_animal_id": False}] * 2)
        session = self.milking_at(0, end=False, channel=1)
        self.assertRecordValues(
            self.points,
            [
                {"is_occupied": True, "current_animal_id": self.cow.id},
                {"is_occupied": False, "current_animal_id": False},
            ],
        )
        session.action_complete()
        self.assertRecordValues(self.points, [{"is_occupied": False, "current_animal_id": False}] * 2)

    def test_a_point_is_occupied_though_nobody_knows_by_whom(self):
        self.milking_at(0, end=False, channel=1, rfid_tag=None)
        self.assertRecordValues(self.point, [{"is_occupied": True, "current_animal_id": False}])

    # ------------------------------------------------------------------ by hand

    def enter(self, **vals):
        manager = self.env["res.users"].search([("login", "=", "herdsman")]) or new_test_user(
            self.env, "herdsman", "smart_dairy_farm.group_farm_manager"
        )
        place = {"meter_id": self.meter.id, "milking_point": self.point.id}
        return (
            self.env["milk.session"].with_user(manager).create({**place, "start_time": START, "total_yield": 9, **vals})
        )

    def warning(self, point, session=None):
        """What the form says when somebody chooses this point."""
        session = session or self.env["milk.session"]
        values = {"meter_id": self.meter.id, "milking_point": point.id, "state": session.state or "in_progress"}
        spec = {"meter_id": {}, "milking_point": {}, "state": {}}
        return session.onchange(values, ["milking_point"], spec).get("warning", {}).get("message", "")

    def test_the_point_is_one_of_the_meter_s(self):
        elsewhere = self.make_meter("MM-2")
        with self.assertRaisesRegex(ValidationError, "not a milking point of"):
            self.enter(milking_point=elsewhere.milking_point_ids[:1].id)
        session = self.enter(milking_point=False)
        with self.assertRaisesRegex(ValidationError, "not a milking point of"), self.env.cr.savepoint():
            session.milking_point = elsewhere.milking_point_ids[:1]
        session.milking_point = self.point
        with self.assertRaisesRegex(ValidationError, "not a milking point of"), self.env.cr.savepoint():
            session.meter_id = elsewhere
        session.write({"meter_id": elsewhere.id, "milking_point": elsewhere.milking_point_ids[:1].id})

    def test_who_enters_a_second_milking_at_a_point_is_told_of_the_first(self):
        first = self.enter()
        self.assertIn(first.name, self.warning(self.point))
        self.assertFalse(self.warning(self.other_point))
        self.assertFalse(self.warning(self.point, first))
        first.action_complete()
        self.assertFalse(self.warning(self.point))

    def test_an_ended_milking_is_put_to_an_occupied_point_without_a_word(self):
        ended = self.enter(milking_point=self.other_point.id)
        ended.action_complete()
        self.enter()
        self.assertFalse(self.warning(self.point, ended))

    def test_of_two_the_later_one_stands_at_the_point_and_when_it_is_ended_the_earlier_one(self):
        later = self.enter(start_time=START + timedelta(minutes=3))
        earlier = self.enter(animal_id=self.cow.id)
        self.assertRecordValues(self.point, [{"is_occupied": True, "current_animal_id": False}])
        later.action_complete()
        self.assertRecordValues(self.point, [{"is_occupied": True, "current_animal_id": self.cow.id}])
        earlier.action_complete()
        self.assertFalse(self.point.is_occupied)
