"""The port of data files: records, views, templates, and the columns of CSV."""

from pathlib import PurePath

import pytest

from porting.data_files import check_csv, port_xml
from porting.findings import SourceFile
from porting.groups import categories_of


def port(text, *others, path="smart_dairy_x/views/x.xml"):
    source = SourceFile(PurePath(path), "smart_dairy_x", text)
    result = port_xml(source, categories_of([source, *others]))
    return result, [(finding.line, finding.message) for finding in source.findings]


def ported(text, *others):
    result, findings = port(text, *others)
    assert findings == []
    return result


def refusal(text, **options):
    """The one finding of a text, as line and message."""
    findings = port(text, **options)[1]
    assert len(findings) == 1, findings
    return findings[0]


def data(*records):
    return "<odoo>\n" + "".join(f"    {record}\n" for record in records) + "</odoo>\n"


def record(model, *fields):
    body = "".join(f"        {field}\n" for field in fields)
    return f'<record id="a" model="{model}">\n{body}    </record>'


def view(arch, *fields):
    return data(
        record("ir.ui.view", '<field name="model">x</field>', *fields, f'<field name="arch" type="xml">{arch}</field>')
    )


def ported_arch(arch):
    return ported(view(arch)).partition('type="xml">')[2].partition("</field>\n    </record>")[0]


def arch_refusal(arch):
    return refusal(view(arch))[1]


CARD = '<kanban{}><templates><t t-name="kanban-box">{}</t></templates></kanban>'


# What is kept


def test_a_file_in_which_nothing_differs_is_kept_to_the_byte():
    text = """<?xml version='1.0' encoding="UTF-8"?>
<!-- before -->
<odoo   noupdate="1" >
    <record id='a'
            model="farm.pen"><field name="name">A &amp; B&#160;C</field> </record>

    <menuitem id="m"    name="M"/>
</odoo>
<!-- after -->

"""
    assert ported(text) == text


def test_a_file_that_is_changed_keeps_comments_blank_lines_and_its_declaration():
    text = """<?xml version="1.0" encoding="utf-8" ?>
<!-- before -->
<odoo>
    <!-- a tree of cows -->
    <record id="a" model="ir.ui.view">
        <field name="arch" type="xml">
            <tree>
                <!-- the number -->
                <field name="name" />

            </tree>
        </field>
    </record>

    <menuitem id="m" name="Ü &amp; tree" />
</odoo>
<!-- after -->
"""
    expected = text.replace("<tree>", "<list>").replace("</tree>", "</list>").replace(" />", "/>")
    assert ported(text) == expected


def test_porting_is_deterministic():
    text = view("<tree><field name='a'/></tree>")
    assert ported(text) == ported(text)


def test_templates_of_the_web_client_are_kept():
    text = '<templates xml:space="preserve">\n<t t-name="smart_dairy_x.A"><tree t-esc="a"/></t>\n</templates>\n'
    assert ported(text) == text


# Views


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            '<tree editable="top" decoration-danger="a &lt; 1"><field name="a"/></tree>',
            '<list editable="top" decoration-danger="a &lt; 1"><field name="a"/></list>',
        ),
        (
            '<form><field name="b" mode="tree,kanban"><tree><field name="a"/></tree></field></form>',
            '<form><field name="b" mode="list,kanban"><list><field name="a"/></list></field></form>',
        ),
        (
            '<form><sheet/><div class="oe_chatter"><field name="message_follower_ids"/>'
            '<field name="activity_ids"/><field name="message_ids"/></div></form>',
            "<form><sheet/><chatter/></form>",
        ),
        (
            '<xpath expr="//tree/field[@name=\'tree\']" position="after"/>',
            '<xpath expr="//list/field[@name=\'tree\']" position="after"/>',
        ),
        ('<xpath expr="tree" position="inside"/>', '<xpath expr="list" position="inside"/>'),
        (
            '<xpath expr="//field[@name=\'a\']/tree | //form[descendant::tree]" position="inside"/>',
            '<xpath expr="//field[@name=\'a\']/list | //form[descendant::list]" position="inside"/>',
        ),
        (
            '<xpath expr="//field[@name=\'tree-x\']/subtree" position="inside"/>',
            '<xpath expr="//field[@name=\'tree-x\']/subtree" position="inside"/>',
        ),
        (
            '<xpath expr="//div[hasclass(\'oe_chatter\')]" position="before"/>',
            '<xpath expr="//chatter" position="before"/>',
        ),
        (
            '<xpath expr="//t[@t-name=\'kanban-box\']/div" position="inside"/>',
            '<xpath expr="//t[@t-name=\'card\']/div" position="inside"/>',
        ),
        ('<tree position="attributes"/>', '<list position="attributes"/>'),
        ('<search><group><filter name="a"/></group></search>', '<search><group><filter name="a"/></group></search>'),
        ('<form><group string="A"/></form>', '<form><group string="A"/></form>'),
    ],
)
def test_views(written, expected):
    assert ported_arch(written) == expected


