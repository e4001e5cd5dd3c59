/** @odoo-module **/

import { loadBundle } from "@web/core/assets";
import { _t } from "@web/core/l10n/translation";
import { Component, onWillStart, onWillUnmount, useEffect, useRef } from "@odoo/owl";

import { formatLiters } from "./formatters";

/** Litres by the hour of the farm's day in which a milking began. */
export class HourlyYieldChart extends Component {
    static template = "smart_dairy_iot_milk.HourlyYieldChart";
    static props = { hourly: Array };

    setup() {
        this.canvas = useRef("canvas");
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            (hourly) => this.draw(hourly.map((each) => each.yield)),
            () => [this.props.hourly]
        );
        onWillUnmount(() => this.chart?.destroy());
    }

    /** The figures in words, for who cannot see the bars. */
    get description() {
        const hours = this.props.hourly.filter((each) => each.yield);
        return hours.map((each) => `${each.hour}:00 ${formatLiters(each.yield)} L`).join(", ") || _t("No milk yet");
    }

    draw(yields) {
        if (this.chart) {
            this.chart.data.datasets[0].data = yields;
            this.chart.update("none");
        } else {
            this.chart = new Chart(this.canvas.el, this.config(yields));
        }
    }

    /** The colours come from the style sheet, whichever theme it is of. */
    config(yields) {
        const { color, borderColor } = getComputedStyle(this.canvas.el);
        const textColor = getComputedStyle(this.canvas.el.parentElement).color;
        return {
            type: "bar",
            data: {
                labels: yields.map((_yield, hour) => `${hour}:00`),
                datasets: [{ data: yields, backgroundColor: color, maxBarThickness: 28, borderRadius: 2 }],
            },
            options: {
                maintainAspectRatio: false,
                animation: false,
                plugins: {
                    legend: { display: false },
                    tooltip: { displayColors: false, callbacks: { label: ({ raw }) => `${formatLiters(raw)} L` } },
                },
                scales: {
                    x: { grid: { display: false }, ticks: { color: textColor, maxRotation: 0, autoSkipPadding: 12 } },
                    y: {
                        beginAtZero: true,
                        suggestedMax: 10,
                        title: { display: true, text: "L", color: textColor },
                        grid: { color: borderColor },
                        ticks: { color: textColor, maxTicksLimit: 6 },
                    },
                },
            },
        };
    }
}
