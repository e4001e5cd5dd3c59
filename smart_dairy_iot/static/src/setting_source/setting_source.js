/** @odoo-module **/

import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";

/** Under a setting: which value is in force, and where it comes from, when it is not the one on the page. */
export class SettingSource extends Component {
    static template = "smart_dairy_iot.SettingSource";
    static props = ["*"];

    get override() {
        return (this.props.record.data.iot_overrides || {})[this.props.setting];
    }

    get origin() {
        return this.override.source === "file" ? _t("From the server's file") : _t("From the server's environment");
    }
}

registry.category("view_widgets").add("iot_setting_source", {
    component: SettingSource,
    extractProps: ({ attrs }) => ({ setting: attrs.setting }),
});
