"""What `make demo` does to its database from one start to the next."""

import pytest

from demo import ensure_database, refuse_taken_ports
from stack.settings import ports
from stack.shell import StackError


class Server:
    """A PostgreSQL server as far as the demo's database goes: names, no contents."""

    def __init__(self):
        self.names = ["postgres"]

    def databases(self):
        return list(self.names)

    def drop_database(self, name):
        self.names = [other for other in self.names if other != name]

    def rename_database(self, name, new_name):
        self.names = [new_name if other == name else other for other in self.names]


class Instance:
    """An Odoo that notes down what it is asked to do, and may be interrupted."""

    def __init__(self, directory, addons_root):
        self.directory = directory / "odoo"
        self.data_dir = directory / "data"
        self.addons_root = addons_root
        self.postgres = Server()
        self.database = "smart_dairy"
        self.done = []
        self.interrupt = False

    @property
    def filestore(self):
        return self.data_dir / "filestore" / self.database

    def install(self, *names):
        if self.database not in self.postgres.names:
            self.postgres.names.append(self.database)
        self.filestore.mkdir(parents=True, exist_ok=True)
        if self.interrupt:
            raise KeyboardInterrupt
        self.done.append(("install", self.database, *names))

    def upgrade(self, *names):
        self.done.append(("upgrade", self.database, *names))

    def installed(self):
        return {"base", *(name for step in self.done for name in step[2:])}


@pytest.fixture
def instance(tmp_path):
    root = tmp_path / "addons"
    make_addon(root, "smart_dairy_farm")
    return Instance(tmp_path, root)


def make_addon(root, name):
    (root / name).mkdir(parents=True)
    (root / name / "__manifest__.py").write_text("{}")


def test_the_first_start_makes_the_database_and_the_second_leaves_it_alone(instance):
    ensure_database(instance)
    assert instance.postgres.names == ["postgres", "smart_dairy"]
    assert instance.filestore.is_dir()
    done = list(instance.done)
    ensure_database(instance)
    assert instance.done == done


def test_an_interrupted_first_start_does_not_pass_for_a_finished_one(instance):
    instance.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        ensure_database(instance)
    assert "smart_dairy" not in instance.postgres.names
    next_start = Instance(instance.data_dir.parent, instance.addons_root)
    next_start.postgres = instance.postgres
    ensure_database(next_start)
    assert next_start.postgres.names == ["postgres", "smart_dairy"]


def test_changed_addons_are_upgraded_and_new_ones_installed(instance):
    ensure_database(instance)
    (instance.addons_root / "smart_dairy_farm" / "model.py").write_text("# changed\n")
    make_addon(instance.addons_root, "smart_dairy_iot")
    ensure_database(instance)
    assert instance.done[1:] == [
        ("upgrade", "smart_dairy", "smart_dairy_farm"),
        ("install", "smart_dairy", "smart_dairy_iot"),
    ]


def test_a_failed_upgrade_is_tried_again_at_the_next_start(instance):
    ensure_database(instance)
    (instance.addons_root / "smart_dairy_farm" / "model.py").write_text("# changed\n")

    def fail(*_names):
        raise StackError("Upgrading failed")

    instance.upgrade = fail
    for _start in range(2):
        with pytest.raises(StackError, match="Upgrading failed"):
            ensure_database(instance)


def test_a_taken_port_is_named_with_the_setting_that_moves_it(monkeypatch):
    monkeypatch.setattr("demo.port_taken", lambda port: port == 15021)
    with pytest.raises(StackError, match=r"Port 15021 is taken.*SMART_DAIRY_MODBUS_PORT="):
        refuse_taken_ports(ports({}))
