"""The port of JavaScript: it changes nothing, and refuses what one of the series does not have."""

from pathlib import PurePath

import pytest

from porting.findings import SourceFile
from porting.javascript import port_javascript, registered_services


def port(text, own_services=frozenset()):
    source = SourceFile(PurePath("smart_dairy_x/static/src/x.js"), "smart_dairy_x", text)
    assert port_javascript(source, set(own_services)) == text
    return [(finding.line, finding.message) for finding in source.findings]


def refusal(text):
    findings = port(text)
    assert len(findings) == 1, findings
    return findings[0]


def tour(*steps):
    body = ",\n".join(steps)
    return f'registry.category("web_tour.tours").add("x", {{\n    steps: () => [\n{body},\n    ],\n}});\n'


def test_a_component_that_both_series_understand_is_kept():
    assert not port(
        """/** @odoo-module **/

import { Component, onWillStart, useState } from "@odoo/owl";
import { loadBundle } from "@web/core/assets";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { watch } from "./watch";
import { live as iotLive } from "@smart_dairy_iot/iot_live/live";

// not useService("rpc"), nor $("div"), nor session.uid
export class Dashboard extends Component {
    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.env.services.bus_service.addChannel("x");
    }
}
registry.category("actions").add("x", Dashboard);
"""
    )


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ('import { rpc } from "@web/core/network/rpc";', "`rpc`"),
        ('import { user } from "@web/core/user";', "`user`"),
        ('import { _lt } from "@web/core/l10n/translation";', "`_lt`"),
        ('import { Dropdown } from "@web/core/dropdown/dropdown";', "`Dropdown`"),
        ('import {\n    Component,\n    fetchAll,\n} from "@odoo/owl";', "`fetchAll`"),
        ('import { registry as r, nothing as n } from "@web/core/registry";', "`nothing`"),
        ('import dom from "@web/legacy/js/core/dom";', "by name"),
        ('import * as owl from "@odoo/owl";', "by name"),
        ('import "@web/core/registry";', "other than"),
        ('const x = await import("@web/core/registry");', "other than"),
    ],
)
def test_an_import_that_is_not_known_to_be_the_same_is_refused(statement, part):
    line, message = refusal(f"/** @odoo-module **/\n\n{statement}\n")
    assert line == 3
    assert part in message


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ('useService("rpc");', "orm.call"),
        ("useService('user');", "orm.call"),
        ('useService("bus_service");', "this.env.services.bus_service"),
        ("this.env.services.rpc;", "orm.call"),
        ('useService("mail.thread");', "not known"),
        ('const s = { dependencies: ["orm", "rpc"] };', "orm.call"),
        ("await this.orm.readGroup(a, b);", "method of the model"),
        ("await this.orm.formattedReadGroup(a, b);", "17.0 has it not"),
        ("if (session.uid) {}", "session.uid"),
        ("session.user_context.lang;", "session.user_context"),
        ('$(".a").hide();', "jQuery"),
        ("jQuery.ajax();", "jQuery"),
        ('QUnit.test("x");', "QUnit"),
        ('const a = { view_mode: "tree,form" };', "write 'list'"),
        ('const a = { views: [[false, "tree"]] };', "write 'list'"),
    ],
)
def test_what_differs_is_refused_with_its_line_and_what_to_write(statement, part):
    line, message = refusal(f"\n\n{statement}\n")
    assert line == 3
    assert part in message


def test_services_of_the_addons_themselves_are_known():
    registering = 'registry.category("services").add("iot_live", iotLive);\n'
    assert registered_services(registering) == {"iot_live"}
    using = 'useService("iot_live");\nconst s = { dependencies: ["iot_live", "bus_service"] };\n'
    assert not port(using, own_services={"iot_live"})
    assert [line for line, _message in port(using)] == [1, 2]


def test_a_tour_whose_steps_say_what_they_do_is_kept():
    assert not port(
        tour(
            '{ content: "open {it}", trigger: ".o_app:contains(Milk)", run: "click" }',
            '{ trigger: ".o_list_view", run() {} }',
            '{ trigger: ".o_form", timeout: 5000, run: () => { check({ run: true }); } }',
            '{ trigger: ".o_form", async run() { await go(); } }',
        )
    )


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ('{ trigger: ".a" }', "clicks by itself"),
        ('{ trigger: ".a", isCheck: true, run() {} }', "isCheck"),
        ('{ trigger: ".a", extra_trigger: ".b", run: "click" }', "extra_trigger"),
        ('{ trigger: ".a", run: "text 17" }', "write a function"),
        ('{ trigger: ".a", run: "edit 17" }', "write a function"),
        ('{ trigger: ".a", run() { this.$anchor.val(1); } }', "jQuery"),
    ],
)
def test_a_step_of_a_tour_that_differs_is_refused(step, part):
    good = '{ trigger: ".b", run: "click" }'
    line, message = refusal(tour(good, step, good))
    assert line == 4
    assert part in message
