"""The port as a whole: a miniature addon, its two commands, and what they leave on disk."""

import subprocess
import sys
from pathlib import Path

import pytest

from porting.addons import PortError, port_tree, write_port

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

ADDON = {
    "__init__.py": "from . import models\n",
    "__manifest__.py": """{
    "name": "Mini",  # 17.0.
    "version": "17.0.1.2.3",
    "license": "LGPL-3",
    "depends": ["mail"],
    "data": ["security/security.xml", "views/cow.xml"],
    "assets": {"web.assets_backend": ["smart_dairy_mini/static/src/**/*"]},
}
""",
    "models/__init__.py": "from . import cow\n",
    "models/cow.py": '''"""Cows."""

from odoo import fields, models


class Cow(models.Model):
    _name = "mini.cow"
    _description = "Cow"
    _sql_constraints = [("name_unique", "UNIQUE(name)", "Taken.")]

    name = fields.Char(required=True)
    milk = fields.Float(group_operator="avg")
''',
    "security/security.xml": """<odoo>
    <record id="category" model="ir.module.category">
        <field name="name">Mini</field>
    </record>
    <record id="group_user" model="res.groups">
        <field name="name">User</field>
        <field name="category_id" ref="category" />
    </record>
</odoo>
""",
    "security/ir.model.access.csv": "id,name,model_id:id\na,a,model_mini_cow\n",
    "views/cow.xml": """<odoo>
    <record id="cow_view_list" model="ir.ui.view">
        <field name="model">mini.cow</field>
        <field name="arch" type="xml">
            <tree>
                <field name="name" />
            </tree>
        </field>
    </record>
    <record id="cow_cron" model="ir.cron">
        <field name="name">Milk</field>
        <field name="model_id" ref="model_mini_cow" />
        <field name="numbercall">-1</field>
    </record>
</odoo>
""",
    "static/src/cow.js": 'import { Component } from "@odoo/owl";\n',
    "static/lib/theirs.js": 'import x from "@web/core/gone";\n',
    "static/description/icon.png": "no <tree> here",
    "README.md": "A <tree> of _sql_constraints.\n",
}

CHANGED = {
    "__manifest__.py": ADDON["__manifest__.py"].replace('"17.0.1', '"19.0.1'),
    "models/cow.py": ADDON["models/cow.py"]
    .replace(
        '_sql_constraints = [("name_unique", "UNIQUE(name)", "Taken.")]',
        "_name_unique = models.Constraint('UNIQUE(name)', 'Taken.')",
    )
    .replace("group_operator", "aggregator"),
    "security/security.xml": """<odoo>
    <record id="category" model="ir.module.category">
        <field name="name">Mini</field>
    </record>
    <record id="privilege_category" model="res.groups.privilege">
        <field name="name">Mini</field>
        <field name="category_id" ref="category"/>
    </record>
    <record id="group_user" model="res.groups">
        <field name="name">User</field>
        <field name="privilege_id" ref="privilege_category"/>
    </record>
</odoo>
""",
    "views/cow.xml": """<odoo>
    <record id="cow_view_list" model="ir.ui.view">
        <field name="model">mini.cow</field>
        <field name="arch" type="xml">
            <list>
                <field name="name"/>
            </list>
        </field>
    </record>
    <record id="cow_cron" model="ir.cron">
        <field name="name">Milk</field>
        <field name="model_id" ref="model_mini_cow"/>
    </record>
</odoo>
""",
}


def write(root, files, addon="smart_dairy_mini"):
    for name, text in files.items():
        path = root / addon / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(root):
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def sources(tmp_path):
    root = tmp_path / "sources"
    write(root, ADDON)
    (root / "smart_dairy_mini/models/__pycache__").mkdir()
    (root / "smart_dairy_mini/models/__pycache__/cow.cpython-310.pyc").write_bytes(b"\0\1")
    write(root, {"__manifest__.py": "{}"}, addon="other_addon")
    write(root, {"notes.py": "self._cr"}, addon="smart_dairy_no_addon")
    return root


