"""Health events are open until done, and a withdrawal period lies after its event."""

from datetime import date

from odoo.exceptions import ValidationError

from .common import HerdCase


class TestHealthEvent(HerdCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.animal = cls.make_animal("17")

    def record(self, **values):
        """Record a health event of the animal."""
        defaults = {"animal_id": self.animal.id, "event_type": "treatment", "date": date(2025, 3, 1)}
        return self.env["farm.health.event"].create({**defaults, **values})

    def test_the_animal_counts_its_open_events(self):
        event = self.record()
        self.record(event_type="hoof_trimming")
        self.assertEqual(self.animal.health_event_count, 2)
        event.action_done()
        self.assertEqual(self.animal.health_event_count, 1)
        event.action_reopen()
        self.assertEqual(self.animal.health_event_count, 2)

    def test_a_device_records_what_it_found(self):
        event = self.env["farm.health.event"].create(
            {
                "animal_id": self.animal.id,
                "event_type": "mastitis_indicator",
                "description": "Elevated milk conductivity",
                "source": "iot_milk_meter",
                "source_reference": "MM001",
            }
        )
        self.assertEqual((event.farm_id, event.state), (self.farm, "open"))
        self.assertTrue(event.date)

    def test_a_withdrawal_does_not_end_before_its_treatment(self):
        self.record(withdrawal_until=date(2025, 3, 1))
        with self.assertRaises(ValidationError):
            self.record(withdrawal_until=date(2025, 2, 28))

    def test_an_event_stays_with_the_farm_when_the_animal_moves(self):
        event = self.record()
        self.animal.farm_id = self.make_farm("TEST-B")
        self.assertEqual(event.farm_id, self.farm)

    def test_an_event_is_called_by_what_happened_to_whom(self):
        self.assertEqual(self.record(event_type="heat").display_name, "Heat 17")
