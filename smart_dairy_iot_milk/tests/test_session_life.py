"""What becomes of milkings that do not run as they should: each case has one result."""

from datetime import timedelta

from odoo.tests.common import tagged

from .common import OTHER_TAG, START, TAG, MilkCase

MINUTE = 60


@tagged("post_install", "-at_install")
class TestSessionLife(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_cow = cls.env["farm.animal"].create({"name": "18", "farm_id": cls.farm.id, "rfid_tag": OTHER_TAG})

    def productions(self):
        return self.env["farm.milk.production"].search([("animal_id", "in", (self.cow | self.other_cow).ids)])

    def doubts(self, session):
        return self.env["iot.event"].search([("dedup_key", "=", f"milking_doubtful:{session.name}")])

    # ------------------------------------------------------------------ the end that nobody saw

    def test_a_new_milking_at_a_point_ends_the_one_before_at_its_last_message(self):
        first = self.milking_at(0, 9.0, end=False, session_id="s1")
        self.assertEqual(first.state, "in_progress")
        self.message(320, 0.2, session_id="s2", rfid_tag=OTHER_TAG, duration_seconds=15)
        self.process()
        self.assertRecordValues(
            first,
            [
                {
                    "state": "completed",
                    "ended_by_meter": False,
                    "end_time": START + timedelta(seconds=300),
                    "total_yield": 9.0,
                }
            ],
        )
        self.assertEqual(first.production_id.quantity, 9.0)
        self.assertEqual(len(self.published()), 1)
        self.assertEqual(self.meter.current_session_id.animal_id, self.other_cow)

    def test_a_milking_that_a_new_one_ended_goes_on_if_its_meter_does(self):
        first = self.milking_at(0, 9.0, end=False, session_id="s1")
        self.message(320, 0.2, session_id="s2", rfid_tag=OTHER_TAG, duration_seconds=15)
        self.process()
        self.message(304, 9.3, session_id="s1", rfid_tag=TAG, duration_seconds=304, milking=False)
        self.process()
        self.assertRecordValues(first, [{"state": "completed", "ended_by_meter": True, "total_yield": 9.3}])
        self.assertEqual(first.production_id.quantity, 9.3)

    def test_milkings_at_other_points_go_on(self):
        self.milking_at(0, 9.0, end=False, session_id="s1", channel=1)
        self.milking_at(320, 3.0, end=False, session_id="s2", channel=2, rfid_tag=OTHER_TAG)
        self.assertEqual(self.sessions().mapped("state"), ["in_progress", "in_progress"])

    def test_a_milking_told_of_a_day_late_is_ended_by_what_has_come_since(self):
        self.milking_at(24 * 3600, 8.0, session_id="today")
        late = self.milking_at(0, 9.0, end=False, session_id="yesterday")
        self.assertRecordValues(late, [{"state": "completed", "end_time": START + timedelta(seconds=300)}])

    # ------------------------------------------------------------------ the next cow, without a gap

    def test_a_swap_of_cows_without_a_gap_makes_two_milkings(self):
        first = self.milking_at(0, 9.0, session_id="s1")
        second = self.milking_at(300, 7.0, session_id="s2", rfid_tag=OTHER_TAG)
        self.assertEqual((first.animal_id, second.animal_id), (self.cow, self.other_cow))
        self.assertEqual(second.start_time, first.end_time)
        self.assertEqual(sorted(self.productions().mapped("quantity")), [7.0, 9.0])

    # ------------------------------------------------------------------ a meter that begins anew

    def test_after_a_power_cut_the_same_cow_at_the_same_point_has_one_record_of_both_parts(self):
        first = self.milking_at(0, 5.0, end=False, session_id="s1")
        rest = self.milking_at(300 + 4 * MINUTE, 7.0, session_id="s2")
        self.assertEqual(rest.continues_id, first)
        self.assertEqual(first.continued_by_ids, rest)
        self.assertRecordValues(self.productions(), [{"quantity": 12.0, "source_reference": first.name}])
        self.assertFalse(rest.production_id)

    def test_a_cluster_kicked_off_and_attached_again_is_one_milking(self):
        first = self.milking_at(0, 5.0, session_id="s1")
        self.assertEqual(first.production_id.quantity, 5.0)
        self.milking_at(300 + 9 * MINUTE, 7.0, session_id="s2")
        self.assertRecordValues(self.productions(), [{"quantity": 12.0, "source_reference": first.name}])

    def test_a_milking_may_begin_anew_more_than_once(self):
        first = self.milking_at(0, 5.0, session_id="s1")
        second = self.milking_at(400, 3.0, session_id="s2")
        third = self.milking_at(800, 2.0, session_id="s3")
        self.assertEqual((second | third).continues_id, first)
        self.assertEqual(self.productions().mapped("quantity"), [10.0])

    def test_a_rest_that_is_told_of_first_finds_its_milking(self):
        rest = self.milking_at(400, 7.0, session_id="s2")
        self.assertEqual(rest.production_id.quantity, 7.0)
        first = self.milking_at(0, 5.0, session_id="s1")
        self.assertEqual(rest.continues_id, first)
        self.assertRecordValues(self.productions(), [{"quantity": 12.0, "source_reference": first.name}])

    def test_what_was_measured_of_both_parts_counts_by_their_milk(self):
        self.milking_at(0, 4.0, session_id="s1", quality={"fat_percentage": 3.0, "somatic_cell_count": 100_000})
        self.milking_at(400, 12.0, session_id="s2", quality={"fat_percentage": 5.0})
        self.assertRecordValues(self.productions(), [{"fat_percentage": 4.5, "somatic_cell_count": 100_000}])

    def test_the_same_cow_after_a_longer_pause_was_milked_twice(self):
        self.milking_at(0, 5.0, session_id="s1")
        second = self.milking_at(300 + 10 * MINUTE + 1, 7.0, session_id="s2")
        self.assertFalse(second.continues_id)
        self.assertEqual(sorted(self.productions().mapped("quantity")), [5.0, 7.0])

    def test_how_long_a_milking_may_pause_is_the_farms_to_say(self):
        self.farm.milking_restart_minutes = 0
        self.milking_at(0, 5.0, session_id="s1")
        self.assertFalse(self.milking_at(400, 7.0, session_id="s2").continues_id)

    def test_the_next_cow_is_nobodys_rest(self):
        self.milking_at(0, 5.0, session_id="s1")
        self.assertFalse(self.milking_at(400, 7.0, session_id="s2", rfid_tag=OTHER_TAG).continues_id)

    def test_a_cow_that_comes_back_after_another_one_is_milked_anew(self):
        self.milking_at(0, 5.0, session_id="s1")
        self.milking_at(310, 6.0, length=60, session_id="s2", rfid_tag=OTHER_TAG)
        self.assertFalse(self.milking_at(400, 7.0, session_id="s3").continues_id)

    def test_a_rest_that_turns_out_to_be_another_cows_is_a_milking_of_its_own(self):
        first = self.milking_at(0, 5.0, session_id="s1")
        rest = self.milking_at(400, 7.0, session_id="s2")
        rest.animal_id = self.other_cow
        self.assertFalse(rest.continues_id)
        self.assertEqual((first.production_id.quantity, rest.production_id.quantity), (5.0, 7.0))

    def test_a_rest_that_is_declared_void_is_taken_off_the_record(self):
        first = self.milking_at(0, 5.0, session_id="s1")
        self.milking_at(400, 7.0, session_id="s2").action_cancel()
        self.assertEqual(first.production_id.quantity, 5.0)

    # ------------------------------------------------------------------ one milking told twice

    def test_two_readers_of_one_point_make_one_milking(self):
        """The same registers under two names: two processes poll, or one began anew."""
        for seconds in (10, 100, 200):
            self.message(seconds, seconds / 20, session_id="a", rfid_tag=TAG)
            self.message(seconds + 1, seconds / 20, session_id="b", rfid_tag=TAG, duration_seconds=seconds + 1)
            self.process()
        self.message(300, 15.0, session_id="b", rfid_tag=TAG, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "completed", "total_yield": 15.0}])
        self.assertEqual(self.productions().mapped("quantity"), [15.0])

    def test_a_milking_that_goes_on_under_another_name_is_counted_once(self):
        self.milking_at(0, 3.0, end=False, session_id="s1")
        self.sessions()._complete(START)
        self.message(1000, 12.0, session_id="s2", rfid_tag=TAG, duration_seconds=1000, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"total_yield": 12.0}])
        self.assertEqual(self.productions().mapped("quantity"), [12.0])

    # ------------------------------------------------------------------ the same cow elsewhere

    def test_a_cow_milked_elsewhere_within_half_an_hour_makes_the_second_milking_doubtful(self):
        first = self.milking_at(0, 9.0, session_id="s1", channel=1)
        second = self.milking_at(300 + 20 * MINUTE, 7.0, session_id="s2", channel=2)
        self.assertRecordValues(second, [{"identification": "doubtful", "total_yield": 7.0, "production_id": False}])
        self.assertEqual(self.productions().mapped("source_reference"), [first.name])
        self.assertRecordValues(
            self.doubts(second),
            [{"kind": "milking_doubtful", "severity": "medium", "iot_device_id": self.meter.iot_device_id.id}],
        )
        self.assertIn(first.name, self.doubts(second).message)

    def test_it_is_the_later_milking_that_is_doubtful_in_whatever_order_they_are_told(self):
        second = self.milking_at(300 + 20 * MINUTE, 7.0, session_id="s2", channel=2)
        self.assertTrue(second.production_id)
        first = self.milking_at(0, 9.0, session_id="s1", channel=1)
        self.assertEqual(second.identification, "doubtful")
        self.assertEqual(self.productions().mapped("source_reference"), [first.name])

    def test_a_cow_may_be_milked_again_later(self):
        self.milking_at(0, 9.0, session_id="s1", channel=1)
        second = self.milking_at(8 * 3600, 7.0, session_id="s2", channel=2)
        self.assertNotEqual(second.identification, "doubtful")
        self.assertEqual(len(self.productions()), 2)

    def test_a_cow_that_gave_nothing_elsewhere_is_milked_here(self):
        self.milking_at(0, 0.0, session_id="s1", channel=1)
        second = self.milking_at(400, 7.0, session_id="s2", channel=2)
        self.assertNotEqual(second.identification, "doubtful")
        self.assertEqual(self.productions().mapped("quantity"), [7.0])

    def test_how_soon_is_too_soon_is_the_farms_to_say(self):
        self.farm.milking_twice_minutes = 0
        self.milking_at(0, 9.0, session_id="s1", channel=1)
        self.milking_at(400, 7.0, session_id="s2", channel=2)
        self.assertEqual(len(self.productions()), 2)

    def test_whom_a_person_names_is_not_doubted(self):
        self.milking_at(0, 9.0, session_id="s1", channel=1)
        second = self.milking_at(400, 7.0, session_id="s2", channel=2)
        second.animal_id = self.other_cow
        second.animal_id = self.cow
        self.assertEqual(second.identification, "person")
        self.assertEqual(second.production_id.quantity, 7.0)
        self.assertEqual(len(self.doubts(second)), 1)

    # ------------------------------------------------------------------ the rest of the table

    def test_a_milking_cancelled_stays_so_though_its_meter_goes_on(self):
        session = self.milking_at(0, 5.0, end=False)
        session.action_cancel()
        self.message(400, 8.0, rfid_tag=TAG, duration_seconds=400, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "cancelled", "current_yield": 5.0}])
        self.assertFalse(self.productions())

    def test_volumes_of_a_publishing_meter_are_multiplied_with_its_factor(self):
        self.meter.flow_calibration_factor = 1.1
        session = self.milking_at(0, 10.0, flow_rate=2.0, quality={"quarters": {"lf": {"yield_liters": 3.0}}})
        self.assertAlmostEqual(session.total_yield, 11.0)
        self.assertAlmostEqual(session.peak_flow_rate, 2.2)
        self.assertAlmostEqual(session.yield_lf, 3.3)

    def test_quarters_are_kept(self):
        quarters = {
            quarter: {"conductivity": 5.0 + number / 10, "yield_liters": 2.0 + number}
            for number, quarter in enumerate(("lf", "rf", "lr", "rr"))
        }
        session = self.milking_at(
            0, 14.0, quality={"quarters": quarters}, equipment={"pulsation_rate": 60, "pulsation_ratio": 62.5}
        )
        self.assertRecordValues(
            session,
            [
                {
                    "conductivity_lf": 5.0,
                    "conductivity_rf": 5.1,
                    "conductivity_lr": 5.2,
                    "conductivity_rr": 5.3,
                    "yield_lf": 2.0,
                    "yield_rf": 3.0,
                    "yield_lr": 4.0,
                    "yield_rr": 5.0,
                    "pulsation_ratio": 62.5,
                }
            ],
        )

    def test_a_display_that_is_cleared_at_the_end_takes_no_quarter_with_it(self):
        self.message(299, 12.0, quality={"quarters": {"lf": {"yield_liters": 3.0}}})
        self.message(300, 0.0, milking=False, quality={"quarters": {"lf": {"yield_liters": 0.0}}})
        self.process()
        self.assertRecordValues(self.sessions(), [{"total_yield": 12.0, "yield_lf": 3.0}])

    def test_a_batch_of_many_milkings_takes_a_query_for_all_their_points(self):
        points = range(1, 17)
        for seconds in range(10, 200, 10):
            for channel in points:
                self.message(seconds, seconds / 20, session_id=f"s{channel}", channel=channel)
        self.process()
        for seconds in range(200, 300, 10):
            for channel in points:
                self.message(seconds, seconds / 20, session_id=f"s{channel}", channel=channel)
        self.env.flush_all()
        with self.assertQueryCount(10):
            self.env["iot.inbox"].process()
        self.assertEqual(set(self.sessions().mapped("current_yield")), {14.5})