def run(script, *arguments):
    command = [sys.executable, SCRIPTS / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_whole_addon_is_ported_and_all_else_left_out(sources, tmp_path):
    target = tmp_path / "build" / "19.0"
    write_port(port_tree(sources), target)
    expected = {f"smart_dairy_mini/{name}": text for name, text in (ADDON | CHANGED).items()}
    assert read(target) == expected


def test_porting_again_replaces_the_earlier_port(sources, tmp_path):
    target = tmp_path / "19.0"
    write_port(port_tree(sources), target)
    before = read(target)
    write(target, {"models/gone.py": "stale"})
    write(target, {"__manifest__.py": "stale"}, addon="smart_dairy_gone")
    write_port(port_tree(sources), target)
    assert read(target) == before


def test_what_is_already_ported_is_refused(sources, tmp_path):
    write_port(port_tree(sources), tmp_path / "19.0")
    messages = [finding.message for finding in port_tree(tmp_path / "19.0").findings]
    assert any("17.0.x.y.z" in message for message in messages)
    assert any("`_sql_constraints`" in message for message in messages)
    assert any("<tree>" in message for message in messages)


def test_a_tree_without_addons_is_an_error(tmp_path):
    with pytest.raises(PortError, match="there is no smart_dairy_"):
        port_tree(tmp_path)


def test_a_directory_that_holds_something_else_is_not_wiped(sources, tmp_path):
    port = port_tree(sources)
    home = tmp_path / "home"
    write(home, {"letter.txt": "dear"}, addon="documents")
    for target in (home, sources, tmp_path):
        with pytest.raises(PortError):
            write_port(port, target)
    assert (home / "documents/letter.txt").exists()
    assert (sources / "smart_dairy_mini/__manifest__.py").exists()


def test_the_command_says_what_it_did(sources, tmp_path):
    done = run("port.py", sources, tmp_path / "19.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 addons" in done.stdout
    assert "4 files changed" in done.stdout


def test_the_command_writes_nothing_when_a_construct_is_not_known(sources, tmp_path):
    target = tmp_path / "19.0"
    assert run("port.py", sources, target).returncode == 0
    write(sources, {"models/bad.py": "from odoo import models\n\nmodels.go(self._cr)\n"})
    done = run("port.py", sources, target)
    assert done.returncode == 1
    assert "smart_dairy_mini/models/bad.py:3: `_cr` does not run on both series" in done.stderr
    assert "2 constructs" in done.stderr
    assert not target.exists()


def test_the_command_for_lint_prints_findings_of_the_paths_asked_for(sources):
    write(sources, {"models/bad.py": "import odoo\nodoo.registry\n", "models/worse.py": "import odoo\n\nself._cr\n"})
    done = run("lint_series.py", "--root", sources)
    assert done.returncode == 1
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == [
        "smart_dairy_mini/models/bad.py:2:",
        "smart_dairy_mini/models/worse.py:3:",
    ]
    done = run("lint_series.py", "--root", sources, sources / "smart_dairy_mini/models/bad.py")
    assert [line.partition(" ")[0] for line in done.stdout.splitlines()] == ["smart_dairy_mini/models/bad.py:2:"]
    done = run("lint_series.py", "--root", sources, sources / "smart_dairy_mini/views")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("written", "line", "part"),
    [
        ('{"version": "16.0.1.0.0"}', 1, "17.0.x.y.z"),
        ('{"version": VERSION}', 1, "17.0.x.y.z"),
        ('{\n"version": "17.0.1"}', 2, "17.0.x.y.z"),
        ('{"name": "x"}', 1, "17.0.x.y.z"),
        ("dict(version='17.0.1.0.0')", 1, "literal dictionary"),
        ('{**BASE, "version": "17.0.1.0.0"}', 1, "literal dictionary"),
        ('{"version": "17.0.1.0.0",\n"assets": {\n"web.qunit_suite_tests": []}}', 3, "web.qunit_suite_tests"),
        ('{"version": "17.0.1.0.0",\n"assets": ASSETS}', 2, "literal dictionary"),
    ],
)
def test_a_manifest_that_would_be_skipped_in_silence_is_refused(tmp_path, written, line, part):
    write(tmp_path, {"__manifest__.py": written})
    findings = port_tree(tmp_path).findings
    assert [finding.line for finding in findings] == [line]
    assert part in findings[0].message
