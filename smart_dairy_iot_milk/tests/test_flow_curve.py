"""The course of a milking's flow, as the telemetry has it."""

from odoo.tests.common import tagged

from .common import TAG, MilkCase


@tagged("post_install", "-at_install")
class TestFlowCurve(MilkCase):
    def read_flows(self, flows, every=1, start=0, **values):
        for number, flow in enumerate(flows):
            self.store_reading(start + number * every, session_id="s1", yield_liters=1.0, flow_rate_lpm=flow, **values)

    def test_a_completed_milking_keeps_its_curve_and_what_it_says(self):
        self.read_flows([1.0, 2.0, 4.0, 4.0, 0.0, 0.0, 4.0, 0.25, 0.25, 0.25], every=30)
        session = self.milk(12.0, flow_rate=4.0)
        self.assertEqual(session.flow_curve["step_seconds"], 2)
        self.assertEqual([flow for flow in session.flow_curve["flow_lpm"] if flow is not None][:3], [1.0, 2.0, 4.0])
        self.assertEqual(len(session.flow_curve["flow_lpm"]), 150)
        self.assertRecordValues(session, [{"time_to_peak_seconds": 60, "low_flow_seconds": 90, "kick_off_count": 1}])

    def test_a_running_milking_has_no_curve_yet(self):
        self.read_flows([1.0, 2.0])
        self.message(10, 1.0, rfid_tag=TAG)
        self.process()
        self.assertFalse(self.sessions().flow_curve)

    def test_without_readings_there_is_no_curve(self):
        session = self.milk(12.0)
        self.assertFalse(session.flow_curve)
        self.assertEqual(session.kick_off_count, 0)

    def test_readings_of_other_points_meters_and_times_are_not_of_it(self):
        other = self.make_meter("MM-2")
        self.read_flows([9.0], channel=1, start=10)
        self.read_flows([9.0], meter=other, start=10)
        self.read_flows([9.0], start=301)
        self.assertFalse(self.milk(12.0).flow_curve)

    def test_late_readings_correct_the_curve(self):
        self.read_flows([3.0])
        session = self.milk(12.0)
        self.read_flows([3.0], start=200)
        self.message(302, 12.1, rfid_tag=TAG, milking=False)
        self.process()
        self.assertEqual([flow for flow in session.flow_curve["flow_lpm"] if flow is not None], [3.0, 3.0])

    def test_a_curve_outlives_its_readings(self):
        self.read_flows([3.0])
        session = self.milk(12.0)
        self.env.cr.execute(
            "DELETE FROM milk_production_realtime WHERE iot_device_id = %s", [self.meter.iot_device_id.id]
        )
        self.message(302, 12.1, rfid_tag=TAG, milking=False)
        self.process()
        self.assertTrue(session.flow_curve)

    def test_flows_of_a_publishing_meter_are_multiplied_with_its_factor(self):
        self.meter.flow_calibration_factor = 1.5
        self.read_flows([2.0])
        self.assertEqual(self.milk(12.0).flow_curve["flow_lpm"][0], 3.0)
