"""A milking tells of its machine; points with a problem are on a list until somebody has seen to them."""

import random
from datetime import timedelta
from math import exp

from psycopg2.errors import LockNotAvailable

from odoo.exceptions import AccessError, UserError
from odoo.tests.common import new_test_user, tagged
from odoo.tools import mute_logger

from .common import START, MilkCase

LOGGER = "odoo.addons.smart_dairy_iot_milk.models.iot_equipment_check"
#: Long after the first milking of a test.
NOW = START + timedelta(days=14)


class EquipmentCase(MilkCase):
    def milked(self, days_ago=1.0, liters=12.0, seconds=360, meter=None, cow=None, point=None, **values):
        """A completed milking that began so many days before NOW."""
        meter = meter or self.meter
        start = NOW - timedelta(days=days_ago)
        return self.env["milk.session"].create(
            {
                "meter_id": meter.id,
                "milking_point": (point or meter.milking_point_ids[:1]).id,
                "animal_id": (self.cow if cow is None else cow).id,
                "start_time": start,
                "end_time": start + timedelta(seconds=seconds),
                "total_yield": liters,
                "state": "completed",
                **values,
            }
        )

    def check_farm(self, now=NOW):
        self.env["iot.equipment.check"]._check_farm(self.farm, now)
        return self.checks()

    def checks(self, **values):
        domain = [("farm_id", "=", self.farm.id), *((name, "=", value) for name, value in values.items())]
        return self.env["iot.equipment.check"].search(domain, order="id")

    def events(self, kind):
        return self.env["iot.event"].search([("kind", "=", kind), ("farm_id", "=", self.farm.id)], order="id")


@tagged("post_install", "-at_install")
class TestSessionEquipment(EquipmentCase):
    def judged(self, **values):
        session = self.milked(**values)
        session._judge_equipment()
        return session.equipment_reasons or ""

    def test_a_milking_within_the_norms_has_nothing_to_tell(self):
        good = {"vacuum_level": 38.0, "pulsation_rate": 60, "pulsation_ratio": 62.0, "kick_off_count": 2}
        self.assertEqual(self.judged(**good), "")
        self.assertEqual(self.judged(), "", "what was not measured is not judged")

    def test_each_thing_outside_of_its_norm_is_told_with_its_figures(self):
        for values, text in (
            ({"vacuum_level": 43.5}, "Vacuum 43.5 kPa (norm 32 to 42)"),
            ({"vacuum_level": 31.0}, "Vacuum 31 kPa (norm 32 to 42)"),
            ({"pulsation_rate": 52}, "Pulsation 52 a minute (norm 55 to 65)"),
            ({"pulsation_ratio": 70.0}, "Pulsation ratio 70 % (norm 60 to 65)"),
            ({"kick_off_count": 3}, "3 kick-offs (norm: 2 at most)"),
        ):
            with self.subTest(text=text):
                self.assertEqual(self.judged(**values), text)

    def test_the_norms_are_the_farm_s(self):
        self.farm.write({"vacuum_least": 40.0, "vacuum_most": 50.0})
        self.assertEqual(self.judged(vacuum_level=45.0), "")
        self.assertIn("norm 40 to 50", self.judged(vacuum_level=38.0))

    def test_a_cow_far_below_her_own_flow_is_slow(self):
        for days in range(2, 7):
            self.milked(days, 12.0, 360)  # 2 L/min
        self.assertEqual(self.judged(liters=4.5, seconds=300), "Slow: 0.9 L/min (her own: 2)")
        self.assertEqual(self.judged(liters=6.5, seconds=300), "", "1.3 L/min is slow for nobody")

    def test_a_milking_whose_cow_is_entered_later_is_judged_then(self):
        for days in range(2, 7):
            self.milked(days, 12.0, 360)
        session = self.milked(liters=4.5, seconds=300, cow=self.env["farm.animal"])
        session._judge_equipment()
        self.assertFalse(session.equipment_reasons)
        session.animal_id = self.cow
        session._on_identified()
        self.assertIn("Slow", session.equipment_reasons)

    def test_a_cow_without_milkings_enough_is_not_called_slow(self):
        for days in range(2, 6):
            self.milked(days)
        self.assertEqual(self.judged(liters=3.0, seconds=600), "")

    def test_a_milking_is_judged_at_its_end_and_late_data_correct_it(self):
        equipment = {"vacuum_pressure": 45.0, "pulsation_rate": 60}
        session = self.milk(12.0, equipment=equipment)
        self.assertIn("Vacuum 45 kPa", session.equipment_reasons)
        session.vacuum_level = 40.0
        session._on_late_data()
        self.assertFalse(session.equipment_reasons)


