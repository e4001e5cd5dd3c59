"""What cannot be stored becomes a dead letter with its reason and its bytes, and the rest of the batch is stored."""

import json
from datetime import timedelta

import pytest

from smart_dairy_iot.provisioning import DeviceAccess
from support import PATIENCE_SECONDS, Farm, connected, credentials_for, eventually, new_code, utc_now

DEAD_LETTERS = """
    SELECT reason, detail, payload, iot_device_id, state FROM iot_dead_letter WHERE topic = %s ORDER BY id
"""
READINGS = "SELECT temperature FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY timestamp"
STRAY_DEVICE = "TS-STRAY"


@pytest.fixture(scope="module")
def publisher(shared_broker, odoo):
    """A client that may publish on the topics of two farms, as no device can; and those farms with one device each."""
    farm, other_farm = Farm(odoo, new_code()), Farm(odoo, new_code())
    device = farm.provision(new_code("TS"))
    topics = [
        device.topic(),
        farm.topic("temperature", STRAY_DEVICE),
        other_farm.topic("temperature", device.device_id),
    ]
    access = DeviceAccess("test_publisher", "test_publisher", publish=tuple(topics))
    with connected(shared_broker, credentials_for(shared_broker, access)) as connection:
        yield connection, device, topics


def test_each_wrong_message_is_a_dead_letter_with_its_reason_and_the_rest_of_the_batch_is_stored(publisher, stored):
    connection, device, (own, stray, wrong_farm) = publisher
    good = device.payload(temperature=1.5)
    wrong = [
        ("invalid_json", own, b'{"device_id": "' + device.device_id.encode() + b'", "temp'),
        ("invalid_json", own, b"\xff\xfe\x00 no text at all"),
        ("schema", own, json.dumps({"device_id": device.device_id, "timestamp": good["timestamp"]}).encode()),
        ("schema", own, json.dumps(device.payload(temperature="warm")).encode()),
        ("schema", own, b"[1, 2, 3]"),
        ("device_mismatch", own, json.dumps({**good, "device_id": STRAY_DEVICE}).encode()),
        ("clock", own, json.dumps({**good, "timestamp": "2999-01-01T00:00:00Z"}).encode()),
        ("unknown_device", stray, json.dumps({**good, "device_id": STRAY_DEVICE}).encode()),
        ("wrong_farm", wrong_farm, json.dumps(good).encode()),
    ]
    base = utc_now() - timedelta(minutes=1)
    sent = []
    for number, (_reason, topic, body) in enumerate(wrong):
        # Good and bad in turn, and nobody waits: they come to the bridge in the same batches.
        at = base + timedelta(milliseconds=number)
        sent.append(connection.send(own, device.payload(at, temperature=float(number))))
        sent.append(connection.send(topic, body))
    for info in sent:
        info.wait_for_publish(PATIENCE_SECONDS)

    eventually(lambda: len(stored.rows(READINGS, device.record_id)) == len(wrong), "all good readings are stored")
    assert [row["temperature"] for row in stored.rows(READINGS, device.record_id)] == [
        float(n) for n in range(len(wrong))
    ]
    for topic in (own, stray, wrong_farm):
        expected = [(reason, body) for reason, where, body in wrong if where == topic]
        letters = eventually(
            lambda topic=topic, expected=expected: (
                len(found := stored.rows(DEAD_LETTERS, topic)) >= len(expected) and found
            ),
            f"the dead letters of {topic}",
        )
        assert [(letter["reason"], bytes(letter["payload"])) for letter in letters] == expected
        assert all(letter["detail"] and letter["state"] == "new" for letter in letters)


def test_the_form_of_a_dead_letter_that_is_replayed_shows_that_it_was_without_being_loaded_again(
    browser, publisher, product, odoo
):
    connection, device, (own, *_others) = publisher
    connection.publish(own, device.payload(temperature="warm"))
    newest = {"order": "id desc", "limit": 1}
    warm = [("topic", "=", own), ("detail", "ilike", "warm"), ("state", "=", "new")]
    (letter,) = eventually(lambda: odoo.call("iot.dead.letter", "search", warm, **newest), "the dead letter")
    browser.open(f"{product.url}/web#id={letter}&model=iot.dead.letter&view_type=form")
    browser.wait_for("document.querySelector('.o_form_view button[name=action_correct]')")
    # The bridge refuses it again, for the same reason: then it may be replayed once more.
    browser.evaluate("document.querySelector('button[name=action_replay]').click()")
    browser.wait_for("document.querySelector('.o_form_view .alert-warning')?.textContent.includes('refused again')")


def test_a_dead_letter_is_replayed_once_its_cause_is_mended(publisher, odoo, stored):
    connection, device, (_own, _stray, wrong_farm) = publisher
    payload = device.payload(temperature=7.5)
    connection.publish(wrong_farm, payload)

    def letter():
        letters = odoo.call(
            "iot.dead.letter",
            "search_read",
            [("topic", "=", wrong_farm)],
            ["state", "payload_text"],
            order="id desc",
            limit=1,
        )
        return letters and json.loads(letters[0]["payload_text"]) == payload and letters[0]

    found = eventually(letter, "the message from the wrong farm is a dead letter")
    new_farm = wrong_farm.split("/")[1]
    (farm_id,) = odoo.call("farm.location", "search", [("code", "=", new_farm)])
    old_farm = device.read("farm_id")["farm_id"][0]
    odoo.call("iot.device", "write", [device.record_id], {"farm_id": farm_id})
    try:
        odoo.call("iot.dead.letter", "action_replay", [found["id"]])
        eventually(
            lambda: stored.value(
                "SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = %s AND temperature = 7.5",
                device.record_id,
            ),
            "the replayed reading is stored",
        )
        eventually(lambda: letter()["state"] == "replayed", "the dead letter is marked as replayed")
    finally:
        odoo.call("iot.device", "write", [device.record_id], {"farm_id": old_farm})
