"""A meter is held against a scale: the verdict, the factor from its date on, the certificate, the reminders."""

import io
import json
from datetime import date, datetime, timedelta

from PyPDF2 import PdfReader

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import HttpCase, new_test_user, tagged

from .common import START, MilkCase
from .test_screens import SCRIPT

CALIBRATED = datetime(2026, 2, 1, 9)
#: 12 kg of milk of 1.03 kg/L each.
TWELVE_KG = 12.0
LITERS = TWELVE_KG / 1.03


class CalibrationCase(MilkCase):
    def calibrate(self, shown=1.0, meter=None, at=CALIBRATED, weights=(TWELVE_KG,) * 3, settle=True, **values):
        """A calibration in which the meter shows `shown` times (a number, or one per pair) what was weighed."""
        shares = shown if isinstance(shown, tuple) else (shown,) * len(weights)
        calibration = self.env["iot.calibration"].create(
            {
                "meter_id": (meter or self.meter).id,
                "calibrated_at": at,
                "pair_ids": [
                    (0, 0, {"shown_liters": share * weight / 1.03, "weighed_kg": weight})
                    for share, weight in zip(shares, weights, strict=True)
                ],
                **values,
            }
        )
        if settle:
            calibration.action_settle()
        return calibration

    def factor_in_force(self):
        return self.meter._factor_at(START)

    def events(self, kind, meter=None):
        device = (meter or self.meter).iot_device_id
        return self.env["iot.event"].search([("kind", "=", kind), ("iot_device_id", "=", device.id)])