def test_the_text_around_a_chatter_stays():
    assert ported_arch('<form>\n<div class="oe_chatter"/>\n<!-- end -->\n</form>') == (
        "<form>\n<chatter/>\n<!-- end -->\n</form>"
    )


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("<list/>", "<tree>"),
        ("<form><chatter/></form>", "oe_chatter"),
        ('<form><div class="oe_chatter mt-2"/></form>', "plain"),
        ('<form><div class="oe_chatter"><field name="other_ids"/></div></form>', "plain"),
        ('<form><div class="oe_chatter"><field name="message_ids" options="{}"/></div></form>', "plain"),
        ('<form><div class="oe_chatter" position="before"/></form>', "plain"),
        ('<xpath expr="//*[contains(@class, \'oe_chatter\')]" position="after"/>', "cannot be ported"),
        ('<xpath expr="//div[hasclass(\'oe_kanban_global_click\')]" position="after"/>', "cannot be ported"),
        ('<search><group expand="0"><filter name="a"/></group></search>', "'expand'"),
        ('<search><group string="By"><filter name="a"/></group></search>', "'string'"),
        ('<tree banner_route="/a"/>', "'banner_route'"),
        ('<form><field name="a" attrs="{\'invisible\': 1}"/></form>', "'attrs'"),
        ('<form><button name="a" states="b"/></form>', "'states'"),
        ('<form><field name="a" widget="font"/></form>', "widget"),
        ("<form><field name=\"a\" domain=\"[('groups_id', '=', 1)]\"/></form>", "groups_id"),
        ("<form><field name=\"a\" context=\"{'tree_view_ref': 'x'}\"/></form>", "tree_view_ref"),
    ],
)
def test_a_construct_of_a_view_that_is_not_known_is_refused(written, part):
    assert part in arch_refusal(written)


def test_a_finding_in_a_view_has_the_line_of_its_element():
    assert refusal(view("<search>\n<field name='a'/>\n<group expand='1'/>\n</search>"))[0] == 6


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (['<field name="inherit_id" ref="sale.view_order_form"/>'], "sale.view_order_form"),
        (['<field name="inherit_id" eval="ref(x)"/>'], "not known"),
        (['<field name="groups_id" eval="[]"/>'], "groups="),
        (['<field name="arch_db" type="xml"><form/></field>'], "'arch'"),
    ],
)
def test_a_view_that_builds_on_what_is_not_known_is_refused(fields, part):
    assert part in refusal(view("<form/>", *fields))[1]


def test_an_architecture_that_is_no_xml_here_is_refused():
    assert "type 'xml'" in refusal(data(record("ir.ui.view", '<field name="arch"><![CDATA[<tree/>]]></field>')))[1]


@pytest.mark.parametrize("reference", ["other_view", "smart_dairy_farm.view", "base.res_config_settings_view_form"])
def test_a_view_may_build_on_ours_and_on_what_is_the_same(reference):
    text = view("<xpath expr='//form' position='inside'/>", f'<field name="inherit_id" ref="{reference}"/>')
    assert ported(text) == text


def test_the_type_of_a_view_is_renamed():
    text = view("<tree/>", '<field name="type">tree</field>')
    assert '<field name="type">list</field>' in ported(text)


# Kanban


@pytest.mark.parametrize(
    ("attributes", "card", "expected_attributes", "expected_card"),
    [
        ("", '<div class="oe_kanban_global_click"/>', "", "<div/>"),
        ("", '<div class="oe_kanban_global_click d-flex"/>', "", '<div class="d-flex"/>'),
        ("", '<div class="d-flex"/>', ' can_open="0"', '<div class="d-flex"/>'),
        (' action="go" type="object"', "<div/>", ' action="go" type="object"', "<div/>"),
        (
            "",
            '<div class="oe_kanban_global_click"><t t-if="record.a.raw_value"><field name="a"/></t></div>',
            "",
            '<div><t t-if="record.a.raw_value"><field name="a"/></t></div>',
        ),
    ],
)
def test_kanban(attributes, card, expected_attributes, expected_card):
    expected = CARD.format(expected_attributes, expected_card).replace("kanban-box", "card")
    assert ported_arch(CARD.format(attributes, card)) == expected


