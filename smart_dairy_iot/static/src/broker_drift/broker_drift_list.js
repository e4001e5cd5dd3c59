/** @odoo-module **/

import { Component, onWillStart, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { listView } from "@web/views/list/list_view";

/** The list of users that differ, under a line that says when the broker was last asked, and what came of it. */
export class BrokerDriftRenderer extends Component {
    static template = "smart_dairy_iot.BrokerDriftRenderer";
    static components = { ListRenderer: listView.Renderer };
    static props = ["*"];

    setup() {
        this.lastCheck = useState({ text: "", level: "info" });
        const orm = useService("orm");
        onWillStart(async () => {
            Object.assign(this.lastCheck, await orm.call("iot.broker.check", "summary", []));
        });
    }
}

registry.category("views").add("iot_broker_drift_list", { ...listView, Renderer: BrokerDriftRenderer });
