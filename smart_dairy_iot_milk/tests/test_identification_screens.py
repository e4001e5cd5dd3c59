"""The list of milkings to assign and that of unknown tags open in a browser, on a desk and on a phone."""

import json

from odoo.tests.common import HttpCase, tagged

from .common import OTHER_TAG, START
from .test_screens import SCRIPT

READY = "!!document.querySelector('.o_action_manager .o_view_controller')"


@tagged("post_install", "-at_install")
class TestIdentificationScreens(HttpCase):
    browser_size = "1366,768"

    def setUp(self):
        super().setUp()
        self.farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "id-screens", "tz": "UTC"})
        self.cow = self.env["farm.animal"].create({"name": "Cow 4711", "farm_id": self.farm.id})
        self.meter = self.env["iot.milk_meter"].create(
            {
                "name": "Parlour right",
                "device_id": "MM-ID-SCREEN",
                "farm_id": self.farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
            }
        )
        self.milking = self.unread(
            identification="doubtful",
            doubt_reason="Two tags",
            proposed_animal_id=self.cow.id,
            proposal_certainty=0.93,
            proposal_reason="usually 11.6 L",
        )
        self.env["iot.rfid.unknown"]._record([(self.milking, OTHER_TAG, 2)])
        self.unknown = self.env["iot.rfid.unknown"].search([("farm_id", "=", self.farm.id)])
        self.home = self.env.ref("smart_dairy_iot_milk.milk_session_assign_action")

    def unread(self, **values):
        return self.env["milk.session"].create(
            {
                "meter_id": self.meter.id,
                "start_time": START,
                "end_time": START,
                "total_yield": 11.5,
                "state": "completed",
                "rfid_tag": OTHER_TAG,
                "tag_reads": {OTHER_TAG: 2},
                **values,
            }
        )

    def screen(self, record, *views):
        which = {"res_id": record.id} if views[0][1] == "form" else {"domain": [["id", "=", record.id]]}
        return {"res_model": record._name, "views": views, **which}

    def test_milkings_to_assign_and_unknown_tags_are_shown(self):
        to_assign = self.env.ref("smart_dairy_iot_milk.milk_session_view_assign_tree")
        cards = self.env.ref("smart_dairy_iot_milk.milk_session_view_assign_kanban")
        texts = ["Cow 4711", "93%", "11.5", "999123456789013"]
        unknown = ["999123456789013", "Parlour right"]
        screens = [
            (self.screen(self.milking, [to_assign.id, "list"]), texts),
            (self.screen(self.milking, [cards.id, "kanban"]), [*texts, "Two tags", "usually 11.6 L"]),
            (
                self.screen(self.milking, [False, "form"]),
                ["It is doubtful whose milking this is.", "Two tags", "Cow 4711", "999123456789013: 2 times"],
            ),
            (self.screen(self.unknown, [False, "list"]), unknown),
            (self.screen(self.unknown, [False, "kanban"]), [*unknown, "Screen Farm"]),
            (self.screen(self.unknown, [False, "form"]), [*unknown, OTHER_TAG, "Screen Farm"]),
        ]
        self.browser_js(f"/web#action={self.home.id}", SCRIPT % json.dumps(screens), READY, login="admin", timeout=300)


@tagged("post_install", "-at_install")
class TestIdentificationScreensPhone(TestIdentificationScreens):
    browser_size = "375,667"
    touch_enabled = True
