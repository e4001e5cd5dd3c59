/** @odoo-module **/

import { Component, onWillStart, useState } from "@odoo/owl";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { listView } from "@web/views/list/list_view";

/** The list of users that differ, under a line that says when the broker was last asked, and what came of it. */
export class BrokerDriftRenderer extends Component {
    static template = "smart_dairy_iot.BrokerDriftRenderer";
    static components = { ListRenderer: listView.Renderer };
    static props = ["*"];

    setup() {
        this.lastCheck = useState({});
        const orm = useService("orm");
        onWillStart(async () => {
            Object.assign(this.lastCheck, await orm.call("iot.broker.check", "summary", []));
        });
    }

    get checkedAt() {
        return formatDateTime(deserializeDateTime(this.lastCheck.checked_at));
    }

    get level() {
        if (!this.lastCheck.checked_at) {
            return "info";
        }
        return this.lastCheck.problem ? "danger" : this.lastCheck.differing ? "warning" : "success";
    }

    get text() {
        const { checked_at: checkedAt, problem, differing } = this.lastCheck;
        if (!checkedAt) {
            return _t("The broker has not been compared with the register yet.");
        }
        if (problem) {
            return _t("The check of %s failed: %s", this.checkedAt, problem);
        }
        if (differing) {
            return _t("Checked %s: %s of the broker's users differ from the register.", this.checkedAt, differing);
        }
        return _t("Checked %s: the broker's users are as the register says.", this.checkedAt);
    }
}

registry.category("views").add("iot_broker_drift_list", { ...listView, Renderer: BrokerDriftRenderer });
