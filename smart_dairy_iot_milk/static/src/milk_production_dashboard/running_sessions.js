/** @odoo-module **/

import { browser } from "@web/core/browser/browser";
import { Component, onWillUpdateProps, useEffect, useState } from "@odoo/owl";

import { formatConductivity, formatLiters, formatStopwatch } from "./formatters";

/**
 * The cows being milked: a tile each, as on the parlour's displays.
 *
 * The server tells for how long a milking had been running when it answered; from there on this component counts, so
 * that the browser's clock need not be right.
 */
export class RunningSessions extends Component {
    static template = "smart_dairy_iot_milk.RunningSessions";
    static props = { sessions: Array, openSession: Function };

    setup() {
        this.formatConductivity = formatConductivity;
        this.formatLiters = formatLiters;
        this.clock = useState({ seconds: 0 });
        this.answeredAt = Date.now();
        onWillUpdateProps((nextProps) => {
            if (nextProps.sessions !== this.props.sessions) {
                this.answeredAt = Date.now();
                this.clock.seconds = 0;
            }
        });
        useEffect(
            () => {
                const timer = browser.setInterval(() => this.tick(), 1000);
                return () => browser.clearInterval(timer);
            },
            () => []
        );
    }

    tick() {
        this.clock.seconds = Math.floor((Date.now() - this.answeredAt) / 1000);
    }

    duration(session) {
        return formatStopwatch(session.duration_seconds + this.clock.seconds);
    }
}
