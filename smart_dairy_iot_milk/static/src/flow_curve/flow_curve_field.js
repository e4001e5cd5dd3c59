/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";
import { LineChart } from "@smart_dairy_iot/line_chart/line_chart";
import { Component } from "@odoo/owl";

/** Seconds without a reading that are a gap in the line: meters report every second or every few. */
const GAP = 30;

/** The flow of a milking over its minutes, see `flow_curve.py`. */
export class FlowCurveField extends Component {
    static template = "smart_dairy_iot_milk.FlowCurveField";
    static components = { LineChart };
    static props = { ...standardFieldProps };

    get series() {
        return [{ label: _t("Flow"), unit: "L/min", points: this.points }];
    }

    get xLabel() {
        return _t("Minutes");
    }

    /** [minute, flow] of each step in which there was a reading; a long silence is a point without a flow. */
    get points() {
        const { step_seconds: step, flow_lpm: flows } = this.props.record.data[this.props.name];
        const points = [];
        let before = null;
        flows.forEach((flow, number) => {
            if (flow === null) {
                return;
            }
            const seconds = number * step;
            if (before !== null && seconds - before > Math.max(GAP, step)) {
                points.push([before / 60, null]);
            }
            points.push([seconds / 60, flow]);
            before = seconds;
        });
        return points;
    }
}

registry.category("fields").add("flow_curve", {
    component: FlowCurveField,
    supportedTypes: ["json"],
});
