/** @odoo-module **/

import { downloadFile } from "@web/core/network/download";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";
import { Component, useState } from "@odoo/owl";

/** A file that is only on this screen, base64 in a text field: the server has it no more, so the browser saves it. */
export class OneTimeFileField extends Component {
    static template = "smart_dairy_iot.OneTimeFileField";
    static props = { ...standardFieldProps, filenameField: String, mimetype: String };

    setup() {
        this.state = useState({ downloaded: false });
    }

    get filename() {
        return this.props.record.data[this.props.filenameField];
    }

    download() {
        const bytes = Uint8Array.from(atob(this.props.record.data[this.props.name]), (char) => char.charCodeAt(0));
        downloadFile(new Blob([bytes], { type: this.props.mimetype }), this.filename, this.props.mimetype);
        this.state.downloaded = true;
    }
}

registry.category("fields").add("iot_one_time_file", {
    component: OneTimeFileField,
    supportedTypes: ["char"],
    extractProps: ({ options }) => ({ filenameField: options.filename, mimetype: options.mimetype }),
});
