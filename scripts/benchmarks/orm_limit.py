"""The design that the bridge is not: each message a transaction of the ORM. Run in Odoo's shell, which gives `env`.

It reads pairs of topic and payload, finds the device, checks the payload, makes a record of it, notes on the device
that it was heard, and commits. Its last line is the messages a second.
"""

import json
import os
import time

import jsonschema


def measure(env, path):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    schemas = {
        (
            schema.topic_hierarchy_id.device_type,
            schema.topic_hierarchy_id.message_type,
        ): jsonschema.Draft202012Validator(json.loads(schema.json_schema))
        for schema in env["iot.topic.schema"].search([("is_active", "=", True)])
    }
    began = time.monotonic()
    for topic, payload in lines:
        *_rest, device_id, message_type = topic.split("/")
        values = json.loads(payload)
        device = env["iot.device"].search([("device_id", "=", device_id)])
        schemas[device.device_type, message_type].validate(values)
        env["iot.event"].create(
            {
                "kind": "device_error",
                "iot_device_id": device.id,
                "farm_id": device.farm_id.id,
                "timestamp": values["timestamp"][:19].replace("T", " "),
                "data": values,
            }
        )
        device.write({"notes": values["timestamp"]})
        env.cr.commit()
    return len(lines) / (time.monotonic() - began)


print(measure(env, os.environ["BENCH_MESSAGES"]), flush=True)  # noqa: F821 - the shell's
