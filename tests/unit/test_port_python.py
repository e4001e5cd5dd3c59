"""The port of Python files: what it changes, what it leaves alone, what it refuses."""

import ast
from pathlib import PurePath

import pytest

from porting.findings import SourceFile
from porting.python import check_snippet, port_python

IMPORTS = "from odoo import api, fields, http, models, tools\n"


def port(text, path="smart_dairy_x/models/x.py"):
    source = SourceFile(PurePath(path), "smart_dairy_x", text)
    return port_python(source), [(finding.line, finding.message) for finding in source.findings]


def ported(text):
    result, findings = port(text)
    assert findings == []
    return result


def refusal(text, **options):
    """The one finding of a text, as line and message; the text must be kept as it is."""
    result, findings = port(text, **options)
    assert len(findings) == 1, findings
    assert result == text
    return findings[0]


def test_constraints_become_declarations_and_keep_their_comments():
    source = IMPORTS + (
        "\n"
        "class Cow(models.Model):\n"
        '    _name = "cow"\n'
        "    _sql_constraints = [\n"
        "        # one number, one cow\n"
        '        ("name_unique", "UNIQUE(name, farm_id)", "A farm\'s number is taken: “%s”."),  # in all farms\n'
        "        (\n"
        '            "weight_positive",\n'
        '            "CHECK(weight > 0)",\n'
        '            "A cow weighs "\n'
        '            "something.",\n'
        "        ),\n"
        "        # more to come\n"
        "    ]\n"
        "\n"
        "    weight = fields.Float()  # kg\n"
    )
    assert ported(source) == IMPORTS + (
        "\n"
        "class Cow(models.Model):\n"
        '    _name = "cow"\n'
        "    # one number, one cow\n"
        "    # in all farms\n"
        "    _name_unique = models.Constraint('UNIQUE(name, farm_id)', \"A farm's number is taken: “%s”.\")\n"
        "    _weight_positive = models.Constraint('CHECK(weight > 0)', 'A cow weighs something.')\n"
        "    # more to come\n"
        "\n"
        "    weight = fields.Float()  # kg\n"
    )


@pytest.mark.parametrize(
    "written",
    [
        '    _sql_constraints = [("u", "UNIQUE(a)", "Taken.")]\n',
        '    _sql_constraints = [("u", "UNIQUE(a)", "Taken."),]\n',
        '    _sql_constraints = [["u", "UNIQUE(a)", "Taken."]]\n',
        '    _sql_constraints=[(\n"u",\n"UNIQUE(a)",\n"Taken.")\n]\n',
        "    _sql_constraints = (  \n  [('u', 'UNIQUE(' 'a)', '''Taken.'''), ])\n",
    ],
)
def test_constraints_are_found_however_they_are_laid_out(written):
    result = ported(f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n{written}    _order = 'b'\n")
    declared = ast.parse(result).body[-1].body
    assert ast.unparse(declared[1]) == "_u = models.Constraint('UNIQUE(a)', 'Taken.')"
    assert [statement.targets[0].id for statement in declared] == ["_name", "_u", "_order"]


@pytest.mark.parametrize(
    "written",
    [
        "_sql_constraints = CONSTRAINTS",
        '_sql_constraints = [("u", f"UNIQUE({x})", "Taken.")]',
        '_sql_constraints = [("u", "UNIQUE(a)", _("Taken."))]',
        '_sql_constraints = [("u", "UNIQUE(a)")]',
        '_sql_constraints = [("not a name", "UNIQUE(a)", "Taken.")]',
        '_sql_constraints = (("u", "UNIQUE(a)", "Taken."),)',
        '_sql_constraints = [("u", "UNIQUE(a)", "Taken.")] + OTHERS',
        "_sql_constraints = []",
        '_sql_constraints += [("u", "UNIQUE(a)", "Taken.")]',
        '_sql_constraints: list = [("u", "UNIQUE(a)", "Taken.")]',
    ],
)
def test_constraints_that_are_no_literal_list_are_refused(written):
    line, message = refusal(f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n    {written}\n")
    assert line == 4
    assert "literal list" in message


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("order", ""),
        ("name", ""),
        ("check_age", "    def _check_age(self):\n        pass\n"),
        ("_hidden", ""),
    ],
)
def test_a_constraint_that_would_share_its_attribute_is_refused(name, member):
    constraint = f'    _sql_constraints = [("{name}", "CHECK(a > 0)", "No.")]\n'
    line, message = refusal(f"{IMPORTS}class A(models.Model):\n{constraint}{member}")
    assert (line, "is taken" in message) == (3, True)


def test_constraints_need_the_name_models():
    text = 'from odoo.models import Model\nclass A(Model):\n    _sql_constraints = [("u", "UNIQUE(a)", "Taken.")]\n'
    _result, findings = port(text)
    assert (3, "a file with `_sql_constraints` must say `from odoo import models`.") in findings


