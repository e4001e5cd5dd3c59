"""A farm with meters and milkings, as the dashboard's tests need it."""

from datetime import datetime, timedelta

NOON = datetime(2024, 6, 12, 12, 0)


class DashboardFarms:
    """Mixin for test classes: ``make_farm``, ``make_meter``, ``make_session``."""

    def make_farm(self, code, **values):
        return self.env["farm.location"].create({"name": f"Farm {code}", "code": code, "tz": "UTC", **values})

    def make_meter(self, farm, number=1):
        return self.env["iot.milk_meter"].create(
            {
                "name": f"Parlour {number}",
                "device_id": f"{farm.code}-{number}",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
            }
        )

    def make_animal(self, farm, name):
        return self.env["farm.animal"].create({"name": name, "farm_id": farm.id})

    def make_session(self, meter, start=NOON, liters=10.0, state="completed", **values):
        """A milking of ``liters`` that began at ``start`` (naive UTC) and, unless it is running, took six minutes."""
        if state == "completed":
            values = {"end_time": start + timedelta(minutes=6), "total_yield": liters, **values}
        values = {"source": "mqtt", "current_yield": liters, **values}
        return self.env["milk.session"].create({"meter_id": meter.id, "start_time": start, "state": state, **values})
