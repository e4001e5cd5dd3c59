/** @odoo-module **/

import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { Component, useEffect, xml } from "@odoo/owl";

// Milliseconds; what takes longer than so many looks waits for something else.
const PAUSE = 1000;
const MOST_LOOKS = 60;

/**
 * Loads again and again what the server ends by itself.
 *
 * @param {() => boolean} waits whether the component still shows that it has not ended
 * @param {() => void} load
 */
export function useReloadWhile(waits, load) {
    useEffect(
        (waiting) => {
            let looks = 0;
            const look = () => {
                looks += 1;
                if (looks === MOST_LOOKS) {
                    browser.clearInterval(timer);
                }
                load();
            };
            const timer = waiting && browser.setInterval(look, PAUSE);
            return () => browser.clearInterval(timer);
        },
        () => [waits()]
    );
}

/** On a form that nobody edits: reads the record again while its `state` is one that the server ends by itself. */
export class ReloadWhile extends Component {
    static template = xml``;
    static props = ["*"];

    setup() {
        useReloadWhile(
            () => this.props.record.data.state === this.props.state,
            () => this.props.record.load()
        );
    }
}

registry.category("view_widgets").add("iot_reload_while", {
    component: ReloadWhile,
    extractProps: ({ attrs }) => ({ state: attrs.state }),
});