def test_group_operator_of_a_field_becomes_aggregator_and_nothing_else_moves():
    field = (
        '    milk = fields.Float("Milch für ü", group_operator="avg",  # the mean\n        help="group_operator=")\n'
    )
    result = ported(f"{IMPORTS}class A(models.Model):\n{field}")
    assert result == f"{IMPORTS}class A(models.Model):\n" + field.replace('group_operator="', 'aggregator="', 1)


def test_a_file_in_which_nothing_differs_is_kept_to_the_byte():
    text = (
        '"""A tree of <tree>s."""\r\n'
        "from odoo import  api,models # two  spaces\n\n\n"
        "class A( models.Model ):\n\t_name='a'\n\t@api.model_create_multi\n"
        "\tdef create(self, vals_list): return super().create(vals_list)\n"
    )
    assert ported(text) == text


def test_the_rules_of_the_orm_do_not_hold_for_a_file_without_odoo():
    text = "class Client:\n    def read_group(self):\n        return self._context, self._cr, 'tree', 'groups_id'\n"
    assert ported(text) == text


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("self._cr", "self.env.cr"),
        ("self._uid", "self.env.uid"),
        ("self._context", "self.env.context"),
        ("self.env.user.groups_id", "has_group"),
        ("self.env['a'].read_group([], [], [])", "_read_group"),
        ("self.check_access_rights('read')", "let the ORM check"),
        ("self.check_access('read')", "17.0 has it not"),
        ("self.name_get()", "display_name"),
        ("self.user_has_groups('a.b')", "has_group"),
        ("self.toggle_active()", "action_archive"),
        ("self.cron.method_direct_trigger()", "ir_actions_server_id.run()"),
        ("self.env._('x')", "from odoo import _"),
        ("self.env['res.users.apikeys']._generate('rpc', 'x')", "expiry"),
        ("http.request.session.authenticate('db', 'a', 'b')", "arguments"),
        ("self.env['x'].name_search(args=[])", "by position"),
        ("self.env['bus.presence']", "no model"),
        ("{'view_mode': 'tree,form'}", "write 'list'"),
        ("[(False, 'tree')]", "write 'list'"),
        ("'<tree><field/></tree>'", "write it in XML"),
        ("self.write({'groups_id': []})", "does not exist"),
        ("self.search([('groups_id.name', '=', 'x')])", "does not exist"),
        ("{'numbercall': -1}", "does not exist"),
        ("self._sql_constraints", "literal list"),
        ("[('a', '<>', 1)]", "operator"),
        ("models.Constraint('CHECK(1=1)', '')", "write `_sql_constraints`"),
        ("models.Index('(a)')", "19.0's"),
        ("tools.lazy_property", "cached_property"),
        ("api.returns('a')", "19.0 has it not"),
        ("fields.Serialized()", "not known"),
        ("fields.Float(aggregator='sum')", "group_operator"),
        ("fields.Many2one('a', auto_join=True)", "auto_join"),
        ("fields.Char(states={})", "states"),
        ("dict(group_operator='sum')", "fields.<Type>"),
        ("http.route('/a', type='json')", "make_json_response"),
        ("http.route('/a', type='jsonrpc')", "make_json_response"),
        ("http.route('/a', type=KIND)", "make_json_response"),
    ],
)
def test_what_differs_is_refused_with_its_line_and_what_to_write(statement, part):
    line, message = refusal(f"{IMPORTS}\n\ndef go(self):\n    return {statement}\n")
    assert line == 5
    assert part in message


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("import odoo.osv.expression", "build the domain as a list"),
        ("from odoo.osv import expression", "build the domain as a list"),
        ("from odoo import registry", "odoo.modules.registry import Registry"),
        ("from odoo.fields import Domain", "19.0's"),
        ("from odoo.tests import SavepointCase", "TransactionCase"),
        ("from odoo.tools.misc import frozendict", "not known"),
        ("from odoo.addons.sale.models.sale_order import SaleOrder", "not known"),
        ("from odoo.tools.pycompat import text_type", "standard library"),
    ],
)
def test_an_import_that_is_not_known_to_be_the_same_is_refused(statement, part):
    line, message = refusal(f"import re\n{statement}\n")
    assert line == 2
    assert part in message


@pytest.mark.parametrize(
    "statement",
    [
        "from odoo.modules.registry import Registry",
        "from odoo.addons.smart_dairy_farm.tools import rfid",
        "from odoo.tests import Form, HttpCase, TransactionCase, new_test_user, tagged",
        "from odoo.exceptions import UserError, ValidationError",
        "from odoo.tools import SQL, config, mute_logger",
        "from odoo import SUPERUSER_ID, Command, _",
        "from . import models",
    ],
)
def test_an_import_that_both_series_have_is_kept(statement):
    text = f"import odoo\n{statement}\n"
    assert ported(text) == text


