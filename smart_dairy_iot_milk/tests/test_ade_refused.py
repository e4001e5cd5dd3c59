"""What is wrong with one milking of another system keeps back no other, by the API and from a file."""

import base64

import orjson

from odoo.tests import tagged
from odoo.tools import mute_logger

from .ade_common import HILL
from .test_ade_import import ImportCase


class RefusedCase(ImportCase):
    def name_taken(self):
        """Have the next session's name be there already: the database refuses one visit, and its successors pass."""
        sequence = self.env["ir.sequence"].search([("code", "=", "milk.session.sequence")])
        session = self.make_session(1000)
        self.env.flush_all()
        name = sequence.get_next_char(sequence.number_next_actual)
        self.env.cr.execute("UPDATE milk_session SET name = %s WHERE id = %s", [name, session.id])
        self.env.invalidate_all()


@tagged("post_install", "-at_install")
class TestAdeRefused(RefusedCase):
    def test_a_visit_with_a_nul_in_a_text_is_refused_alone_and_says_where(self):
        nuls = [
            self.visit(0, meta={"sourceId": "a\0b"}),
            self.visit(1, measureDeviceId="MM\0"),
            self.visit(2, animal={"scheme": "nl.v1", "id": "\0"}),
            self.visit(3, milkCharacteristics=[{"characteristic": "FAT", "value": "4\0"}]),
        ]
        body = [*nuls, self.visit(4, **{"anything else\0": "\0"})]
        for attempt in range(2):
            headers = {"Idempotency-Key": "nul"}
            response = self.ade("POST", f"/batches{HILL}", json=body, headers=headers)
            self.assertEqual(response.status_code, 207, (attempt, response.text))
            *refused, taken = response.json()
            told = [result["messages"][0]["detail"] for result in refused]
            for place, sentence in zip(
                ("meta.sourceId", "measureDeviceId", "animal.id", "milkCharacteristics[0].value"), told, strict=True
            ):
                self.assertIn(place, sentence)
            self.assertEqual((taken["id"], taken["messages"]), ("m4", []))
        for visit in nuls:
            self.assertAdeError(self.ade("POST", HILL, json=visit), 400, "invalid_request")

    def test_a_visit_that_the_database_refuses_keeps_back_no_other(self):
        self.name_taken()
        response = self.ade("POST", f"/batches{HILL}", json=[self.visit(0), self.visit(12)])
        self.assertEqual(response.status_code, 207, response.text)
        (message,), none = (result["messages"] for result in response.json())
        self.assertEqual((message["status"], message["type"], none), (409, "conflict", []))


@tagged("post_install", "-at_install")
class TestAdeImportFile(RefusedCase):
    def import_file(self, *visits):
        wizard = self.env["ade.import.wizard"].with_user(self.manager)
        wizard = wizard.create({"farm_id": self.hill.id, "file": base64.b64encode(orjson.dumps(visits))})
        with mute_logger("odoo.sql_db"):
            wizard.action_import()
        return wizard

    def test_all_that_can_be_taken_is_and_of_the_others_is_said_why_not(self):
        wizard = self.import_file(
            self.visit(0), self.visit(1, meta={"sourceId": "a\0b"}), self.visit(2, animal={"scheme": "a", "id": "b"}), 7
        )
        self.assertEqual((wizard.created_count, wizard.problem_count), (1, 3))
        first, second, third = wizard.problems.splitlines()
        self.assertIn("Milking 2: meta.sourceId", first)
        self.assertIn("Milking 3: There is no animal b of scheme a", second)
        self.assertTrue(third.startswith("Milking 4:"))

    def test_a_visit_that_the_database_refuses_keeps_back_no_other(self):
        self.name_taken()
        wizard = self.import_file(self.visit(0), self.visit(12))
        self.assertEqual((wizard.created_count, wizard.problem_count), (1, 1))
        self.assertEqual(wizard.problems, "Milking 1: Session ID must be unique!")
