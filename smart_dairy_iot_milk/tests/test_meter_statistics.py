"""What the list of meters says of their milkings: counts, sums and means, however many meters there are."""

from datetime import timedelta

from odoo.tests.common import tagged

from .common import START, MilkCase


@tagged("post_install", "-at_install")
class TestStatistics(MilkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.meters = cls.env["iot.milk_meter"].concat(*(cls.make_meter(f"MM-1{number}") for number in range(10)))
        values = []
        for number, meter in enumerate(cls.meters):
            # As many milkings as its number says, of 10 L, 11 L and so on; a running and a void one count nowhere.
            for milking in range(number + 2):
                values.append(
                    {
                        "meter_id": meter.id,
                        "start_time": START + timedelta(hours=milking),
                        "total_yield": 10.0 + milking,
                        "state": "completed" if milking < number else ("in_progress", "cancelled")[milking - number],
                    }
                )
        cls.env["milk.session"].create(values)

    def queries(self, meters):
        """How many statements it takes to show the statistics of some meters."""
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        meters.read(["total_sessions", "total_yield_liters", "avg_session_yield"])
        return self.env.cr.sql_log_count - before

    def test_each_meter_has_its_own_count_sum_and_mean(self):
        for number, meter in enumerate(self.meters):
            liters = [10.0 + milking for milking in range(number)]
            self.assertRecordValues(
                meter,
                [
                    {
                        "total_sessions": number,
                        "total_yield_liters": sum(liters),
                        "avg_session_yield": sum(liters) / number if number else 0.0,
                    }
                ],
            )

    def test_ten_meters_take_as_many_queries_as_one(self):
        self.queries(self.meters)  # what is looked up once for all time
        self.assertEqual(self.queries(self.meters), self.queries(self.meters[5]))
        self.assertGreater(self.queries(self.meters[5]), 0)
