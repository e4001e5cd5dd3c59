"""Herd and milk come in by Odoo's own import, and each wrong row says what is wrong with it."""

import json
from collections import defaultdict

from odoo.tools import file_open, mute_logger

from .common import TAG_CANONICAL, HerdCase

OPTIONS = {
    "has_headers": True,
    "quoting": '"',
    "separator": ",",
    "encoding": "utf-8",
    "date_format": "",
    "datetime_format": "",
    "float_thousand_separator": ",",
    "float_decimal_separator": ".",
    "advanced": False,
}
XLS = "application/vnd.ms-excel"


class TestImport(HerdCase):
    def load(self, model, rows):
        """Import rows of text, the first one with the names of the fields; return Odoo's answer."""
        content = "\n".join(",".join(row) for row in rows).encode()
        wizard = self.env["base_import.import"].create({"res_model": model, "file": content, "file_type": "text/csv"})
        return wizard.execute_import(rows[0], rows[0], {**OPTIONS})

    def load_template(self, model):
        """Import a model's template as a user who downloads it and sends it back; return the headers and the answer."""
        [template] = self.env[model].get_import_templates()
        with file_open(template["template"].lstrip("/"), "rb") as file:
            content = file.read()
        wizard = self.env["base_import.import"].create({"res_model": model, "file": content, "file_type": XLS})
        preview = wizard.parse_preview({**OPTIONS})
        self.assertNotIn("error", preview)
        headers = preview["headers"]
        matches = {int(column): path for column, path in preview["matches"].items()}
        columns = [matches.get(column, [False])[0] for column in range(len(headers))]
        self.assertNotIn(False, columns, f"a column of the template is no field: {headers} {json.dumps(columns)}")
        return headers, wizard.execute_import(columns, headers, {**preview["options"]})

    def test_the_template_for_animals_imports_as_it_is(self):
        farm = self.env["farm.location"].search([("code", "=", "FARM001")]) or self.make_farm("FARM001")
        for code in ("L1", "D1", "C1"):
            if not self.env["farm.pen"].search([("reference", "=", f"FARM001/{code}")]):
                self.env["farm.pen"].create({"name": code, "code": code, "farm_id": farm.id})
        _headers, answer = self.load_template("farm.animal")
        self.assertFalse(answer["messages"])
        cow, dry, calf = self.env["farm.animal"].browse(answer["ids"])
        self.assertEqual((cow.name, cow.pen_id.reference, cow.status), ("17", "FARM001/L1", "lactating"))
        self.assertEqual((cow.rfid_numbers, str(cow.last_calving_date)), ("982000001088417", "2025-01-20"))
        self.assertEqual((dry.status, dry.rfid_numbers), ("dry", "982000001088418"))
        self.assertEqual((calf.status, calf.rfid_ids), ("calf", self.env["farm.animal.rfid"]))

    def test_the_template_for_milk_finds_its_animals_by_tag_and_imports_once(self):
        cow = self.make_animal("17", rfid_tag="982000001088417")
        _headers, answer = self.load_template("farm.milk.production")
        self.assertFalse(answer["messages"])
        milkings = self.env["farm.milk.production"].browse(answer["ids"]).sorted("milking_time")
        self.assertEqual(milkings.animal_id, cow)
        self.assertEqual([round(milking.quantity, 3) for milking in milkings], [14.2, 12.6])
        self.assertEqual(set(milkings.mapped("source")), {"import"})
        with mute_logger("odoo.sql_db"):
            _headers, again = self.load_template("farm.milk.production")
        self.assertTrue(again["messages"])
        self.assertEqual(cow.production_count, 2)

    def test_each_wrong_row_is_told_with_its_number(self):
        self.make_animal("1", rfid_tag="982000001088420")
        with mute_logger("odoo.sql_db"):
            answer = self.load(
                "farm.animal",
                [
                    ["name", "farm_id", "pen_id", "status", "rfid_tag"],
                    ["2", "TEST-A", "TEST-A/L", "lactating", "982 000001088421"],
                    ["3", "TEST-A", "", "lactating", "9.82E+14"],
                    ["4", "TEST-A", "", "milking", ""],
                    ["5", "NO-FARM", "", "dry", ""],
                    ["6", "TEST-A", "", "dry", "LA 982 000001088420"],
                ],
            )
        self.assertFalse(answer["ids"])
        said = defaultdict(str)
        for message in answer["messages"]:
            said[message["rows"]["from"]] += message["message"]
        self.assertEqual(set(said), {1, 2, 3, 4})
        self.assertIn("15 digits", said[1])
        self.assertIn("milking", said[2])
        self.assertIn("NO-FARM", said[3])
        self.assertIn("worn by animal 1", said[4])
        self.assertFalse(self.env["farm.animal"].search([("farm_id", "=", self.farm.id), ("name", "=", "2")]))

    def test_any_form_of_a_tag_is_imported(self):
        forms = {"2": "LA 982 000001088420", "3": "964000000123456", "4": "3E7.1CBE991A14"}
        rows = [[name, "TEST-A", form] for name, form in forms.items()]
        answer = self.load("farm.animal", [["name", "farm_id", "rfid_tag"], *rows])
        self.assertFalse(answer["messages"])
        tags = self.env["farm.animal"].browse(answer["ids"]).mapped("rfid_tag")
        self.assertEqual(tags, [TAG_CANONICAL, "8000F1000001E240", "8000F9DCBE991A14"])

    def test_milk_without_a_reference_is_imported_row_by_row(self):
        self.make_animal("17", rfid_tag="982000001088420")
        answer = self.load(
            "farm.milk.production",
            [
                ["animal_id", "date", "milking_time", "quantity", "source", "source_reference"],
                ["982000001088420", "2025-03-01", "am", "11.5", "import", ""],
                ["17", "2025-03-01", "pm", "10.5", "import", ""],
            ],
        )
        self.assertFalse(answer["messages"])
        self.assertEqual(len(answer["ids"]), 2)