@tagged("post_install", "-at_install")
class TestCalibration(CalibrationCase):
    def test_a_meter_that_shows_little_too_much_passes_and_gets_its_factor(self):
        calibration = self.calibrate(1.01, settle=False)
        self.assertAlmostEqual(calibration.bias_kg, 0.12, 3)
        self.assertAlmostEqual(calibration.sd_kg, 0.0, 3)
        self.assertAlmostEqual(calibration.limit_bias, 0.24, 3)
        self.assertAlmostEqual(calibration.limit_sd, 0.6, 3)
        self.assertAlmostEqual(calibration.mean_percent, 1.0, 2)
        self.assertEqual(self.meter.flow_calibration_factor, 1.0, "nothing is in force before it is settled")
        calibration.action_settle()
        self.assertEqual(calibration.state, "passed")
        self.assertAlmostEqual(calibration.factor_after, 1 / 1.01, 5)
        self.assertAlmostEqual(self.meter.flow_calibration_factor, 1 / 1.01, 5)
        self.assertEqual(self.meter.calibration_date, date(2026, 2, 1))
        self.assertEqual(self.meter.next_calibration_date, date(2027, 2, 1))
        self.assertEqual(calibration.valid_until, date(2027, 2, 1))
        self.assertEqual(self.meter.last_calibration, CALIBRATED)
        self.assertEqual(self.events("calibration_passed").data["calibration"], calibration.name)

    def test_the_day_of_a_calibration_is_the_farm_s(self):
        self.farm.tz = "Pacific/Auckland"
        self.calibrate(at=datetime(2026, 2, 1, 20))
        self.assertEqual(self.meter.calibration_date, date(2026, 2, 2))

    def test_a_bias_beyond_the_limit_fails_and_changes_nothing(self):
        calibration = self.calibrate(1.021)
        self.assertEqual((calibration.state, calibration.bias_holds, calibration.sd_holds), ("failed", False, True))
        self.assertEqual(self.meter.flow_calibration_factor, 1.0)
        self.assertFalse(self.meter.calibration_date)
        event = self.events("calibration_failed")
        self.assertEqual((event.severity, event.timestamp), ("high", CALIBRATED))
        self.assertIn("+0.252 kg (limit 0.240)", event.message)
        self.assertNotIn(self.meter.name, event.message, "the meter is named beside it")

    def test_a_bias_at_the_limit_passes(self):
        self.assertEqual(self.calibrate(1.0199).state, "passed")

    def test_a_spread_beyond_the_limit_fails(self):
        calibration = self.calibrate((1.06, 1.0, 0.94))
        self.assertAlmostEqual(calibration.sd_kg, 0.72, 2)
        self.assertEqual((calibration.state, calibration.bias_holds), ("failed", True))
        with self.assertRaisesRegex(UserError, "serviced first"):
            calibration.action_retest()

    def test_a_failed_bias_is_mended_by_the_factor_once_other_pairs_agree(self):
        failed = self.calibrate(1.05)
        retest = self.env["iot.calibration"].browse(failed.action_retest()["res_id"])
        self.assertAlmostEqual(retest.factor_tested, 1 / 1.05, 5)
        self.assertEqual(retest.factor_before, 1.0)
        # The platform still shows what it shows with the factor in force.
        retest.pair_ids = [(0, 0, {"shown_liters": 1.052 * LITERS, "weighed_kg": TWELVE_KG}) for _pair in range(3)]
        self.assertAlmostEqual(retest.mean_percent, 100 * (1.052 / 1.05 - 1), 2)
        retest.action_settle()
        self.assertEqual(retest.state, "passed")
        self.assertAlmostEqual(self.meter.flow_calibration_factor, 1 / 1.052, 4)

    def test_two_pairs_are_not_enough(self):
        calibration = self.calibrate(weights=(TWELVE_KG,) * 2, settle=False)
        self.assertFalse(calibration.has_figures)
        with self.assertRaisesRegex(UserError, "3 pairs"):
            calibration.action_settle()

    def test_the_farm_s_own_limits_hold_and_later_ones_change_no_verdict(self):
        self.farm.write({"calibration_bias_kg": 0.05, "calibration_bias_percent": 0.4})
        calibration = self.calibrate(1.01)
        self.assertEqual(calibration.state, "failed")
        self.farm.write({"calibration_bias_kg": 0.5, "calibration_bias_percent": 5.0})
        self.assertEqual(calibration.state, "failed")
        self.assertAlmostEqual(calibration.limit_bias, 0.05, 3)

    def test_a_water_test_reckons_with_water(self):
        calibration = self.calibrate(1.0, settle=False, method="water")
        self.assertEqual(set(calibration.pair_ids.mapped("density")), {0.998})
        self.assertAlmostEqual(calibration.mean_percent, 100 * (0.998 / 1.03 - 1), 2)

    def test_the_density_of_milk_is_a_setting(self):
        self.env["ir.config_parameter"].set_param("iot.milk_density_kg_per_l", "1.028")
        self.assertEqual(set(self.calibrate(settle=False).pair_ids.mapped("density")), {1.028})
        self.env["ir.config_parameter"].set_param("iot.milk_density_kg_per_l", "heavy")
        with self.assertRaisesRegex(UserError, "kilograms per litre: heavy"):
            self.calibrate(settle=False)
        water = self.calibrate(settle=False, method="water")
        self.assertEqual(set(water.pair_ids.mapped("density")), {0.998}, "which no setting changes")

    def test_what_is_settled_is_not_changed_any_more(self):
        calibration = self.calibrate()
        for values in (
            {"notes": "x"},
            {"name": "x"},
            {"calibrated_at": START},
            {"pair_ids": [(5, 0, 0)]},
            {"user_id": 1},
        ):
            with self.subTest(values=values), self.assertRaisesRegex(UserError, "settled"):
                calibration.write(values)
        with self.assertRaisesRegex(UserError, "settled"):
            calibration.pair_ids[0].weighed_kg = 13
        with self.assertRaisesRegex(UserError, "settled"):
            calibration.pair_ids[0].corrected_liters = 13
        with self.assertRaisesRegex(UserError, "settled"):
            self.calibrate(settle=False).pair_ids[0].calibration_id = calibration
        with self.assertRaisesRegex(UserError, "settled"):
            calibration.pair_ids[0].unlink()
        with self.assertRaisesRegex(UserError, "settled"):
            calibration.action_settle()
        with self.assertRaisesRegex(UserError, "history"):
            calibration.unlink()

    def test_nobody_writes_figures_or_verdict(self):
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        draft = self.calibrate(1.5, settle=False).with_user(manager)
        for values in ({"state": "passed"}, {"bias_kg": 0.0}, {"factor_after": 1.0}, {"ended_at": START}):
            with self.subTest(values=values), self.assertRaisesRegex(AccessError, "nobody writes"):
                draft.write(values)
        with self.assertRaisesRegex(AccessError, "nobody writes"):
            draft.with_context(iot_calibration_action=True).create({"meter_id": self.meter.id, "state": "passed"})
        for values in ({"default_state": "passed"}, {"default_factor_after": 0.8}, {"default_sets_factor": True}):
            with self.subTest(values=values), self.assertRaisesRegex(AccessError, "nobody writes"):
                draft.with_context(**values).create({"meter_id": self.meter.id, "calibrated_at": CALIBRATED})

    def test_no_default_passes_a_calibration(self):
        """Users set defaults of their own for any field; what follows from the pairs has none but the field's."""
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        defaults = self.env["ir.default"].with_user(manager)
        forged = {
            "state": "passed",
            "factor_after": 0.8,
            "factor_before": 1.0,
            "sets_factor": True,
            "has_figures": True,
            "bias_holds": True,
            "sd_holds": True,
            "bias_kg": 0.0,
            "valid_until": "2099-01-01",
            "serial_number": "another",
        }
        for name, value in forged.items():
            defaults.set("iot.calibration", name, value, user_id=True)
        for name, value in {"shown_kg": TWELVE_KG, "difference_liters": 0.0, "percent": 0.0}.items():
            defaults.set("iot.calibration.pair", name, value, user_id=True)
        values = {
            "meter_id": self.meter.id,
            "calibrated_at": CALIBRATED,
            "pair_ids": [(0, 0, {"shown_liters": 1.5 * LITERS, "weighed_kg": TWELVE_KG})] * 3,
        }
        calibration = self.env["iot.calibration"].with_user(manager).create(values)
        self.assertRecordValues(
            calibration, [{"state": "draft", "valid_until": False, "serial_number": False, "bias_holds": False}]
        )
        self.assertAlmostEqual(calibration.mean_percent, 50.0, 2)
        self.assertEqual(self.factor_in_force(), 1.0)
        calibration.action_settle()
        self.assertEqual(calibration.state, "failed")
        self.assertEqual(self.factor_in_force(), 1.0)

    def test_no_default_of_the_context_gets_into_a_retest(self):
        failed = self.calibrate(1.05)
        forged = {"default_state": "passed", "default_factor_after": 0.5, "default_sets_factor": True}
        retest = self.env["iot.calibration"].browse(failed.with_context(**forged).action_retest()["res_id"])
        self.assertEqual((retest.state, retest.factor_after), ("draft", 0.0))
        self.assertEqual(self.factor_in_force(), 1.0)

    def test_nobody_writes_what_follows_from_a_pair(self):
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        draft = self.calibrate(1.5, settle=False).with_user(manager)
        pair = {"shown_liters": 1.5 * LITERS, "weighed_kg": TWELVE_KG}
        for values in ({"shown_kg": TWELVE_KG}, {"corrected_liters": LITERS}, {"difference_liters": 0}, {"percent": 0}):
            with self.subTest(values=values):
                with self.assertRaisesRegex(AccessError, "nobody writes"):
                    draft.pair_ids[0].write(values)
                with self.assertRaisesRegex(AccessError, "nobody writes"):
                    draft.write({"pair_ids": [(0, 0, {**pair, **values})]})
                defaults = {f"default_{name}": value for name, value in values.items()}
                added = draft.with_context(**defaults).pair_ids.create({**pair, "calibration_id": draft.id})
                self.assertAlmostEqual(added.shown_kg, 1.5 * TWELVE_KG, 3)

    def test_no_default_puts_a_pair_into_what_is_settled(self):
        settled = self.calibrate()
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        pairs = self.env["iot.calibration.pair"].with_user(manager)
        pair = {"shown_liters": LITERS, "weighed_kg": TWELVE_KG}
        with self.assertRaisesRegex(UserError, "settled"):
            pairs.with_context(default_calibration_id=settled.id).create(pair)
        self.env["ir.default"].with_user(manager).set(
            "iot.calibration.pair", "calibration_id", settled.id, user_id=True
        )
        with self.assertRaisesRegex(UserError, "settled"):
            pairs.create(pair)

    def test_a_calibration_of_tomorrow_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "future"):
            self.calibrate(at=fields.Datetime.now() + timedelta(days=1), settle=False)

    def test_a_point_of_another_meter_is_refused(self):
        other = self.make_meter("MM-2")
        with self.assertRaises(ValidationError):
            self.calibrate(settle=False, milking_point=other.milking_point_ids[0].id)

    def test_the_check_of_one_point_of_several_leaves_the_meter_s_factor_alone(self):
        meter = self.make_meter("MM-2", milking_point_count=2)
        calibration = self.calibrate(1.01, meter, milking_point=meter.milking_point_ids[0].id)
        self.assertEqual((calibration.state, calibration.sets_factor), ("passed", False))
        self.assertEqual((meter.flow_calibration_factor, meter.next_calibration_date), (1.0, False))
        self.assertIn("Point 1: bias", self.events("calibration_passed", meter).message)

    def test_users_read_calibrations_and_managers_make_them(self):
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        draft = self.calibrate(1.01, settle=False)
        self.assertEqual(draft.with_user(user).bias_kg, draft.bias_kg)
        with self.assertRaises(AccessError):
            draft.with_user(user).action_settle()
        draft.with_user(manager).action_settle()
        self.assertAlmostEqual(self.meter.flow_calibration_factor, 1 / 1.01, 5)

    def test_a_closed_farm_s_calibrations_are_not_seen(self):
        self.farm.user_ids = new_test_user(self.env, "owner", "smart_dairy_farm.group_farm_manager")
        other = new_test_user(self.env, "neighbour", "smart_dairy_farm.group_farm_manager")
        calibration = self.calibrate()
        calibrations = self.env["iot.calibration"].with_user(other)
        self.assertFalse(calibrations.search([("id", "=", calibration.id)]))
        self.assertFalse(self.env["iot.calibration.pair"].with_user(other).search([]) & calibration.pair_ids)


