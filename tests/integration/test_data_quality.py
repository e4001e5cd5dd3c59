"""The scheduled action of data quality, with connections as they are: what it commits on its own is there."""

from datetime import timedelta

from support import connected, eventually, new_code, utc_now


def test_the_scheduled_action_assesses_what_is_over_and_anew_what_came_late(product, odoo, farm, stored):
    device = farm.provision(new_code("TS"))
    hour = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    cron = odoo.call("ir.cron", "search", [("cron_name", "like", "assess the data of hours that are over")])
    domain = [("iot_device_id", "=", device.record_id), ("hour", "=", f"{hour:%Y-%m-%d %H:%M:%S}")]

    def readings():
        odoo.call("ir.cron", "method_direct_trigger", cron)
        return [quality["readings"] for quality in odoo.call("iot.data.quality", "search_read", domain, ["readings"])]

    for number in (1, 2):
        with connected(product.broker, device.credentials) as connection:
            connection.publish(device.topic(), device.payload(at=hour + timedelta(minutes=number), temperature=4.2))
            count = f"SELECT count(*) = {number} FROM iot_temperature_reading WHERE iot_device_id = {device.record_id}"
            eventually(lambda count=count: stored.value(count), "the reading is stored")
        # One that is under way on the schedule leaves no turn.
        eventually(lambda number=number: readings() == [number], "the hour is assessed", every=1)
    assert (
        stored.value("SELECT count(*) FROM iot_data_quality_progress WHERE next_hour > now() - interval '1 day'") == 1
    )
