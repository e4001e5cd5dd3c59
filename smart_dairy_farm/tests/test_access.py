"""Who sees which farm, and who may do what there."""

from datetime import date

from odoo.exceptions import AccessError
from odoo.tests import new_test_user

from .common import HerdCase

MODELS = (
    "farm.location",
    "farm.pen",
    "farm.animal",
    "farm.animal.rfid",
    "farm.milk.production",
    "farm.health.event",
)
GROUPS = {
    "user": "smart_dairy_farm.group_farm_user",
    "manager": "smart_dairy_farm.group_farm_manager",
    "admin": "smart_dairy_farm.group_farm_admin",
}


class TestAccess(HerdCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.foreign_company = cls.env["res.company"].create({"name": "Foreign Dairy"})
        cls.users = {role: new_test_user(cls.env, f"dairy.{role}", groups=group) for role, group in GROUPS.items()}
        cls.employee = new_test_user(cls.env, "no.dairy", groups="base.group_user")
        own_users = [(6, 0, [user.id for user in cls.users.values()])]
        cls.farms = {
            "open": cls.farm,
            "own": cls.make_farm("TEST-OWN", user_ids=own_users),
            "closed": cls.make_farm("TEST-CLOSED", user_ids=[(4, cls.env.ref("base.user_admin").id)]),
            "foreign": cls.make_farm("TEST-FOREIGN", company_id=cls.foreign_company.id),
        }
        for number, (name, farm) in enumerate(cls.farms.items()):
            cls.fill(farm, f"98200000100000{number}", name)

    @classmethod
    def fill(cls, farm, tag, name):
        """Give a farm one record of each model."""
        pen = cls.env["farm.pen"].create({"name": name, "code": name, "farm_id": farm.id})
        animal = cls.make_animal(name, farm_id=farm.id, pen_id=pen.id, rfid_tag=tag)
        milking = {"animal_id": animal.id, "date": date(2025, 3, 1), "quantity": 10}
        cls.env["farm.milk.production"].create(milking)
        cls.env["farm.health.event"].create({"animal_id": animal.id, "event_type": "heat"})

    def visible(self, model, user, **context):
        """Return the names of this test's farms of which a user sees a record of a model."""
        field = "id" if model == "farm.location" else "farm_id"
        records = self.env[model].with_user(user).with_context(**context)
        ids = [farm.id for farm in self.farms.values()]
        seen = records.search([(field, "in", ids)]).mapped(field)
        seen_ids = seen if field == "id" else seen.ids
        return {name for name, farm in self.farms.items() if farm.id in seen_ids}

    def of_farm(self, model, name, user):
        """Return a farm's record of a model as a user has it, whether he may see it or not."""
        farm = self.farms[name]
        record = farm if model == "farm.location" else self.env[model].search([("farm_id", "=", farm.id)], limit=1)
        return record.with_user(user)

    def test_users_and_managers_see_open_farms_and_those_that_name_them(self):
        for model in MODELS:
            for role in ("user", "manager"):
                with self.subTest(model=model, role=role):
                    self.assertEqual(self.visible(model, self.users[role]), {"open", "own"})

    def test_administrators_see_every_farm_of_their_companies(self):
        for model in MODELS:
            with self.subTest(model=model):
                self.assertEqual(self.visible(model, self.users["admin"]), {"open", "own", "closed"})

    def test_another_company_is_seen_when_allowed_and_chosen(self):
        company_ids = [self.env.company.id, self.foreign_company.id]
        for role, others in (("user", set()), ("admin", {"closed"})):
            user = self.users[role]
            user.company_ids = [(4, self.foreign_company.id)]
            for model in MODELS:
                with self.subTest(model=model, role=role):
                    seen = self.visible(model, user, allowed_company_ids=company_ids)
                    self.assertEqual(seen, {"open", "own", "foreign"} | others)
                    only = self.visible(model, user, allowed_company_ids=[self.foreign_company.id])
                    self.assertEqual(only, {"foreign"})

    def test_a_user_taken_off_a_farm_no_longer_sees_it(self):
        self.farms["own"].user_ids = [(3, self.users["user"].id)]
        self.assertEqual(self.visible("farm.animal", self.users["user"]), {"open"})
        self.assertEqual(self.visible("farm.animal", self.users["manager"]), {"open", "own"})

    def test_without_a_dairy_group_nothing_is_seen(self):
        for model in MODELS:
            with self.subTest(model=model), self.assertRaises(AccessError):
                self.env[model].with_user(self.employee).search([])

    def test_a_tag_of_a_hidden_farm_finds_no_animal(self):
        animals = self.env["farm.animal"].with_user(self.users["user"])
        self.assertEqual(animals._find_by_rfid("982000001000001").name, "own")
        self.assertFalse(animals._find_by_rfid("982000001000002"))

    def test_users_record_milk_and_health_but_do_not_change_the_herd(self):
        user = self.users["user"]
        animal = self.of_farm("farm.animal", "own", user)
        milking = {"animal_id": animal.id, "date": date(2025, 3, 2), "quantity": 11}
        self.env["farm.milk.production"].with_user(user).create(milking)
        event = self.env["farm.health.event"].with_user(user).create({"animal_id": animal.id, "event_type": "heat"})
        event.action_done()
        for change in (
            lambda: animal.write({"status": "dry"}),
            lambda: animal.write({"rfid_tag": "982000001000009"}),
            lambda: self.of_farm("farm.animal.rfid", "own", user).action_take_off(),
            lambda: self.of_farm("farm.pen", "own", user).write({"capacity": 3}),
            event.unlink,
            self.of_farm("farm.milk.production", "own", user).unlink,
        ):
            with self.assertRaises(AccessError):
                change()

    def test_managers_keep_the_herd_but_do_not_change_farms(self):
        manager = self.users["manager"]
        animal = self.of_farm("farm.animal", "own", manager)
        animal.write({"status": "dry", "rfid_tag": "982000001000009"})
        self.of_farm("farm.pen", "own", manager).capacity = 3
        with self.assertRaises(AccessError):
            self.of_farm("farm.location", "own", manager).name = "Mine"
        with self.assertRaises(AccessError):
            self.env["farm.location"].with_user(manager).create({"name": "New", "code": "NEW"})

    def test_managers_do_not_reach_a_hidden_farm_by_its_identifier(self):
        manager = self.users["manager"]
        for model, values in (("farm.animal", {"breed": "Jersey"}), ("farm.pen", {"capacity": 3})):
            for name in ("closed", "foreign"):
                with self.subTest(model=model, farm=name), self.assertRaises(AccessError):
                    self.of_farm(model, name, manager).write(values)

    def test_nothing_is_pushed_over_to_a_hidden_farm_or_company(self):
        manager = self.users["manager"]
        animal = self.make_animal("nomad", farm_id=self.farms["own"].id).with_user(manager)
        hidden = self.of_farm("farm.animal", "closed", manager)
        for change in (
            lambda: animal.write({"farm_id": self.farms["closed"].id}),
            lambda: animal.write({"farm_id": self.farms["foreign"].id}),
            lambda: self.of_farm("farm.animal.rfid", "own", manager).write({"animal_id": hidden.id}),
            lambda: self.of_farm("farm.milk.production", "own", manager).write({"animal_id": hidden.id}),
            lambda: self.of_farm("farm.health.event", "own", manager).write({"animal_id": hidden.id}),
            lambda: self.farm.with_user(self.users["admin"]).write({"company_id": self.foreign_company.id}),
        ):
            with self.assertRaises(AccessError), self.env.cr.savepoint():
                change()
        animal.farm_id = self.farms["open"]
        self.assertEqual(animal.farm_id, self.farms["open"])

    def test_nothing_is_created_on_a_hidden_farm(self):
        manager = self.users["manager"]
        hidden = self.of_farm("farm.animal", "closed", manager)
        for model, values in (
            ("farm.pen", {"name": "X", "code": "X", "farm_id": self.farms["closed"].id}),
            ("farm.animal", {"name": "X", "farm_id": self.farms["closed"].id}),
            ("farm.animal.rfid", {"animal_id": hidden.id, "printed_tag": "982000001000008"}),
            ("farm.milk.production", {"animal_id": hidden.id, "quantity": 1}),
            ("farm.health.event", {"animal_id": hidden.id, "event_type": "heat"}),
        ):
            with self.subTest(model=model), self.assertRaises(AccessError), self.env.cr.savepoint():
                self.env[model].with_user(manager).create(values)

    def test_nothing_is_created_on_a_farm_whose_users_are_all_archived(self):
        manager = self.users["manager"]
        keeper = new_test_user(self.env, "keeper", groups=GROUPS["manager"])
        left = self.make_farm("TEST-LEFT", user_ids=[(6, 0, keeper.ids)])
        cow = self.make_animal("left", farm_id=left.id)
        keeper.active = False
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(self.env["farm.location"].with_user(manager).search([("id", "=", left.id)]))
        for model, values in (
            ("farm.pen", {"name": "X", "code": "X", "farm_id": left.id}),
            ("farm.animal", {"name": "X", "farm_id": left.id}),
            ("farm.animal.rfid", {"animal_id": cow.id, "printed_tag": "982000001000008"}),
            ("farm.milk.production", {"animal_id": cow.id, "quantity": 1}),
            ("farm.health.event", {"animal_id": cow.id, "event_type": "heat"}),
        ):
            with self.subTest(model=model), self.assertRaises(AccessError), self.env.cr.savepoint():
                self.env[model].with_user(manager).create(values)

    def test_administrators_set_up_farms_and_their_users(self):
        admin = self.users["admin"]
        farm = self.env["farm.location"].with_user(admin).create({"name": "New", "code": "NEW"})
        farm.user_ids = [(4, self.users["user"].id)]
        self.assertEqual(farm.with_user(self.users["user"]).name, "New")

    def test_the_systems_administrator_is_a_dairy_administrator(self):
        settings_user = new_test_user(self.env, "settings", groups="base.group_system")
        self.assertTrue(settings_user.has_group("smart_dairy_farm.group_farm_admin"))
