import json
from contextlib import contextmanager
from unittest.mock import patch

from psycopg2.pool import PoolError

from odoo.modules.registry import Registry
from odoo.tests import new_test_user, tagged
from odoo.tests.common import TransactionCase
from odoo.tools import mute_logger

from odoo.addons.bus.tests.common import WebsocketCase


@tagged("post_install", "-at_install")
class TestIotLiveSending(TransactionCase):
    """A change on a farm becomes one notification, after the change has been committed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm, cls.other_farm = cls.env["farm.location"].create(
            [{"name": "Hill Farm", "code": "live-hill"}, {"name": "Lake Farm", "code": "live-lake"}]
        )

    @contextmanager
    def own_transaction(self):
        """Stand in for the transaction that the notification is sent in: the test's own, which sees its farms."""
        yield self.env.cr

    def commit(self):
        """Do what the end of a request does; a test's cursor ignores what waits for the commit."""
        with patch.object(Registry, "cursor", lambda _registry: self.own_transaction()):
            self.env.cr.postcommit.run()
        self.env.cr.precommit.run()  # 19.0 writes notifications only here

    def notifications(self):
        """Return ``[(channel, type, payload)]`` of what was sent on the farms' channels, in order."""
        sent = []
        for notification in self.env["bus.bus"].sudo().search([], order="id"):
            channel, message = json.loads(notification.channel), json.loads(notification.message)
            if channel[1:2] == ["farm.location"]:
                sent.append((channel[2], message["type"], message["payload"]))
        return sent

    def test_nothing_is_sent_before_the_commit(self):
        self.env["iot.live"]._changed(self.farm, "milk")
        self.env.cr.precommit.run()
        self.assertEqual(self.notifications(), [])
        self.commit()
        self.assertEqual(self.notifications(), [(self.farm.id, "iot_live/milk", {"farm_id": self.farm.id})])

    def test_changes_of_one_transaction_are_one_notification_per_farm_and_kind(self):
        live = self.env["iot.live"]
        live._changed(self.farm, "milk", {"session_id": 1})
        live._changed(self.farm, "milk", {"session_id": 2})
        live._changed(self.farm, "alert")
        live._changed(self.other_farm, "milk")
        self.commit()
        self.assertEqual(
            self.notifications(),
            [
                (self.farm.id, "iot_live/milk", {"session_id": 2, "farm_id": self.farm.id}),
                (self.farm.id, "iot_live/alert", {"farm_id": self.farm.id}),
                (self.other_farm.id, "iot_live/milk", {"farm_id": self.other_farm.id}),
            ],
        )

    def test_each_transaction_notifies_anew(self):
        self.env["iot.live"]._changed(self.farm, "milk")
        self.commit()
        self.env["iot.live"]._changed(self.farm, "milk")
        self.commit()
        self.assertEqual(len(self.notifications()), 2)

    def test_a_rollback_sends_nothing(self):
        self.env["iot.live"]._changed(self.farm, "milk")
        self.env.cr.postcommit.clear()  # what a rollback does to what waits for the commit
        self.commit()
        self.assertEqual(self.notifications(), [])

    def test_a_change_without_a_farm_notifies_nobody(self):
        self.env["iot.live"]._changed(self.env["farm.location"], "milk")
        self.commit()
        self.assertEqual(self.notifications(), [])

    @mute_logger("odoo.addons.smart_dairy_iot.models.iot_live")
    def test_a_notification_that_cannot_be_sent_does_not_fail_the_committed_change(self):
        self.env["iot.live"]._changed(self.farm, "milk")
        with patch.object(Registry, "cursor", side_effect=PoolError("no connection left")):
            self.env.cr.postcommit.run()
        self.assertEqual(self.notifications(), [])


@tagged("post_install", "-at_install")
class TestIotLiveChannels(WebsocketCase):
    """A browser hears of the farms that its user may see, and of nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "live_user", "smart_dairy_farm.group_farm_user", password="live_user_pw")
        cls.portal = new_test_user(cls.env, "live_portal", "base.group_portal", password="live_portal_pw")
        cls.stranger = new_test_user(cls.env, "live_stranger", "base.group_user", password="live_stranger_pw")
        colleague = new_test_user(cls.env, "live_colleague", "smart_dairy_farm.group_farm_user")
        cls.farm, cls.foreign_farm = cls.env["farm.location"].create(
            [
                {"name": "Hill Farm", "code": "live-hill"},
                {"name": "Lake Farm", "code": "live-lake", "user_ids": [(6, 0, colleague.ids)]},
            ]
        )

    def heard_by(self, login, channels):
        """Return the payloads that a browser with ``login`` (None: nobody) gets after subscribing to ``channels``.

        Both farms are notified, on their records and, as nobody of ours does, on the texts themselves; a last
        notification to everybody marks the end.
        """
        session = self.authenticate(login, login and f"{login}_pw")
        websocket = self.websocket_connect(cookie=f"session_id={session.sid}")
        self.subscribe(websocket, channels, last=self.env["bus.bus"].sudo().search([], order="id desc", limit=1).id)
        bus = self.env["bus.bus"]
        for farm in (self.farm, self.foreign_farm):
            bus._sendone(farm, "iot_live/milk", farm.code)
            bus._sendone(f"farm.location_{farm.id}", "iot_live/milk", f"text {farm.code}")
        bus._sendone("iot_live", "iot_live/milk", "text iot_live")
        bus._sendone("some_other_channel", "other/thing", "other addon")
        bus._sendone("broadcast", "iot_live/milk", "end")
        self.env.cr.precommit.run()  # 19.0 writes notifications only here
        self.trigger_notification_dispatching(["broadcast"])
        heard = []
        while "end" not in heard:
            heard += [each["message"]["payload"] for each in json.loads(websocket.recv())]
        return heard[:-1]

    def farm_channels(self):
        return [f"farm.location_{farm.id}" for farm in (self.farm, self.foreign_farm)]

    def test_a_dairy_user_hears_of_his_own_farms_only(self):
        self.assertEqual(self.heard_by("live_user", self.farm_channels()), ["live-hill"])

    def test_a_farm_not_asked_for_is_not_heard(self):
        self.assertEqual(self.heard_by("live_user", []), [])

    def test_an_employee_without_dairy_rights_hears_nothing(self):
        self.assertEqual(self.heard_by("live_stranger", self.farm_channels()), [])

    def test_a_portal_user_hears_nothing(self):
        self.assertEqual(self.heard_by("live_portal", self.farm_channels()), [])

    def test_the_public_hears_nothing(self):
        self.assertEqual(self.heard_by(None, self.farm_channels()), [])

    def test_texts_that_look_like_ours_are_dropped(self):
        channels = [
            "iot_live",
            "farm.location_",
            "farm.location_0",
            "farm.location_1 OR 1",
            "farm.location_" + "9" * 30,
        ]
        self.assertEqual(self.heard_by("live_user", channels), [])

    def test_channels_of_other_addons_are_left_alone(self):
        channels = ["some_other_channel", *self.farm_channels()]
        self.assertEqual(self.heard_by("live_user", channels), ["live-hill", "other addon"])
