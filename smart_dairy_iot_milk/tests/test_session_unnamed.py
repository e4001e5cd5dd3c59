"""Messages that name no milking are put together by themselves."""

from odoo.tests.common import tagged

from .common import OTHER_TAG, TAG, MilkCase


@tagged("post_install", "-at_install")
class TestUnnamedSession(MilkCase):
    """Meters that give a milking no name of its own."""

    def test_messages_without_a_session_id_belong_together_while_the_yield_grows(self):
        for seconds in (10, 60, 120):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=TAG)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0}])

    def test_a_yield_that_starts_again_is_the_next_milking(self):
        self.message(10, 1.0, session_id=None, duration_seconds=None)
        self.message(100, 9.0, session_id=None, duration_seconds=None)
        self.message(160, 0.5, session_id=None, duration_seconds=None)
        self.process()
        self.assertEqual(sorted(self.sessions().mapped("current_yield")), [0.5, 9.0])

    def test_another_cow_or_a_long_silence_is_another_milking(self):
        self.message(10, 1.0, session_id=None, rfid_tag=TAG, duration_seconds=None)
        self.message(20, 2.0, session_id=None, rfid_tag=OTHER_TAG, duration_seconds=None)
        self.message(900, 3.0, session_id=None, rfid_tag=OTHER_TAG, duration_seconds=None)
        self.process()
        self.assertEqual(len(self.sessions()), 3)

    def test_a_tag_in_whatever_form_does_not_tear_a_milking_apart(self):
        for seconds, form in ((10, "999123456789012"), (60, "LA 999 123456789012"), (120, TAG)):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=form)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0, "animal_id": self.cow.id}])

    def test_a_reader_that_misses_the_tag_does_not_tear_a_milking_apart(self):
        for seconds, sent in ((10, TAG), (60, "NO READ"), (120, TAG)):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=sent)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0, "rfid_tag": TAG}])

    def test_a_yield_of_more_decimals_than_are_stored_does_not_tear_a_milking_apart(self):
        self.message(60, 4.1236, session_id=None)
        self.process()
        # What the database holds counts, not what is still in the cache.
        self.env.invalidate_all()
        self.message(120, 4.1236, session_id=None, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "completed", "total_yield": 4.124}])

    def test_a_milking_that_was_ended_without_the_meter_and_goes_on_is_no_second_one(self):
        """A time-out while the messages were held up, or a hand: the yield counts on, and must not count twice."""
        self.message(10, 1.0, session_id=None, rfid_tag=TAG)
        self.process()
        self.sessions().action_complete()
        self.message(60, 6.0, session_id=None, rfid_tag=TAG)
        self.process()
        self.message(120, 12.0, session_id=None, rfid_tag=TAG, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "completed", "total_yield": 12.0}])
        self.assertEqual(self.sessions().production_id.quantity, 12.0)
        self.assertEqual(self.cow.production_count, 1)

    def test_what_a_meter_still_says_of_a_cancelled_milking_is_ignored_to_its_end(self):
        self.message(10, 1.0, session_id=None)
        self.process()
        self.sessions().action_cancel()
        for seconds in (200, 400, 600):
            self.message(seconds, seconds / 50, session_id=None, milking=seconds < 600)
            self.process()
        self.assertRecordValues(self.sessions(), [{"state": "cancelled", "current_yield": 1.0}])
        self.message(640, 1.5, session_id=None, duration_seconds=20)
        self.process()
        self.assertEqual(self.sessions().mapped("state"), ["in_progress", "cancelled"])

    def test_a_meter_that_reports_each_milking_once_has_one_for_each_report(self):
        for number, liters in enumerate((9.0, 11.0)):
            self.message(200 * number, liters, session_id=None, duration_seconds=None, milking=False)
            self.process()
        self.assertEqual(sorted(self.sessions().mapped("total_yield")), [9.0, 11.0])

    def test_milking_points_are_told_apart(self):
        self.meter.milking_point_count = 2
        self.message(10, 1.0, session_id=None, channel=1)
        self.message(10, 2.0, session_id=None, channel=2)
        self.process()
        self.assertEqual(self.sessions().milking_point, self.meter.milking_point_ids)

    def test_a_repeated_message_opens_no_second_session(self):
        for _repetition in range(2):
            self.message(10, 1.0, session_id=None, rfid_tag=TAG)
            self.message(60, 4.0, session_id=None, rfid_tag=TAG, milking=False)
            self.env.cr.execute("UPDATE iot_inbox SET state = 'new'")
            self.process()
        self.assertEqual(len(self.sessions()), 1)