def test_the_menu_of_a_card_gets_its_new_name():
    card = CARD.format("", '<div class="oe_kanban_global_click"/>')
    written = card.replace("<templates>", '<templates><t t-name="kanban-menu"><a type="open"/></t>')
    assert '<t t-name="menu"><a type="open"/></t><t t-name="card"><div/></t>' in ported_arch(written)


def test_a_kanban_inside_a_form_is_ported_too():
    card = CARD.format("", '<div class="oe_kanban_global_click"/>')
    assert '<t t-name="card"><div/></t>' in ported_arch(f'<form><field name="a">{card}</field></form>')


@pytest.mark.parametrize(
    ("card", "part"),
    [
        ("<div/><div/>", "one root element"),
        ("", "one root element"),
        ('<div class="oe_kanban_card"/>', "oe_kanban_card"),
        ('<div><strong class="o_kanban_record_title"/></div>', "o_kanban_record_title"),
        ("<div t-attf-class=\"{{a ? 'oe_kanban_global_click' : ''}}\"/>", "oe_kanban_global_click"),
        ('<div t-att-style="kanban_color(1)"/>', "kanban_color"),
        ("<div><img t-att-src=\"kanban_image('a', 'b', 1)\"/></div>", "kanban_image"),
        ('<div t-if="read_only_mode"/>', "read_only_mode"),
        ('<div><field name="a" bold="1"/></div>', "'bold'"),
        ('<div color="color"/>', "'color'"),
        ('<div><a type="edit"/></div>', "'edit'"),
    ],
)
def test_a_card_with_what_is_gone_is_refused(card, part):
    assert part in arch_refusal(CARD.format("", card))


@pytest.mark.parametrize(("name", "part"), [("card", "kanban-box"), ("kanban-tooltip", "tooltip"), ("menu", "kanban-")])
def test_a_template_of_a_card_that_one_series_does_not_have_is_refused(name, part):
    assert part in arch_refusal(f'<kanban><templates><t t-name="{name}"><div/></t></templates></kanban>')


# Actions, crons, rules


@pytest.mark.parametrize(
    ("model", "field", "part"),
    [
        ("ir.actions.act_window", '<field name="view_mode">tree,form</field>', "write 'list'"),
        ("ir.actions.act_window", '<field name="views" eval="[(False, \'tree\')]"/>', "write 'list'"),
        ("ir.actions.act_window", '<field name="target">inline</field>', "leave it out"),
        ("ir.actions.act_window", '<field name="groups_id" eval="[]"/>', "groups="),
        ("ir.actions.act_window.view", '<field name="view_mode">list</field>', "wants the view mode 'tree'"),
        ("ir.ui.menu", '<field name="groups_id" eval="[]"/>', "groups="),
        ("res.users", '<field name="groups_id" eval="[]"/>', "imply the group"),
        ("res.groups", '<field name="users" eval="[]"/>', "imply the group"),
        ("res.groups", '<field name="privilege_id" ref="b"/>', "write `category_id`"),
        ("res.partner", '<field name="mobile">1</field>', "phone"),
        ("ir.rule", "<field name=\"domain_force\">[('a', '=', time.time())]</field>", "`time`"),
        ("ir.rule", "<field name=\"domain_force\">[('a', 'in', user.groups_id.ids)]</field>", "groups_id"),
        ("ir.actions.server", '<field name="code">\nrecords.read_group([])\n</field>', "_read_group"),
        ("ir.cron", '<field name="model_id" ref="b"/>', "once only"),
    ],
)
def test_a_field_of_a_record_that_differs_is_refused(model, field, part):
    assert part in refusal(data(record(model, field)))[1]


def test_a_model_that_is_gone_is_refused():
    assert refusal(data(record("ir.property"))) == (2, "19.0 has no model 'ir.property'.")


def test_the_view_mode_of_a_window_action_view_is_renamed():
    text = data(record("ir.actions.act_window.view", '<field name="view_mode">tree</field>'))
    assert ported(text) == text.replace("tree", "list")


CRON = ['<field name="name">A</field>', '<field name="model_id" ref="b"/>', '<field name="code">model._go()</field>']


@pytest.mark.parametrize(
    "fields",
    [
        [*CRON, '<field name="numbercall">-1</field>'],
        ['<field name="numbercall" eval="-1"/>', *CRON, '<field name="doall" eval="False"/>'],
        [*CRON[:2], '<field name="doall">0</field>', CRON[2], '<field name="numbercall">-1</field>'],
    ],
)
def test_a_cron_loses_its_calls_and_keeps_its_shape(fields):
    assert ported(data(record("ir.cron", *fields))) == data(record("ir.cron", *CRON))


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        (['<field name="numbercall">1</field>'], "only -1"),
        (['<field name="numbercall">-1</field>', '<field name="doall" eval="True"/>'], "doall false"),
    ],
)
def test_a_cron_that_would_run_otherwise_is_refused(fields, part):
    assert part in refusal(data(record("ir.cron", *CRON, *fields)))[1]


