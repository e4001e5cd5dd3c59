"""Reports of a farm's milk: their figures, and their files."""

import io
import json
import time
from datetime import date, datetime, timedelta

import openpyxl
from PyPDF2 import PdfReader

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tests.common import HttpCase, TransactionCase

from ..exchange.workbook import DIGITS
from .dashboard_common import DashboardFarms

DAY = date(2023, 2, 28)
MORNING = datetime(2023, 2, 28, 5, 0)
#: Of a sheet: below its title, whose it is, and a free line.
FACTS_ROW = 3


def _plain(value):
    """A cell's value; a day as such."""
    return value.date() if isinstance(value, datetime) else value


class ReportCase(DashboardFarms, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reports = cls.env["milk.report"]

    def setUp(self):
        super().setUp()
        self.farm = self.make_farm("REPORT")
        self.meter = self.make_meter(self.farm)
        self.cow, self.other = self.make_animal(self.farm, "17"), self.make_animal(self.farm, "18")

    def produce(self, animal, liters, day=DAY, half="am", **values):
        return self.env["farm.milk.production"].create(
            {"animal_id": animal.id, "date": day, "milking_time": half, "quantity": liters, **values}
        )

    def produce_herd(self, size):
        """Two milkings of 12 litres of each cow of a herd."""
        cows = self.env["farm.animal"].create([{"name": f"c{n}", "farm_id": self.farm.id} for n in range(size)])
        self.env["farm.milk.production"].create(
            [
                {"animal_id": cow.id, "date": DAY, "milking_time": half, "quantity": 12}
                for cow in cows
                for half in ("am", "pm")
            ]
        )

    def treat(self, animal, until, day=DAY):
        return self.env["farm.health.event"].create(
            {"animal_id": animal.id, "event_type": "treatment", "date": day, "withdrawal_until": until}
        )

    def wizard(self, **values):
        return self.env["milk.report.wizard"].create(
            {"report": "daily", "farm_id": self.farm.id, "since": DAY, "until": DAY, **values}
        )

    def rows(self, report, table=0):
        """{what is in the first column: dict of the row by its headings}"""
        titles = [column["title"] for column in report["tables"][table]["columns"]]
        return {row[0]: dict(zip(titles, row, strict=True)) for row in report["tables"][table]["rows"]}

    def facts(self, report):
        return {label: value for label, value, _kind in report["facts"]}


@tagged("post_install", "-at_install")
class TestReports(ReportCase):
    def test_a_day_has_each_animals_halves_their_sum_and_the_means_by_the_milk(self):
        self.produce(self.cow, 12, fat_percentage=4.0, somatic_cell_count=100_000)
        self.produce(self.cow, 8, half="pm", fat_percentage=5.0)
        self.produce(self.other, 10)
        self.produce(self.other, 99, day=DAY - timedelta(days=1))
        report = self.reports.daily(self.farm, DAY)
        row = self.rows(report)["17"]
        self.assertEqual((row["Morning (L)"], row["Evening (L)"], row["Day (L)"], row["Milkings"]), (12, 8, 20, 2))
        self.assertAlmostEqual(row["Fat (%)"], 4.4)
        # The evening's milk was not counted for cells: it does not stand for none.
        self.assertEqual(row["Cells (1000/mL)"], 100)
        self.assertIsNone(row["Protein (%)"])
        self.assertEqual(self.rows(report)["18"]["Day (L)"], 10)
        self.assertIsNone(self.rows(report)["18"]["Evening (L)"])
        facts = self.facts(report)
        self.assertEqual((facts["Milk (L)"], facts["Animals milked"], facts["Milk per animal (L)"]), (30, 2, 15))
        self.assertEqual(report["tables"][0]["total"][4], 30)

    def test_withheld_milk_and_that_of_unknown_animals_are_shown_as_such(self):
        self.produce(self.cow, 12)
        self.treat(self.cow, DAY + timedelta(days=3), day=DAY - timedelta(days=1))
        self.treat(self.other, DAY - timedelta(days=1), day=DAY - timedelta(days=2))
        self.produce(self.other, 10)
        self.make_session(self.meter, MORNING, 7.5)
        self.make_session(self.meter, MORNING + timedelta(hours=10), 2.5)
        self.make_session(self.meter, MORNING + timedelta(hours=11), 4.0, state="in_progress")
        report = self.reports.daily(self.farm, DAY)
        rows, facts = self.rows(report), self.facts(report)
        self.assertEqual((rows["17"]["Delivery"], rows["18"]["Delivery"]), ("withheld", None))
        unknown = rows["Unknown animal"]
        self.assertEqual((unknown["Morning (L)"], unknown["Evening (L)"], unknown["Milkings"]), (7.5, 2.5, 2))
        self.assertEqual(facts["Milk (L)"], 32)
        self.assertEqual((facts["of it withheld (L)"], facts["of it of unknown animals (L)"]), (12, 10))

    def test_milk_that_was_graded_reject_is_not_for_delivery(self):
        for animal, liters, blood in ((self.cow, 12.0, True), (self.cow, 8.0, False), (self.other, 10.0, True)):
            self.make_session(self.meter, MORNING, liters, animal_id=animal.id, blood_detected=blood)
            self.produce(animal, liters)
        self.treat(self.other, DAY)
        report = self.reports.daily(self.farm, DAY)
        rows, facts = self.rows(report), self.facts(report)
        self.assertEqual((rows["17"]["Delivery"], rows["18"]["Delivery"]), ("12.0 L rejected", "withheld"))
        # Each litre once.
        self.assertEqual((facts["of it withheld (L)"], facts["of it graded reject, not withheld (L)"]), (10, 12))
        record = self.rows(self.reports.animal(self.cow, DAY, DAY))
        self.assertEqual(record[DAY]["Delivery"], "12.0 L rejected")

    def test_animals_are_in_the_order_of_their_numbers(self):
        for name in ("100", "9"):
            self.produce(self.make_animal(self.farm, name), 10)
        self.produce(self.cow, 10)
        self.assertEqual(list(self.rows(self.reports.daily(self.farm, DAY))), ["9", "17", "100"])

    def test_the_day_is_the_farms_also_one_of_23_hours(self):
        self.farm.tz = "Europe/Amsterdam"
        spring = date(2023, 3, 26)  # begins at 23:00 UTC, and ends at 22:00
        for start in (datetime(2023, 3, 25, 22, 59), datetime(2023, 3, 26, 22, 0)):
            self.make_session(self.meter, start, 1.0)
        for start in (datetime(2023, 3, 25, 23, 0), datetime(2023, 3, 26, 21, 59)):
            self.make_session(self.meter, start, 10.0)
        unknown = self.rows(self.reports.daily(self.farm, spring))["Unknown animal"]
        self.assertEqual((unknown["Morning (L)"], unknown["Evening (L)"]), (10, 10))

    def test_a_day_without_milk_has_no_row_and_no_mean(self):
        report = self.reports.daily(self.farm, DAY)
        self.assertEqual(report["tables"][0]["rows"], [])
        self.assertIsNone(self.facts(report)["Milk per animal (L)"])

    def test_an_animals_record_has_its_days_and_what_happened_to_it(self):
        self.cow.write({"last_calving_date": DAY - timedelta(days=10), "lactation_number": 3})
        self.produce(self.cow, 12, fat_percentage=4.0)
        self.produce(self.cow, 11, half="pm")
        self.produce(self.cow, 20, day=DAY + timedelta(days=1))
        self.produce(self.cow, 5, day=DAY + timedelta(days=2))
        self.treat(self.cow, DAY)
        report = self.reports.animal(self.cow, DAY, DAY + timedelta(days=1))
        rows = self.rows(report)
        self.assertEqual(list(rows), [DAY, DAY + timedelta(days=1)])
        self.assertEqual((rows[DAY]["Day (L)"], rows[DAY]["Days in Milk"], rows[DAY]["Delivery"]), (23, 10, "withheld"))
        self.assertIsNone(rows[DAY + timedelta(days=1)]["Delivery"])
        self.assertEqual(self.rows(report, 1)[DAY]["Event"], "Treatment")
        self.assertEqual((self.facts(report)["Milk (L)"], self.facts(report)["Milk per day (L)"]), (43, 21.5))

    def test_quality_has_grades_cells_and_withheld_milk_of_each_day(self):
        good = {"fat_percentage": 4.0, "protein_percentage": 3.4, "somatic_cell_count": 150_000}
        bad = {**good, "somatic_cell_count": 800_000}
        for animal, liters, values in ((self.cow, 30.0, good), (self.other, 10.0, bad)):
            self.make_session(self.meter, MORNING, liters, animal_id=animal.id, **values)
            self.produce(animal, liters, **values)
        self.make_session(self.meter, MORNING, 5.0)
        self.treat(self.other, DAY)
        report = self.reports.quality(self.farm, DAY, DAY + timedelta(days=1))
        row = self.rows(report)[DAY]
        self.assertEqual((row["Grade A (L)"], row["Reject (L)"], row["Not Graded (L)"]), (30, 10, 5))
        self.assertEqual((row["Withheld (L)"], row["Unknown Animal (L)"], row["Milk (L)"]), (10, 5, 45))
        # (30 L of 150 + 10 L of 800) / 40 L
        self.assertEqual(row["Cells (1000/mL)"], 312)
        self.assertEqual(list(self.rows(report, 1)), ["18"])

    def test_february_ends_with_its_last_day(self):
        for day in (date(2023, 1, 31), date(2023, 2, 1), date(2023, 2, 28), date(2023, 3, 1)):
            self.produce(self.cow, 10, day=day)
        report = self.reports.quality(self.farm, date(2023, 2, 1), date(2023, 2, 28))
        self.assertEqual(list(self.rows(report)), [date(2023, 2, 1), date(2023, 2, 28)])
        self.assertEqual(self.facts(report)["Milk (L)"], 20)

    def test_equipment_has_each_meter_with_what_it_measured(self):
        point = self.meter.milking_point_ids[:1]
        idle = self.make_meter(self.farm, 2)
        idle.iot_device_id.next_calibration_date = date(2020, 1, 1)
        for number, vacuum in enumerate((40.0, 0.0, 44.0)):
            self.make_session(
                self.meter,
                MORNING + timedelta(hours=number),
                12.0,
                milking_point=point.id,
                vacuum_level=vacuum,
                animal_id=self.cow.id if number else False,
                ended_by_meter=True,
            )
        report = self.reports.equipment(self.farm, DAY, DAY)
        row = self.rows(report)[self.meter.name]
        self.assertEqual(
            (row["Point"], row["Milkings"], row["Milk (L)"], row["Duration (min)"]), (point.name, 3, 36, 6)
        )
        # A vacuum of 0 was not measured, and no flow curve means that nobody counted kick-offs.
        self.assertEqual((row["Vacuum (kPa)"], row["Kick-offs per 100 Milkings"]), (42, None))
        self.assertEqual((row["Animal Unknown"], row["Ended by Silence"]), (1, 0))
        self.assertEqual(self.rows(report)[idle.name]["Milkings"], 0)
        self.assertIn("overdue", self.rows(report, 1)[idle.name]["To Check"])

    def test_what_a_person_entered_tells_nothing_of_the_equipment(self):
        self.make_session(self.meter, MORNING, 12.0, animal_id=self.cow.id, ended_by_meter=True)
        self.make_session(self.meter, MORNING + timedelta(hours=1), 9.0, source="manual")
        report = self.reports.equipment(self.farm, DAY, DAY)
        row = self.rows(report)[self.meter.name]
        self.assertEqual((row["Milkings"], row["Animal Unknown"], row["Ended by Silence"]), (1, 0, 0))

    def test_a_test_day_has_every_cow_in_kilograms_with_its_code(self):
        self.cow.write({"ade_scheme": "nl.v1", "ade_id": "NL 1", "last_calving_date": DAY - timedelta(days=40)})
        dry, sick, sold = (self.make_animal(self.farm, name) for name in ("19", "20", "21"))
        dry.status = "dry"
        self.produce(self.cow, 10, fat_percentage=4.0, somatic_cell_count=150_400)
        self.produce(self.cow, 20, half="pm")
        self.produce(sick, 5)
        self.produce(sold, 8)
        sold.status = "sold"
        self.treat(sick, DAY)
        report = self.reports.test_day(self.farm, DAY)
        rows = {row[2]: row for row in report["tables"][0]["rows"]}
        self.assertEqual(rows["17"], ["nl.v1", "NL 1", "17", None, 40, 2, 30.9, 4.0, None, None, 150, None])
        self.assertEqual([rows[name][-1] for name in ("18", "19", "20")], ["SamplingImpossible", "Dry", "Sick"])
        self.assertEqual(rows["18"][6], None)
        self.assertEqual((rows["21"][6], rows["21"][-1]), (8.24, None))

    def test_only_what_the_user_may_see_is_in_a_report(self):
        company = self.env["res.company"].create({"name": "Other Dairy"})
        user = new_test_user(self.env, "report_user", "smart_dairy_farm.group_farm_user")
        closed = self.make_farm("CLOSED", user_ids=[(6, 0, self.env.user.ids)])
        far = self.make_farm("FAR", company_id=company.id)
        for farm in (closed, far):
            self.produce(self.make_animal(farm, "1"), 10)
            rows = self.env["farm.milk.production"].with_user(user)._milk_by([("farm_id", "=", farm.id)], ["date"])
            self.assertEqual(rows, [])

    def test_a_cow_that_has_gone_to_a_closed_farm_keeps_her_line(self):
        user = new_test_user(self.env, "report_left", "smart_dairy_farm.group_farm_user")
        self.produce(self.cow, 10, somatic_cell_count=500_000)
        self.cow.farm_id = self.make_farm("CLOSED", user_ids=[(6, 0, self.env.user.ids)])
        reports, farm = self.reports.with_user(user), self.farm.with_user(user)
        self.assertEqual(self.rows(reports.daily(farm, DAY))["17"]["Day (L)"], 10)
        self.assertEqual(list(self.rows(reports.quality(farm, DAY, DAY), 1)), ["17"])
        self.assertIn("17", [row[2] for row in reports.test_day(farm, DAY)["tables"][0]["rows"]])

    def test_500_cows_take_no_more_queries_than_one(self):
        self.produce_herd(500)
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        report = self.reports.daily(self.farm, DAY)
        self.assertLess(self.env.cr.sql_log_count - before, 30)
        self.assertEqual((len(report["tables"][0]["rows"]), self.facts(report)["Milk (L)"]), (500, 12_000))


@tagged("post_install", "-at_install")
class TestReportWizard(ReportCase):
    def test_a_span_has_its_end_after_its_beginning_and_is_not_endless(self):
        with self.assertRaises(ValidationError):
            self.wizard(report="quality", since=DAY + timedelta(days=1))
        with self.assertRaises(ValidationError):
            self.wizard(report="quality", since=DAY - timedelta(days=401))
        # Of one day only that day counts.
        self.wizard(since=DAY + timedelta(days=1))

    def test_an_animals_record_wants_an_animal(self):
        with self.assertRaises(UserError):
            self.wizard(report="animal").action_make()


@tagged("post_install", "-at_install")
class TestReportFiles(HttpCase, ReportCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "file_user", "smart_dairy_farm.group_farm_user", password="file_user")
        cls.colleague = new_test_user(cls.env, "file_other", "smart_dairy_farm.group_farm_user", password="file_other")

    def ask(self, file_format, report="daily", **values):
        wizards = self.env["milk.report.wizard"].with_user(self.user)
        wizard = wizards.create(
            {
                "report": report,
                "farm_id": self.farm.id,
                "since": DAY,
                "until": DAY,
                "file_format": file_format,
                **values,
            }
        )
        return wizard.action_make()["url"]

    def test_the_pdf_has_the_figures(self):
        self.produce(self.cow, 12.25, fat_percentage=4.1)
        self.produce(self.other, 1234.5)
        for report, texts in (
            ("daily", ("Daily Milk Production", "Farm REPORT", "17", "12.3", "4.10", "1,234.5", "Morning (L)", "All")),
            ("animal", ("Milk Record of 17", "12.3", "Days in Milk", "Health")),
            ("quality", ("Milk Quality", "Grade A (L)", "Animals with Many Cells")),
            ("equipment", ("Milking Equipment", "Parlour 1", "Vacuum (kPa)")),
            ("test_day", ("Test Day", "REPORT/17", "Milk in 24 Hours (kg)")),
        ):
            with self.subTest(report=report):
                wizard = self.wizard(report=report, animal_id=self.cow.id)
                action = wizard.action_make()
                self.assertEqual(action["type"], "ir.actions.report")
                text = self.pdf_text(wizard)
                for each in texts:
                    self.assertIn(each.replace(" ", ""), text)

    def pdf_text(self, wizard):
        """The PDF's text without blanks, which depend on how it was set."""
        reports = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        content, kind = reports._render_qweb_pdf("smart_dairy_iot_milk.milk_report_document", wizard.ids)
        self.assertEqual(kind, "pdf")
        pages = PdfReader(io.BytesIO(content)).pages
        return "".join("".join(page.extract_text() for page in pages).split())

    def test_the_pdf_of_500_cows_has_them_all_within_20_seconds(self):
        self.produce_herd(500)
        wizard = self.wizard()
        self.pdf_text(wizard)  # the style is put together once, whatever the report
        began = time.monotonic()
        text = self.pdf_text(wizard)
        self.assertLess(time.monotonic() - began, 20)
        self.assertIn("12,000.0", text)
        self.assertEqual([number for number in range(500) if f"c{number}" not in text], [])

    def test_the_xlsx_has_the_figures_as_numbers_and_texts_as_texts(self):
        self.cow.name = "=17"
        self.produce(self.cow, 12.25)
        self.authenticate("file_user", "file_user")
        response = self.url_open(self.ask("xlsx"))
        self.assertEqual(response.status_code, 200)
        self.assertIn("daily_REPORT_2023-02-28.xlsx", response.headers["Content-Disposition"])
        sheet = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0]
        rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
        (row,) = [row for row in rows if row[0] == "=17"]
        self.assertEqual(row[4], 12.25)
        self.assertEqual(sheet.cell(rows.index(row) + 1, 1).data_type, "s")

    def test_each_report_as_xlsx_has_every_figure_that_the_report_has_and_its_pdf_shows(self):
        healthy = {"fat_percentage": 4.1, "protein_percentage": 3.4, "somatic_cell_count": 150_000}
        self.produce(self.cow, 12.2, **healthy)
        self.produce(self.cow, 8, half="pm")
        self.produce(self.other, 10, somatic_cell_count=800_000)
        self.treat(self.cow, DAY)
        self.make_session(self.meter, MORNING, 12.2, animal_id=self.cow.id, vacuum_level=42.0, **healthy)
        self.make_session(self.meter, MORNING, 5.0)
        known = {
            "daily": [{"17": (None, 12.2, 8, 20.2, 2), "Unknown animal": (None, 5, None, 5, 1), "All": (None, 27.2)}],
            "animal": [{DAY: (None, 12.2, 8, 20.2, 2, 4.1)}, {DAY: ("Treatment", None, DAY)}],
            # 12.2 L of 150 and 10 L of 800 thousand cells.
            "quality": [{DAY: (35.2, 4.1, 3.4, None, 443)}, {"18": (10, None, None, None, 800)}],
            "equipment": [{self.meter.name: (None, 2, 17.2, 6)}, {self.meter.name: (None, None, None, None)}],
            "test_day": [{"smart-dairy.animal": ("REPORT/17", "17", None, None, 2, 20.806, 4.1)}],
        }
        self.authenticate("file_user", "file_user")
        for name, expected in known.items():
            with self.subTest(report=name):
                address = self.ask("xlsx", name, animal_id=self.cow.id)
                wizard = self.env["milk.report.wizard"].browse(int(address.rpartition("=")[2]))
                report = wizard.with_user(self.user)._make()
                read = self.read_xlsx(self.url_open(address).content, report)
                self.assertEqual(len(read), len(expected))
                for table, rows, figures in zip(report["tables"], read, expected, strict=True):
                    self.assertSameRows(rows, [*table["rows"], *([table["total"]] if table["total"] else [])])
                    for first, others in figures.items():
                        row = next(row for row in rows if row[0] == first)
                        self.assertSameRows([row[1 : len(others) + 1]], [others])
                self.assertPrinted(report, read, self.pdf_text(wizard))

    def read_xlsx(self, content, report):
        """The rows below the headings of each of a report's sheets; days are dates."""
        sheets = openpyxl.load_workbook(io.BytesIO(content)).worksheets
        self.assertEqual(len(sheets), len(report["tables"]))
        found = []
        for sheet, table in zip(sheets, report["tables"], strict=True):
            headings = [column["title"] for column in table["columns"]]
            rows = [[cell.value for cell in row][: len(headings)] for row in sheet.iter_rows()]
            if not found:
                facts = rows[FACTS_ROW:][: len(report["facts"])]
                facts = [[_plain(value) for value in row[:2]] for row in facts]
                self.assertSameRows(facts, [[label, value] for label, value, _kind in report["facts"]])
            rows = rows[rows.index(headings) + 1 :][: len(table["rows"]) + bool(table["total"])]
            found.append([[_plain(value) for value in row] for row in rows])
        return found

    def assertSameRows(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for row, other in zip(found, expected, strict=True):
            self.assertEqual(len(row), len(other))
            for value, figure in zip(row, other, strict=True):
                if isinstance(figure, float):
                    self.assertAlmostEqual(value, figure, 2)
                else:
                    self.assertEqual(value, figure)

    def assertPrinted(self, report, tables, text):
        """Every number of the sheets is in the PDF, as it rounds them."""
        numbers = 0
        for table, rows in zip(report["tables"], tables, strict=True):
            for row in rows:
                for value, column in zip(row, table["columns"], strict=True):
                    if isinstance(value, (int, float)):
                        self.assertIn(f"{value:,.{DIGITS[column['kind']]}f}", text)
                        numbers += 1
        self.assertGreater(numbers, 2)

    def test_the_test_day_is_a_csv_file_with_a_line_for_each_cow(self):
        self.produce(self.cow, 10)
        self.authenticate("file_user", "file_user")
        response = self.url_open(self.ask("csv", "test_day"))
        lines = response.content.decode("utf-8-sig").splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("smart-dairy.animal,REPORT/17,17,,,1,10.3,", lines[1])

    def test_a_report_is_for_who_asked_for_it(self):
        address = self.ask("xlsx")
        self.authenticate("file_other", "file_other")
        self.assertEqual(self.url_open(address).status_code, 404)
        self.authenticate("file_user", "file_user")
        self.assertEqual(self.url_open(address.replace("daily", "quality")).status_code, 404)
        self.assertEqual(self.url_open(address.replace(".xlsx", ".exe")).status_code, 400)
        self.assertEqual(self.url_open(f"{address}x").status_code, 400)

    def test_the_screens_of_reports_import_and_history_open(self):
        yesterday = fields.Date.today() - timedelta(days=1)
        self.produce(self.cow, 4321, day=yesterday - timedelta(days=1))
        self.make_farm("ANOTHER", name="A farm that stands first")
        screens = [
            ("milk_report_wizard_action", "Download"),
            ("ade_import_wizard_action", "Data Exchange"),
            ("milk_history_action", "span before"),
        ]
        script = """
        (async () => {
            const { action } = odoo.__WOWL_DEBUG__.root.env.services;
            for (const [name, text] of %s) {
                await action.doAction("smart_dairy_iot_milk." + name);
                const end = Date.now() + 60000;
                while (!document.body.textContent.includes(text)) {
                    if (Date.now() > end) {
                        throw new Error(`${name} does not show ${text}`);
                    }
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
                document.querySelector(".modal .btn-close")?.click();
            }
            // The page of the history is the last one: it goes to another farm.
            const farms = document.querySelector(".o_milk_history_farm");
            farms.value = %s;
            farms.dispatchEvent(new Event("change"));
            const end = Date.now() + 60000;
            while (!document.querySelector(".o_milk_history_total").textContent.includes("4,321.0 L")) {
                if (Date.now() > end) {
                    throw new Error("the history does not show the farm that was chosen");
                }
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        })().then(() => console.log("test successful"), (error) => console.error(error.message));
        """
        ready = "!!document.querySelector('.o_list_view, .o_kanban_view, .o_action')"
        home = self.env.ref("smart_dairy_iot_milk.milk_session_action")
        script %= (json.dumps(screens), json.dumps(str(self.farm.id)))
        self.browser_js(f"/web#action={home.id}", script, ready, login="admin", timeout=300)
