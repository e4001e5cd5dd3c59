"""A cow and a meter of the hill farm, and its milkings as other systems see them."""

from datetime import datetime, timedelta

from odoo.addons.smart_dairy_iot.tests.api import ApiCase

from ..controllers.api.ade_api import PREFIX

START = datetime(2024, 3, 1, 4, 30)
HILL = "/locations/smart-dairy.farm/HILL/milking-visits"


class AdeCase(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cow = cls.env["farm.animal"].create({"name": "17", "farm_id": cls.hill.id})
        cls.meter = cls.env["iot.milk_meter"].create(
            {
                "name": "Meter 1",
                "device_id": "MM-1",
                "farm_id": cls.hill.id,
                "manufacturer": "other",
                "communication_type": "api",
            }
        )

    def make_session(self, number=0, changed=None, **vals):
        """A completed milking, `number` hours after the first one.

        :param changed: when it changed last, naive UTC
        """
        start = START + timedelta(hours=number)
        session = self.env["milk.session"].create(
            {
                "meter_id": self.meter.id,
                "animal_id": self.cow.id,
                "start_time": start,
                "end_time": start + timedelta(minutes=5),
                "total_yield": 10.0,
                "current_yield": 10.0,
                "state": "completed",
                **vals,
            }
        )
        if changed:
            self.change(session, changed)
        return session

    def change(self, session, moment):
        """Have a session changed at a moment: in a test all happens in one transaction, and so at one time."""
        self.env.flush_all()
        self.env.cr.execute("UPDATE milk_session SET write_date = %s WHERE id = %s", [moment, session.id])
        self.env.invalidate_all()

    def ade(self, method, path, caller="manager", **options):
        return self.call(method, path, caller, prefix=PREFIX, **options)

    def page(self, query="", path=HILL, caller="manager"):
        response = self.ade("GET", f"{path}{query}", caller)
        self.assertEqual(response.status_code, 200, response.text)
        return response.json()

    def names(self, page):
        """The sessions that a page has, in its order."""
        sessions = self.env["milk.session"].search([("farm_id", "=", self.hill.id)])
        by_id = {session._ade_id(): session for session in sessions}
        return [by_id[visit["meta"]["sourceId"]] for visit in page["member"]]

    def assertAdeError(self, response, status, code):
        self.assertEqual(response.status_code, status, response.text)
        body = response.json()
        self.assertEqual(set(body), {"errors"})
        for error in body["errors"]:
            self.assertEqual((error["status"], error["type"], error["severity"]), (status, code, "Error"))
            self.assertTrue(error["detail"])
        return body["errors"]