def test_names_of_odoo_written_out_are_looked_up_too():
    assert ported("import odoo\n\nodoo.tools.config['db_name']\nodoo.http.request.env\n")
    line, message = refusal("import odoo\n\nodoo.registry('x')\n")
    assert (line, "Registry" in message) == (3, True)
    line, message = refusal("import odoo\n\nodoo.tools.image.binary_to_image(b'')\n")
    assert (line, "odoo.tools.image" in message) == (3, True)


@pytest.mark.parametrize(
    "method",
    ["_search", "name_get", "name_search", "read_group", "copy_data", "_subscribe", "toggle_active", "web_read_group"],
)
def test_an_override_whose_signature_differs_is_refused(method):
    text = f"{IMPORTS}class A(models.Model):\n    _inherit = 'a'\n    def {method}(self, *args):\n        return None\n"
    line, message = refusal(text)
    assert (line, method in message) == (4, True)


def test_create_of_one_record_is_refused():
    text = (
        f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n    @api.model\n    def create(self, vals):\n        pass\n"
    )
    assert refusal(text) == (5, "19.0 gives `create` a list: decorate it with `@api.model_create_multi`.")


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ("return [('a', operator, value)]", True),
        ("if operator not in ('=', 'in'): raise ValueError()", True),
        ("if operator != '=': raise NotImplementedError()", True),
        ("if operator != '=': return NotImplemented", True),
        ("return [('a', '=', bool(value))]", False),
        ("return [('id', 'in', self._ids_of(value))]", False),
    ],
)
def test_a_search_method_that_would_take_a_set_for_a_value_is_refused(body, fits):
    text = (
        f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n    def _search_a(self, operator, value):\n        {body}\n"
    )
    _result, findings = port(text)
    assert [line for line, _message in findings] == ([] if fits else [4])


@pytest.mark.parametrize(("arguments", "fits"), [("order=None", True), ("order", False), ("", False)])
def test_group_expand_must_serve_calls_with_two_and_with_three_arguments(arguments, fits):
    text = (
        f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n    b = fields.Many2one('b', group_expand='_expand')\n"
        f"    def _expand(self, groups, domain, {arguments}):\n        return groups\n"
    )
    _result, findings = port(text)
    assert [line for line, _message in findings] == ([] if fits else [5])


def test_group_expand_by_a_method_out_of_sight_is_refused():
    text = f"{IMPORTS}class A(models.Model):\n    _name = 'a'\n    b = fields.Char(group_expand='_expand')\n"
    assert "method of the same class" in refusal(text)[1]


@pytest.mark.parametrize(("size", "fits"), [("1366,768", True), ("1366x768", False)])
def test_the_browser_size_has_the_form_that_a_current_chromium_understands(size, fits):
    text = f"from odoo.tests import HttpCase\nclass T(HttpCase):\n    browser_size = '{size}'\n"
    _result, findings = port(text)
    assert [line for line, _message in findings] == ([] if fits else [3])


@pytest.mark.parametrize(
    ("path", "name", "fits"),
    [
        ("smart_dairy_x/cli/bridge.py", "bridge", True),
        ("smart_dairy_x/cli/other.py", "bridge", False),
        ("smart_dairy_x/models/bridge.py", "bridge", False),
    ],
)
def test_a_command_is_found_by_its_file_name(path, name, fits):
    text = f"from odoo.cli import Command\nclass Bridge(Command):\n    name = '{name}'\n"
    _result, findings = port(text, path=path)
    assert [line for line, _message in findings] == ([] if fits else [2])


def test_a_command_imports_absolutely():
    text = "from odoo.cli import Command\nfrom ..bridge import runner\nclass B(Command):\n    name = 'b'\n"
    assert refusal(text, path="smart_dairy_x/cli/b.py")[0] == 2


def test_a_helper_of_the_tests_may_make_api_keys():
    text = "from odoo import models\n\ndef key(env):\n    return env['res.users.apikeys']._generate('rpc', 'x')\n"
    assert port(text, path="smart_dairy_x/tests/common.py") == (text, [])


def test_what_is_no_python_is_a_finding():
    assert refusal("import odoo\ndef (:\n")[0] == 2


def test_the_code_of_a_cron_is_held_against_the_same_rules():
    source = SourceFile(PurePath("smart_dairy_x/data/cron.xml"), "smart_dairy_x", "")
    check_snippet(source, "model._supervise()\nmodel.read_group([], [], [])", line=10)
    assert [finding.line for finding in source.findings] == [11]
