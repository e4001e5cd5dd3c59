"""A small herd to test with."""

from odoo.tests import TransactionCase

TAG = "982 000001088420"
TAG_CANONICAL = "8000F58000109BA4"
OTHER_TAG = "964 000000123456"


class HerdCase(TransactionCase):
    """One farm with a pen, and a way to add animals."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context={**cls.env.context, "tracking_disable": True})
        cls.farm = cls.make_farm("TEST-A")
        cls.pen = cls.env["farm.pen"].create({"name": "Lactating", "code": "L", "farm_id": cls.farm.id})

    @classmethod
    def make_farm(cls, code, **values):
        """Create a farm of this code, by default in Amsterdam."""
        return cls.env["farm.location"].create({"name": code, "code": code, "tz": "Europe/Amsterdam", **values})

    @classmethod
    def make_animal(cls, name, **values):
        """Create an animal of this number, by default on the farm that every test has."""
        return cls.env["farm.animal"].create({"name": name, "farm_id": cls.farm.id, **values})
