/** @odoo-module **/

import { download } from "@web/core/network/download";
import { registry } from "@web/core/registry";

/**
 * Fetch the sheets of labels of some devices.
 *
 * The ids are sent as a form, since an address has no room for thousands.
 *
 * @param {Object} env
 * @param {number[]} deviceIds
 */
export async function printLabels(env, deviceIds) {
    env.services.ui.block();
    try {
        await download({ url: "/iot/labels", data: { ids: deviceIds.join(",") } });
    } finally {
        env.services.ui.unblock();
    }
}

registry.category("actions").add("iot_print_labels", (env, { params }) => printLabels(env, params.device_ids));
