"""Milkings that people enter: their place, and a copy of one."""

from odoo.exceptions import ValidationError
from odoo.tests.common import new_test_user, tagged

from .common import START, MilkCase


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
