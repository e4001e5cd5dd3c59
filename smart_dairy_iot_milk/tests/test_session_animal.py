"""Whose milking it is."""

from datetime import timedelta

from odoo.tests.common import tagged

from .common import OTHER_TAG, START, TAG, MilkCase


@tagged("post_install", "-at_install")
class TestAnimal(MilkCase):
    def test_the_tag_names_the_cow_in_whatever_form_it_comes(self):
        for number, form in enumerate([TAG, "999123456789012", "LA 999 123456789012", "3E7.1CBE991A14"]):
            self.message(10 + number, 1.0, session_id=f"form{number}", rfid_tag=form, channel=number)
        self.process()
        self.assertEqual(len(self.sessions()), 4)
        self.assertEqual(self.sessions().animal_id, self.cow)
        self.assertEqual(set(self.sessions().mapped("rfid_tag")), {TAG})

    def test_the_cow_is_the_one_that_wore_the_tag_then(self):
        self.cow.rfid_ids.write({"date_from": START - timedelta(days=9), "date_to": START + timedelta(days=1)})
        heir = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": TAG})
        self.assertEqual(self.env["farm.animal"]._find_by_rfid(TAG), heir)
        self.assertEqual(self.milk().animal_id, self.cow)

    def test_a_milking_of_an_unknown_cow_is_kept(self):
        session = self.milk(rfid_tag=OTHER_TAG)
        self.assertRecordValues(
            session, [{"state": "completed", "animal_id": False, "rfid_tag": OTHER_TAG, "total_yield": 12.0}]
        )
        self.assertFalse(session.production_id)

    def test_a_tag_that_is_none_is_kept_as_it_was_sent(self):
        session = self.milk(rfid_tag="no tag at all")
        self.assertRecordValues(session, [{"animal_id": False, "rfid_tag": "no tag at all"}])

    def test_a_tag_takes_the_place_of_what_was_none(self):
        self.message(10, 1.0, rfid_tag="NO READ")
        self.process()
        self.assertEqual(self.sessions().rfid_tag, "NO READ")
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])

    def test_the_first_tag_that_was_read_counts_in_whatever_order_it_comes(self):
        self.message(20, 2.0, rfid_tag=OTHER_TAG)
        self.message(10, 1.0, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])

    def test_a_tag_read_late_names_the_cow_of_the_running_milking(self):
        self.message(10, 1.0)
        self.process()
        self.assertFalse(self.sessions().animal_id)
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_the_number_of_the_cow_will_do_without_a_tag(self):
        self.assertEqual(self.milk(rfid_tag=None, animal_id="17").animal_id, self.cow)

    def test_a_cow_that_was_entered_by_hand_stays(self):
        by_hand = self.env["farm.animal"].create({"name": "99", "farm_id": self.farm.id})
        self.message(10, 1.0)
        self.process()
        self.sessions().animal_id = by_hand
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, by_hand)

    def test_the_number_names_the_cow_of_the_farm_of_the_milking_though_the_meter_has_moved(self):
        self.message(10, 1.0)
        self.process()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "elsewhere", "tz": "UTC"})
        self.env["farm.animal"].create({"name": "17", "farm_id": elsewhere.id})
        self.meter.write({"farm_id": elsewhere.id})
        self.message(20, 2.0, animal_id="17")
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_a_cow_of_another_company_is_unknown_here(self):
        company = self.env["res.company"].create({"name": "Neighbour"})
        farm = self.env["farm.location"].create(
            {"name": "N", "code": "neighbour", "company_id": company.id, "tz": "UTC"}
        )
        self.env["farm.animal"].create({"name": "1", "farm_id": farm.id, "rfid_tag": OTHER_TAG})
        self.assertFalse(self.milk(rfid_tag=OTHER_TAG).animal_id)