@tagged("post_install", "-at_install")
class TestEquipmentChecks(EquipmentCase):
    def test_a_point_outside_of_a_norm_too_often_is_to_be_checked(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0 if number < 4 else 38.0)
        check = self.check_farm()
        self.assertEqual((check.meter_id, check.state, check.milking_count), (self.meter, "open", 20))
        self.assertEqual((check.milking_point, check.cow_count), (self.meter.milking_point_ids, 1))
        self.assertAlmostEqual(check.outside_percent, 20.0)
        self.assertAlmostEqual(check.vacuum_mean, 39.4)
        self.assertIn("In 20 % of 20 milkings", check.problems)
        self.assertFalse(check.drift_known, "one cow tells nothing of the meter")
        event = self.events("equipment_fault")
        self.assertEqual((event.severity, event.iot_device_id), ("medium", self.meter.iot_device_id))
        self.assertEqual(event.data["problem"], "vacuum")
        self.assertEqual(self.meter._to_check(), {self.meter.id: [check.problems]})
        self.assertEqual(self.meter.open_check_count, 1)

    def test_a_meter_that_has_moved_is_on_the_list_once_with_its_new_farm(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0)
        check = self.check_farm()
        new_farm = self.env["farm.location"].create({"name": "Valley", "code": "VALLEY-EQ"})
        self.meter.iot_device_id.sudo()._in_action().write({"farm_id": new_farm.id})
        for number in range(20):
            self.milked(0.9 - number / 40, vacuum_level=45.0)
        self.env["iot.equipment.check"]._check_farm(self.farm, NOW)
        self.assertEqual(check.farm_id, self.farm, "where it is not any more, nothing is said of it")
        self.env["iot.equipment.check"]._check_farm(new_farm, NOW)
        self.assertEqual(check.farm_id, new_farm)
        self.assertEqual(self.env["iot.equipment.check"].search([("meter_id", "=", self.meter.id)]), check)

    def test_a_vacuum_that_is_outside_on_the_mean_is_severe(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=47.0)
        self.check_farm()
        self.assertEqual(self.events("equipment_fault").severity, "high")

    def test_single_milkings_few_milkings_and_old_ones_are_no_reason(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0 if number < 1 else 38.0)
        other = self.make_meter("MM-2")
        for number in range(19):
            self.milked(6 - number / 4, meter=other, vacuum_level=45.0)
        third = self.make_meter("MM-3")
        for number in range(30):
            self.milked(13 - number / 6, meter=third, vacuum_level=45.0)
        self.assertFalse(self.check_farm())
        self.assertEqual(self.meter._to_check(), {})

    def test_a_problem_is_told_once_until_somebody_has_seen_to_it(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0)
        check = self.check_farm()
        self.check_farm(NOW + timedelta(hours=24))
        self.assertEqual((self.checks(), len(self.events("equipment_fault"))), (check, 1))
        for number in range(20):
            self.milked(6 - number / 4, pulsation_rate=80)
        self.check_farm(NOW + timedelta(hours=1))
        self.assertEqual(self.checks(), check, "the same place on the list")
        self.assertEqual(check.problem_kinds, ["pulsation_rate", "vacuum"])
        kinds = [event.data["problem"] for event in self.events("equipment_fault")]
        self.assertEqual(kinds, ["vacuum", "pulsation_rate"])

    def test_what_was_milked_before_it_was_seen_to_is_not_held_against_the_point_again(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0)
        check = self.check_farm()
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        for name, field in check._fields.items():
            if field.readonly and field.store:
                with self.subTest(name), self.assertRaisesRegex(AccessError, "platform alone"):
                    check.with_user(manager).write({name: False})
        check.with_user(manager).notes = "Seen"
        check.with_user(manager).action_done()
        self.assertEqual((check.state, check.done_by_id), ("done", manager))
        self.assertEqual(len(self.events("equipment_checked")), 1)
        check.done_at = NOW
        self.check_farm(NOW + timedelta(hours=1))
        self.assertEqual(self.checks(state="open").ids, [])
        for number in range(20):
            self.milked(-1 - number / 20, vacuum_level=45.0)
        self.assertEqual(len(self.check_farm(NOW + timedelta(days=3))), 2, "it came back")
        with self.assertRaisesRegex(UserError, "already"):
            check.action_done()

    def test_a_meter_is_checked_when_its_last_point_is(self):
        meter = self.make_meter("MM-2", milking_point_count=2)
        for point in meter.milking_point_ids:
            for number in range(20):
                self.milked(6 - number / 4, meter=meter, point=point, vacuum_level=45.0)
        checks = self.check_farm()
        self.assertEqual(checks.milking_point, meter.milking_point_ids)
        self.assertIn("Point 1: In 100 %", self.events("equipment_fault")[0].message)
        checks[0].action_done()
        self.assertFalse(self.events("equipment_checked"))
        checks[1].action_done()
        self.assertEqual(len(self.events("equipment_checked")), 1)

    def test_a_meter_in_maintenance_is_not_put_on_the_list(self):
        meter = self.make_meter("MM-3", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        meter.action_provision()
        meter.action_set_maintenance()
        for number in range(20):
            self.milked(6 - number / 4, meter=meter, vacuum_level=45.0)
        self.assertFalse(self.check_farm())

    def test_a_meter_that_drifts_is_found_by_the_cows_milked_at_several(self):
        meters = self.meter
        for number in range(2, 11):
            meters |= self.make_meter(f"MM-{number}")
        cows = self.env["farm.animal"].create([{"name": f"D{number}", "farm_id": self.farm.id} for number in range(60)])
        rng = random.Random(6)
        values = []
        for cow in cows:
            level = 12 * exp(rng.gauss(0, 0.2))
            for half_day in range(26):
                meter = rng.choice(meters)
                start = NOW - timedelta(hours=12 * half_day + 6)
                values.append(
                    {
                        "meter_id": meter.id,
                        "milking_point": meter.milking_point_ids[:1].id,
                        "animal_id": cow.id,
                        "start_time": start,
                        "end_time": start + timedelta(minutes=6),
                        "total_yield": level * exp(rng.gauss(0, 0.08)) * (1.08 if meter == self.meter else 1.0),
                        "state": "completed",
                    }
                )
        self.env["milk.session"].create(values)
        check = self.check_farm()
        self.assertEqual(check.meter_id, self.meter)
        self.assertTrue(check.drift_known)
        self.assertAlmostEqual(check.drift_percent, 8.0, delta=3 * check.drift_error)
        event = self.events("meter_drift")
        self.assertEqual((event.severity, event.data["problem"]), ("medium", "drift"))
        self.assertIn("standard error", event.message)

    def test_every_farm_is_judged_by_the_platform_alone(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0)
        with self.assertRaises(AccessError):
            manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
            self.env["iot.equipment.check"].with_user(manager)._cron_check_equipment()

    def farm_with_a_fault(self, code):
        """A farm whose only point is to be checked, and its meter."""
        farm = self.env["farm.location"].create({"name": code, "code": code, "tz": "UTC"})
        cow = self.env["farm.animal"].create({"name": code, "farm_id": farm.id})
        meter = self.make_meter(f"MM-{code}", farm_id=farm.id)
        for number in range(20):
            self.milked(6 - number / 4, meter=meter, cow=cow, vacuum_level=45.0)
        return farm, meter

    def not_judged(self, farm):
        return self.env["iot.event"].search([("kind", "=", "equipment_not_judged"), ("farm_id", "=", farm.id)])

    def test_a_farm_that_cannot_be_judged_is_told_of_and_keeps_no_other_from_its_turn(self):
        before, first = self.farm_with_a_fault("first")
        broken, second = self.farm_with_a_fault("second")
        after, third = self.farm_with_a_fault("third")
        self.env.flush_all()
        self.env.cr.execute("UPDATE farm_location SET tz = 'Mars/Olympus' WHERE id = %s", [broken.id])
        self.env.invalidate_all()
        checks = self.env["iot.equipment.check"]
        with self.assertLogs(LOGGER, "ERROR") as log:
            checks._check_farms(NOW)
            checks._check_farms(NOW + timedelta(hours=1))
        self.assertIn("Traceback", log.output[0])
        self.assertIn("Mars/Olympus", log.output[0])
        event = self.not_judged(broken)
        self.assertEqual((len(event), event.severity, event.timestamp), (1, "high", NOW), "once a day")
        self.assertFalse(self.not_judged(before) | self.not_judged(after))
        self.assertEqual(checks.search([("meter_id", "in", (first | second | third).ids)]).meter_id, first | third)

    def test_what_the_database_refuses_of_one_farm_is_undone_and_keeps_no_other_from_its_turn(self):
        broken, first = self.farm_with_a_fault("first")
        after, second = self.farm_with_a_fault("second")
        checks = self.env["iot.equipment.check"]
        record = type(checks)._tell

        def refused(check, kind, text, now):
            record(check, kind, text, now)
            if check.farm_id == broken:
                check.env.cr.execute("SELECT 1 / 0")

        self.patch(type(checks), "_tell", refused)
        with mute_logger("odoo.sql_db"), self.assertLogs(LOGGER, "ERROR"):
            checks._check_farms(NOW)
        self.assertEqual(checks.search([("meter_id", "in", (first | second).ids)]).meter_id, second)
        self.assertTrue(self.not_judged(broken))
        self.assertFalse(self.not_judged(after))

    def test_what_another_transaction_is_in_the_way_of_is_left_to_the_next_run(self):
        checks = self.env["iot.equipment.check"]

        def hindered(*_arguments):
            raise LockNotAvailable

        self.patch(type(checks), "_check_farm", hindered)
        with self.assertRaises(LockNotAvailable):
            checks._check_farms(NOW)
        self.assertFalse(self.not_judged(self.farm))

    def test_a_farm_of_many_milkings_takes_few_queries(self):
        for number in range(40):
            self.milked(6 - number / 8)
        self.check_farm()
        with self.assertQueryCount(12):
            self.env["iot.equipment.check"]._check_farm(self.farm, NOW)

    def test_a_closed_farm_s_list_is_not_seen(self):
        for number in range(20):
            self.milked(6 - number / 4, vacuum_level=45.0)
        check = self.check_farm()
        self.farm.user_ids = new_test_user(self.env, "owner", "smart_dairy_farm.group_farm_manager")
        other = new_test_user(self.env, "neighbour", "smart_dairy_farm.group_farm_manager")
        self.assertFalse(self.env["iot.equipment.check"].with_user(other).search([("id", "=", check.id)]))