def test_the_code_of_a_server_action_is_named_by_its_own_line():
    text = data(record("ir.actions.server", '<field name="code">\n\na = 1\nmodel.name_get()\n</field>'))
    assert refusal(text)[0] == 6


# Groups


CATEGORY = """    <record id="category_x" model="ir.module.category">
        <field name="name">Dairy</field>
        <field name="sequence">7</field>
    </record>
"""
GROUP = """    <record id="group_x" model="res.groups">
        <field name="name">User</field>
        <field name="{}" ref="{}"/>
    </record>
"""


def test_a_category_gets_a_privilege_to_which_its_groups_refer():
    text = f"<odoo>\n{CATEGORY}\n{GROUP.format('category_id', 'category_x')}</odoo>\n"
    privilege = """    <record id="privilege_category_x" model="res.groups.privilege">
        <field name="name">Dairy</field>
        <field name="sequence">7</field>
        <field name="category_id" ref="category_x"/>
    </record>
"""
    group = GROUP.format("privilege_id", "privilege_category_x")
    assert ported(text) == f"<odoo>\n{CATEGORY}{privilege}\n{group}</odoo>\n"


def test_a_group_may_stand_in_another_addon_than_its_category():
    category = SourceFile(
        PurePath("smart_dairy_farm/security/s.xml"), "smart_dairy_farm", f"<odoo>\n{CATEGORY}</odoo>\n"
    )
    text = f"<odoo>\n{GROUP.format('category_id', 'smart_dairy_farm.category_x')}</odoo>\n"
    expected = GROUP.format("privilege_id", "smart_dairy_farm.privilege_category_x")
    assert ported(text, category) == f"<odoo>\n{expected}</odoo>\n"
    group = SourceFile(PurePath("smart_dairy_x/security/s.xml"), "smart_dairy_x", text)
    assert "smart_dairy_farm.category_x" in categories_of([category, group]).used
    assert 'id="privilege_category_x"' in port_xml(category, categories_of([category, group]))


def test_a_category_without_groups_gets_no_privilege():
    text = f"<odoo>\n{CATEGORY}</odoo>\n"
    assert ported(text) == text


def test_a_category_of_odoo_itself_has_no_privilege_to_refer_to():
    text = f"<odoo>\n{GROUP.format('category_id', 'base.module_category_sales')}</odoo>\n"
    assert "base.module_category_sales" in refusal(text)[1]


def test_a_category_given_by_an_expression_is_refused():
    assert "by `ref`" in refusal(data(record("res.groups", '<field name="category_id" eval="False"/>')))[1]


# Templates, calls, files


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('<odoo>\n<template id="a" inherit_id="web.layout"/>\n</odoo>', "web.layout"),
        ('<odoo>\n<act_window id="a"/>\n</odoo>', "<act_window>"),
        ('<odoo><data>\n<report id="a"/>\n</data></odoo>', "<report>"),
        ('<odoo>\n<function model="a" name="toggle_active"/>\n</odoo>', "action_archive"),
        ('<templates>\n<t t-name="a" t-inherit="web.Layout"/>\n</templates>', "web.Layout"),
    ],
)
def test_a_template_or_tag_that_is_not_known_is_refused(text, part):
    line, message = refusal(text)
    assert line == 2
    assert part in message


@pytest.mark.parametrize(("text", "part"), [("<openerp/>", "<openerp>"), ("<odoo>", "not XML")])
def test_a_file_that_is_not_known_is_refused(text, part):
    assert part in refusal(text)[1]


@pytest.mark.parametrize(
    ("name", "header", "fits"),
    [
        ("ir.model.access.csv", "id,name,model_id:id,group_id:id,perm_read", True),
        ("res.groups.csv", "id,name,category_id/id", False),
        ("res.users.csv", "id,login,groups_id:id", False),
        ("ir.cron.csv", "id,numbercall", False),
    ],
)
def test_csv_columns(name, header, fits):
    source = SourceFile(PurePath("smart_dairy_x/data") / name, "smart_dairy_x", f"{header}\n1,2,3\n")
    assert check_csv(source) == source.text
    assert [finding.line for finding in source.findings] == ([] if fits else [1])
