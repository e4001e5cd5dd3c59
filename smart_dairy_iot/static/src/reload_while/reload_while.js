/** @odoo-module **/

import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { Component, useEffect, xml } from "@odoo/owl";

// Milliseconds; what takes longer than so many looks waits for something else.
const PAUSE = 1000;
const MOST_LOOKS = 60;

/** On a form that nobody edits: reads the record again while its `state` is one that the server ends by itself. */
export class ReloadWhile extends Component {
    static template = xml``;
    static props = ["*"];

    setup() {
        useEffect(
            (waits) => {
                let looks = 0;
                const look = () => {
                    looks += 1;
                    if (looks === MOST_LOOKS) {
                        browser.clearInterval(timer);
                    }
                    this.props.record.load();
                };
                const timer = waits && browser.setInterval(look, PAUSE);
                return () => browser.clearInterval(timer);
            },
            () => [this.props.record.data.state === this.props.state]
        );
    }
}

registry.category("view_widgets").add("iot_reload_while", {
    component: ReloadWhile,
    extractProps: ({ attrs }) => ({ state: attrs.state }),
});
