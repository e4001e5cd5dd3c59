"""What is wrong with a payload is found out on a schema's form, and on that of a dead letter, which is corrected."""

import json

from odoo import api, fields
from odoo.tests import tagged

from .screens import ScreenCase


@tagged("post_install", "-at_install")
class TestPayloadScreens(ScreenCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_sensor()

    def payload(self, **values):
        return json.dumps({"device_id": "SCREEN-1", "timestamp": f"{fields.Datetime.now().isoformat()}Z", **values})

    def dead_letter(self, state="new"):
        self.env.flush_all()
        self.env.cr.execute(
            "INSERT INTO iot_dead_letter (received_at, topic, reason, detail, iot_device_id, farm_id, payload, state)"
            " VALUES (now(), %s, 'schema', 'temperature: 4,5', %s, %s, %s, %s) RETURNING id",
            [
                "dairy/SCREEN/temperature/SCREEN-1/data",
                self.device.id,
                self.device.farm_id.id,
                self.payload(temperature="4,5").encode(),
                state,
            ],
        )
        return self.env["iot.dead.letter"].browse(self.env.cr.fetchone()[0])

    def test_a_payload_is_tried_against_a_schema(self):
        schema = self.env.ref("smart_dairy_iot.schema_temperature_data")
        self.run_in_browser(
            f"/web#id={schema.id}&model=iot.topic.schema&view_type=form",
            """
            (await shown(".o_form_view button[name=action_try_payload]")).click();
            await shown(".modal .alert-success", "accepts this payload");
            type(await shown(".modal [name=payload] textarea"), '{"device_id": "TS001", "temperature": "warm"}');
            await shown(".modal .alert-danger", 'temperature: "warm" is not a number');
            await shown(".modal .alert-danger", "timestamp is missing");
            (await shown(".modal footer button", "Close")).click();
            await until(() => !document.querySelector(".modal"), "the window closed");
            """,
        )

    def test_a_dead_letter_is_corrected_and_replayed(self):
        self.device._in_action().write({"uses_mqtt": False, "state": "active"})
        letter = self.dead_letter()
        self.run_in_browser(
            f"/web#id={letter.id}&model=iot.dead.letter&view_type=form",
            f"const corrected = {json.dumps(self.payload(temperature=4.5))};"
            """
            await shown(".o_form_view [name=payload_text]", '"temperature": "4,5"');
            (await shown(".o_form_view button[name=action_correct]")).click();
            await shown(".modal .alert-warning", '"4,5" is not a number');
            type(await shown(".modal [name=corrected_payload] textarea"), corrected);
            await until(() => !document.querySelector(".modal .alert-warning"), "nothing is wrong any more");
            (await shown(".modal footer button[name=action_replay]")).click();
            await shown(".o_statusbar_status .o_arrow_button_current", "Being Replayed");
            """,
        )
        letter.invalidate_recordset()
        self.assertEqual((letter.state, letter.corrected_by_id), ("replaying", self.env.ref("base.user_admin")))
        self.assertEqual(json.loads(letter.corrected_payload)["temperature"], 4.5)

    def replayed_once_shown(self):
        """From now on the bridge is done with every letter as soon as a page has read it."""
        read = type(self.env["iot.dead.letter"]).web_search_read

        @api.model
        def read_and_replay(letters, *arguments, **options):
            found = read(letters, *arguments, **options)
            letters.env.cr.execute("UPDATE iot_dead_letter SET state = 'replayed'")
            letters.env.invalidate_all()
            return found

        read_and_replay._readonly = False
        self.patch(type(self.env["iot.dead.letter"]), "web_search_read", read_and_replay)

    def test_list_and_cards_show_that_a_dead_letter_was_replayed_without_being_loaded_again(self):
        self.replayed_once_shown()
        for view_type, cell in (("list", ".o_data_row [name=state]"), ("kanban", ".o_kanban_record [name=state]")):
            with self.subTest(view=view_type):
                letter = self.dead_letter("replaying")
                self.run_in_browser(
                    "/web",
                    f"const viewType = '{view_type}', cell = '{cell}';"
                    """
                    await shown(".o_main_navbar");
                    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
                    await action.doAction({
                        type: "ir.actions.act_window",
                        res_model: "iot.dead.letter",
                        views: [[false, viewType]],
                    });
                    const states = () => [...document.querySelectorAll(cell)].map((state) => state.textContent.trim());
                    await until(() => states().length, "the dead letter");
                    await until(() => states().every((state) => state === "Replayed"), "what became of it");
                    """,
                )
                self.env.invalidate_all()
                self.assertEqual(letter.state, "replayed")
