/** @odoo-module **/

import { deserializeDateTime, formatDateTime, serializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { KeepLast } from "@web/core/utils/concurrency";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { Component, onWillStart, useState } from "@odoo/owl";

import { LineChart } from "@smart_dairy_iot/line_chart/line_chart";

const { DateTime } = luxon;
const SPANS = [
    { hours: 24, label: _t("24 hours") },
    { hours: 7 * 24, label: _t("7 days") },
    { hours: 30 * 24, label: _t("30 days") },
];
const RESOLUTIONS = {
    raw: _t("from the readings"),
    hour: _t("from hourly summaries"),
    day: _t("from daily summaries"),
};

/**
 * What a device has measured over the last hours, days or weeks, as a line with its least and greatest values.
 *
 * Params of the action: `device_id`; `metric` (by default the first there is) and `until` (server's text of a moment,
 * by default now).
 */
export class ReadingCurve extends Component {
    static template = "smart_dairy_iot.ReadingCurve";
    static components = { Layout, LineChart };
    static props = ["*"];

    setup() {
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.spans = SPANS;
        this.latest = new KeepLast();
        const { device_id: deviceId, metric, until } = this.props.action.params || {};
        this.deviceId = deviceId;
        this.state = useState({
            metrics: [],
            metric: metric || "",
            hours: SPANS[0].hours,
            until: until ? deserializeDateTime(until) : DateTime.now(),
            curve: null,
            error: "",
        });
        onWillStart(async () => {
            if (this.deviceId) {
                await this.guarded(async () => {
                    this.state.metrics = await this.orm.call("iot.device", "get_reading_metrics", [[this.deviceId]]);
                    this.state.metric = this.state.metric || this.state.metrics[0].metric;
                    await this.fetch();
                });
            } else {
                // A page that is loaded anew no longer knows whose curve it was.
                this.state.error = _t("Open a device and choose Curve.");
            }
        });
    }

    get since() {
        return this.state.until.minus({ hours: this.state.hours });
    }

    get spanText() {
        return `${formatDateTime(this.since)} – ${formatDateTime(this.state.until)}`;
    }

    /** What the line is drawn from: very many readings are drawn as their hours, as a long span is. */
    get resolutionText() {
        return RESOLUTIONS[this.state.curve.resolution];
    }

    get isLatest() {
        return DateTime.now().diff(this.state.until).as("minutes") < 1;
    }

    /** The mean, and the least and the greatest value where a point stands for more than one reading. */
    get series() {
        const { label, unit, points } = this.state.curve;
        const line = (index) => points.map((point) => [DateTime.fromISO(point[0]).toMillis(), point[index]]);
        const mean = { label, unit, points: line(1) };
        if (points.every(([_time, value, least, most]) => value === null || least === most)) {
            return [mean];
        }
        return [
            { ...mean, label: _t("%s, mean", label) },
            { label: _t("Least"), unit, points: line(2), dashed: true },
            { label: _t("Greatest"), unit, points: line(3), dashed: true },
        ];
    }

    async fetch() {
        const { metric, until } = this.state;
        const span = { since: serializeDateTime(this.since), until: serializeDateTime(until) };
        const call = this.orm.call("iot.device", "get_reading_curve", [[this.deviceId], metric], span);
        this.state.curve = await this.latest.add(call);
    }

    async guarded(load) {
        this.state.error = "";
        try {
            await load();
        } catch (error) {
            this.state.error = error.data?.message || _t("The server cannot be reached.");
        }
    }

    show(changes) {
        Object.assign(this.state, changes);
        return this.guarded(() => this.fetch());
    }

    move(direction) {
        const until = this.state.until.plus({ hours: direction * this.state.hours });
        return this.show({ until: until > DateTime.now() ? DateTime.now() : until });
    }
}

registry.category("actions").add("iot_reading_curve", ReadingCurve);