@tagged("post_install", "-at_install")
class TestFactor(CalibrationCase):
    def factor(self, moment):
        return round(self.meter._factor_at(moment), 5)

    def test_without_a_calibration_it_is_the_meter_s_own(self):
        self.meter.flow_calibration_factor = 1.02
        self.assertEqual(self.factor(START), 1.02)

    def test_a_factor_is_in_force_from_its_calibration_until_the_next(self):
        self.meter.flow_calibration_factor = 1.02
        hour, day = timedelta(hours=1), timedelta(days=1)
        first = self.calibrate(1.01)
        second = self.calibrate(0.99, at=CALIBRATED + 10 * day)
        self.assertAlmostEqual(first.factor_after, 1.02 / 1.01, 4)
        self.assertAlmostEqual(second.factor_before, first.factor_after, 5)
        self.assertAlmostEqual(second.factor_after, first.factor_after / 0.99, 4)
        self.assertEqual(self.factor(CALIBRATED - hour), 1.02)
        self.assertEqual(self.factor(CALIBRATED), round(first.factor_after, 5))
        self.assertEqual(self.factor(CALIBRATED + 10 * day - hour), round(first.factor_after, 5))
        self.assertEqual(self.factor(CALIBRATED + 11 * day), round(second.factor_after, 5))
        self.assertAlmostEqual(self.meter.flow_calibration_factor, second.factor_after, 5)

    def test_one_that_is_entered_later_for_an_earlier_day_holds_until_the_one_after(self):
        late = self.calibrate(1.01, at=CALIBRATED + timedelta(days=10))
        early = self.calibrate(0.985)
        self.assertEqual(self.factor(CALIBRATED + timedelta(days=1)), round(early.factor_after, 5))
        self.assertAlmostEqual(self.meter.flow_calibration_factor, late.factor_after, 5)
        self.assertEqual(self.meter.calibration_date, date(2026, 2, 11))

    def test_a_failed_or_cancelled_one_sets_no_factor(self):
        self.calibrate(1.5)
        self.assertEqual(self.factor(START), 1.0)
        passed = self.calibrate(1.01)
        passed.action_cancel()
        self.assertEqual(self.factor(START), 1.0)
        self.assertEqual((self.meter.flow_calibration_factor, self.meter.calibration_date), (1.0, False))
        self.assertFalse(self.meter.next_calibration_date)
        with self.assertRaises(UserError):
            passed.action_cancel()

    def test_cancelling_the_last_brings_back_the_one_before(self):
        first = self.calibrate(1.01)
        self.calibrate(1.01, at=CALIBRATED + timedelta(days=10)).action_cancel()
        self.assertAlmostEqual(self.meter.flow_calibration_factor, first.factor_after, 5)
        self.assertEqual(self.meter.calibration_date, date(2026, 2, 1))

    def test_new_hardware_begins_without_the_factor_of_the_old(self):
        calibration = self.calibrate(1.01)
        self.meter.iot_device_id._replace_hardware({"device_id": "MM-9"}, "worn", date(2026, 3, 1))
        self.assertEqual(self.meter.flow_calibration_factor, 1.0)
        self.assertEqual(self.factor(calibration.ended_at + timedelta(hours=1)), 1.0)
        self.assertEqual(self.factor(START), round(calibration.factor_after, 5), "what was milked before stays")
        self.meter.flow_calibration_factor = 1.03

    def test_the_factor_of_a_calibration_is_not_typed_over(self):
        self.calibrate(1.01)
        with self.assertRaisesRegex(UserError, "calibrate it anew"):
            self.meter.flow_calibration_factor = 1.05

    def test_a_calibration_writes_to_no_milking(self):
        session = self.milk(12.0)
        production = session.production_id
        before = (session.total_yield, session.current_yield, production.quantity, session.write_date)
        self.env.flush_all()
        self.env.cr.execute("UPDATE milk_session SET write_date = '2026-03-02' WHERE id = %s", [session.id])
        self.env.invalidate_all()
        self.calibrate(1.015)
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(session.write_date, datetime(2026, 3, 2), "not even touched")
        session._on_late_data()
        self.assertEqual((session.total_yield, session.current_yield, production.quantity), before[:3])

    def test_a_message_is_scaled_by_the_factor_of_its_own_time_however_late_it_comes(self):
        first = self.calibrate(1.01)
        second = self.calibrate(0.99, at=START + timedelta(days=1))
        late = self.milk(10.0)
        self.assertAlmostEqual(late.total_yield, 10.0 * first.factor_after, 3)
        self.assertAlmostEqual(late.production_id.quantity, 10.0 * first.factor_after, 3)
        day = 24 * 3600
        self.message(day + 60, 5.0, session_id="s2", channel=1, duration_seconds=60)
        self.message(day + 300, 10.0, session_id="s2", channel=1, duration_seconds=300, milking=False)
        self.process()
        session = self.sessions() - late
        self.assertAlmostEqual(session.total_yield, 10.0 * second.factor_after, 3)

    def test_what_was_read_over_modbus_was_scaled_when_it_was_read(self):
        meter = self.make_meter("MM-3", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        calibration = self.calibrate(1.01, meter)
        self.env.flush_all()
        self.env.cr.execute("SELECT flow_calibration_factor FROM iot_milk_meter WHERE id = %s", [meter.id])
        self.assertAlmostEqual(float(self.env.cr.fetchone()[0]), calibration.factor_after, 5)
        self.assertEqual(self.milk(10.0, meter).total_yield, 10.0)

    def test_the_factor_is_the_same_whoever_asks(self):
        self.calibrate(1.01)
        other = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        self.assertEqual(round(self.meter.with_user(other)._factor_at(START), 5), self.factor(START))


@tagged("post_install", "-at_install")
class TestReminders(CalibrationCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = new_test_user(cls.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        cls.farm.user_ids = cls.manager | new_test_user(cls.env, "milker", "smart_dairy_farm.group_farm_user")
        cls.due = date(2026, 6, 30)
        cls.meter.next_calibration_date = cls.due

    def remind(self, days_before):
        noon = datetime(2026, 6, 30, 10) - timedelta(days=days_before)
        self.env["iot.milk_meter"]._remind_calibration(noon)
        return len(self.events("calibration_due"))

    def activities(self):
        kind = self.env.ref("smart_dairy_iot_milk.activity_calibration_due")
        return self.meter.iot_device_id.activity_ids.filtered(lambda activity: activity.activity_type_id == kind)

    def test_people_are_told_30_and_7_days_before_and_on_the_day_once_each(self):
        told = [self.remind(days) for days in (31, 30, 30, 29, 8, 7, 6, 1, 0, 0, -1, -40)]
        self.assertEqual(told, [0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3])
        messages = self.events("calibration_due").sorted("id").mapped("message")
        self.assertEqual(messages, ["Due on 2026-06-30, in 30 days.", "Due on 2026-06-30, in 7 days.", "Due today."])

    def test_after_an_outage_the_step_that_is_due_is_told_and_not_those_before(self):
        self.assertEqual(self.remind(3), 1)
        self.assertEqual(self.remind(-5), 2)
        self.assertIn("Overdue since 2026-06-30", self.events("calibration_due").sorted("id")[-1].message)

    def test_the_farm_s_managers_have_one_activity_until_it_is_done(self):
        self.remind(30)
        self.remind(7)
        self.assertEqual(self.activities().user_id, self.manager)
        self.assertEqual((len(self.activities()), self.activities().date_deadline), (1, self.due))
        self.calibrate()
        self.assertFalse(self.activities())

    def test_nobody_is_told_of_a_meter_that_is_archived_or_decommissioned(self):
        self.meter.iot_device_id.action_archive()
        self.assertEqual(self.remind(0), 0)
        self.meter.iot_device_id.action_unarchive()
        self.meter.iot_device_id.action_decommission()
        self.meter.iot_device_id.active = True
        self.assertEqual(self.remind(0), 0)

    def test_a_new_date_begins_anew(self):
        self.remind(0)
        self.meter.next_calibration_date = date(2026, 7, 5)
        self.assertEqual(self.remind(0), 2)

    def test_nobody_but_the_platform_sends_reminders(self):
        with self.assertRaises(AccessError):
            self.env["iot.milk_meter"].with_user(self.manager)._cron_remind_calibration()


@tagged("post_install", "-at_install")
class TestCertificate(HttpCase):
    def test_the_certificate_says_what_was_measured_and_stays_as_it_was(self):
        farm = self.env["farm.location"].create({"name": "Paper Farm", "code": "paper", "tz": "Europe/Amsterdam"})
        meter = self.env["iot.milk_meter"].create(
            {
                "name": "Left 4",
                "device_id": "MM-PAPER",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
                "serial_number": "SN-4711",
            }
        )
        calibration = self.env["iot.calibration"].create(
            {
                "meter_id": meter.id,
                "calibrated_at": CALIBRATED,
                "pair_ids": [(0, 0, {"shown_liters": shown, "weighed_kg": 10.3}) for shown in (10.125, 10.1, 10.075)],
            }
        )
        with self.assertRaisesRegex(UserError, "settled"):
            calibration.action_print_certificate()
        calibration.action_settle()
        self.assertEqual(calibration.action_print_certificate()["type"], "ir.actions.report")
        text = self.printed(calibration)
        for part in (
            calibration.name,
            "Passed",
            "Paper Farm",
            "Left 4",
            "SN-4711",
            "2026-02-01 10:00 (Europe/Amsterdam)",
            "10.125",
            "10.300",
            "0.103",  # the bias in kg: 0.1 L of 1.03 kg/L
            "0.206",  # its limit: 2 % of 10.3 kg
            "0.99010",  # 1 / 1.01
        ):
            self.assertIn("".join(part.split()), text)
        kept = self.env["ir.attachment"].search(
            [("res_model", "=", "iot.calibration"), ("res_id", "=", calibration.id), ("name", "ilike", "Calibration")]
        )
        self.assertEqual(len(kept), 1)
        meter.name = "Right 9"
        self.assertIn("Left4", self.printed(calibration), "printed again it is the same paper")

    def printed(self, calibration):
        """The PDF's text without blanks, which depend on how it was set."""
        report = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        content, kind = report._render_qweb_pdf("smart_dairy_iot_milk.report_iot_calibration", calibration.ids)
        self.assertEqual(kind, "pdf")
        return "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages).split())


@tagged("post_install", "-at_install")
class TestCalibrationScreens(HttpCase):
    def test_calibrations_the_meter_s_history_and_the_list_to_check_are_shown(self):
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "calscreen", "tz": "UTC"})
        meter = self.env["iot.milk_meter"].create(
            {
                "name": "Right 7",
                "device_id": "MM-CAL",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
            }
        )
        calibration = self.env["iot.calibration"].create(
            {
                "meter_id": meter.id,
                "calibrated_at": CALIBRATED,
                "pair_ids": [(0, 0, {"shown_liters": 10.0, "weighed_kg": 10.3}) for _pair in range(3)],
            }
        )
        calibration.action_settle()
        draft = self.env["iot.calibration"].create({"meter_id": meter.id})
        check = self.env["iot.equipment.check"].create(
            {
                "meter_id": meter.id,
                "milking_point": meter.milking_point_ids.id,
                "farm_id": farm.id,
                "found_at": START,
                "judged_at": START,
                "problems": "The vacuum was outside.",
            }
        )
        screens = [
            (self.form(calibration), [calibration.name, "Certificate", "Pairs", "Right 7", "10.300"]),
            (self.form(draft), [draft.name, "Enter three pairs at least"]),
            (self.listed(calibration), [calibration.name, "Passed"]),
            (self.form(check), ["Seen To", "The vacuum was outside.", "not enough cows"]),
            (self.listed(check), ["Right 7", "The vacuum was outside."]),
            (self.form(meter), ["To Check", "Calibration"]),
            (self.form(farm), ["Milking Equipment"]),
        ]
        home = self.env.ref("smart_dairy_iot_milk.iot_calibration_action")
        ready = "!!document.querySelector('.o_list_view')"
        self.browser_js(f"/web#action={home.id}", SCRIPT % json.dumps(screens), ready, login="admin", timeout=300)

    def listed(self, record):
        return {"res_model": record._name, "views": [[False, "list"]], "domain": [["id", "=", record.id]]}

    def form(self, record):
        return {"res_model": record._name, "views": [[False, "form"]], "res_id": record.id}
