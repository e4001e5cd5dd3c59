/** @odoo-module **/

import { loadBundle } from "@web/core/assets";
import { formatDate, formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/views/fields/formatters";
import { Component, onWillStart, onWillUnmount, useEffect, useRef } from "@odoo/owl";

const { DateTime } = luxon;
const DAY = 24 * 3600 * 1000;
/** Steps of a time axis that people count in, in milliseconds. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((minutes) => minutes * 60 * 1000);
const MOST_TICKS = 8;
/** Pixels that a mark's text takes. */
const TICK_WIDTH = 75;
/** From this span on months are marked. */
const LONG = 120 * DAY;
/** Name of a series' own class in the style sheet, which gives it its colour; the seventh looks like the first. */
const PALETTE = 6;

/**
 * Lines over time or over a number.
 *
 * Props:
 *   series   list of {label, unit?, points, color?, dashed?, axis?}:
 *            points are [x, y], sorted by x; x in milliseconds since 1970 where xType is "time", or "date", whose points
 *            stand for days, weeks or months; y null is a gap;
 *            color is any CSS colour, by default the style sheet's; axis is "left" (default) or "right"
 *   xType    "time", "date" or "number" (default)
 *   xLabel   title below the axis
 *   height   of the chart, a CSS length (default "16rem")
 *   fromZero whether the left axis begins at 0: amounts, of which a part is to look like a part
 *   bands    list of {from?, to?, label}: areas of the left axis, such as a norm; without from or to it has no end
 */
export class LineChart extends Component {
    static template = "smart_dairy_iot.LineChart";
    static props = {
        series: Array,
        xType: { type: String, optional: true },
        xLabel: { type: String, optional: true },
        height: { type: String, optional: true },
        fromZero: { type: Boolean, optional: true },
        bands: { type: Array, optional: true },
    };
    static defaultProps = { xType: "number", xLabel: "", height: "16rem", fromZero: false, bands: [] };

    setup() {
        this.canvas = useRef("canvas");
        this.colors = useRef("colors");
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            () => this.draw(),
            () => [this.props.series, this.props.bands, this.props.xType, this.props.xLabel]
        );
        onWillUnmount(() => this.chart?.destroy());
    }

    get isEmpty() {
        return !this.props.series.some((series) => series.points.some(([_x, y]) => y !== null));
    }

    get palette() {
        return [...Array(PALETTE).keys()];
    }

    /** The lines in words, for who cannot see them. */
    get description() {
        const told = this.props.series
            .map((series) => ({ ...series, points: series.points.filter(([_x, y]) => y !== null) }))
            .filter((series) => series.points.length);
        return told.map((series) => this.describe(series)).join(" ") || _t("No data");
    }

    describe({ label, unit, points }) {
        const values = points.map(([_x, y]) => y);
        const [first, last] = [points[0], points[points.length - 1]];
        return _t(
            "%(label)s: %(count)s values from %(from)s to %(to)s, between %(least)s and %(most)s, last %(last)s.",
            {
                label,
                count: values.length,
                from: this.formatX(first[0]),
                to: this.formatX(last[0]),
                least: formatValue(
                    values.reduce((a, b) => Math.min(a, b)),
                    unit
                ),
                most: formatValue(
                    values.reduce((a, b) => Math.max(a, b)),
                    unit
                ),
                last: formatValue(last[1], unit),
            }
        );
    }

    formatX(x) {
        if (this.props.xType === "number") {
            return formatNumber(x);
        }
        const moment = DateTime.fromMillis(x);
        return this.props.xType === "date" ? formatDate(moment) : formatDateTime(moment);
    }

    draw() {
        this.chart?.destroy();
        this.chart = new Chart(this.canvas.el, this.config());
    }

    /** The colours come from the style sheet, whichever theme it is of. */
    config() {
        const style = getComputedStyle(this.canvas.el);
        const colors = [...this.colors.el.children].map((element) => getComputedStyle(element).color);
        const textColor = getComputedStyle(this.canvas.el.parentElement).color;
        const right = this.props.series.some((series) => series.axis === "right");
        return {
            type: "line",
            data: { datasets: this.props.series.map((series, index) => this.dataset(series, index, colors)) },
            options: {
                maintainAspectRatio: false,
                animation: false,
                interaction: { mode: "nearest", axis: "x", intersect: false },
                plugins: {
                    // Lines as they are drawn: of a box, dashes would make a frame.
                    legend: {
                        display: this.props.series.length > 1,
                        labels: { color: textColor, usePointStyle: true, pointStyle: "line", pointStyleWidth: 40 },
                    },
                    tooltip: {
                        callbacks: {
                            title: (items) => (items.length ? this.formatX(items[0].parsed.x) : ""),
                            label: ({ dataset, parsed }) => `${dataset.label}: ${formatValue(parsed.y, dataset.unit)}`,
                        },
                    },
                },
                scales: {
                    x: this.xAxis(textColor),
                    y: this.yAxis("left", textColor, style.borderColor),
                    ...(right ? { yRight: this.yAxis("right", textColor, style.borderColor) } : {}),
                },
            },
            plugins: [
                {
                    id: "smartDairyBands",
                    beforeDatasetsDraw: (chart) => this.drawBands(chart, style, textColor),
                },
            ],
        };
    }

    /** Draw the bands below the lines. */
    drawBands({ ctx, chartArea: area, scales }, style, textColor) {
        const edge = (value, end) =>
            value === undefined || value === null
                ? end
                : Math.min(Math.max(scales.y.getPixelForValue(value), area.top), area.bottom);
        ctx.save();
        ctx.font = "11px sans-serif";
        ctx.textBaseline = "top";
        for (const band of this.props.bands) {
            const [top, bottom] = [edge(band.to, area.top), edge(band.from, area.bottom)];
            if (bottom <= top) {
                continue;
            }
            ctx.globalAlpha = 0.15;
            ctx.fillStyle = style.color;
            ctx.fillRect(area.left, top, area.width, bottom - top);
            ctx.globalAlpha = 1;
            ctx.fillStyle = textColor;
            ctx.fillText(band.label || "", area.left + 4, top + 3);
        }
        ctx.restore();
    }

    dataset(series, index, colors) {
        const color = series.color || colors[index % colors.length];
        const alone = series.points.filter(([_x, y]) => y !== null).length < 2;
        return {
            label: series.label,
            unit: series.unit,
            data: series.points.map(([x, y]) => ({ x, y })),
            borderColor: color,
            backgroundColor: color,
            borderDash: series.dashed ? [6, 4] : [],
            borderWidth: 2,
            pointRadius: alone ? 3 : 0,
            pointHitRadius: 8,
            spanGaps: false,
            // A single point stands at the edge.
            clip: 5,
            yAxisID: series.axis === "right" ? "yRight" : "y",
        };
    }

    xAxis(color) {
        const axis = {
            type: "linear",
            grid: { display: false },
            title: { display: Boolean(this.props.xLabel), text: this.props.xLabel, color },
            ticks: { color, maxRotation: 0, autoSkipPadding: 12 },
        };
        if (this.props.xType === "number") {
            return axis;
        }
        const moments = this.props.series.flatMap((series) => series.points.map(([x]) => x));
        if (!moments.length) {
            return axis;
        }
        const least = moments.reduce((a, b) => Math.min(a, b));
        const most = moments.reduce((a, b) => Math.max(a, b));
        const span = most - least;
        const format = span > LONG ? formatMonth : span > 2 * DAY ? formatDay : formatTime;
        return {
            ...axis,
            min: least,
            max: most > least ? most : least + 60 * 1000,
            // A linear axis would put its marks at round numbers of milliseconds.
            afterBuildTicks: (scale) => {
                const room = Math.floor(scale.width / TICK_WIDTH);
                scale.ticks = timeTicks(least, most, room).map((value) => ({ value }));
            },
            ticks: { ...axis.ticks, callback: (value) => format(DateTime.fromMillis(value)) },
        };
    }

    yAxis(side, color, gridColor) {
        const isOf = (series) => (series.axis === "right") === (side === "right");
        const units = [...new Set(this.props.series.filter(isOf).map((series) => series.unit || ""))];
        const title = units.filter(Boolean).join(", ");
        return {
            axis: "y",
            position: side,
            beginAtZero: this.props.fromZero && side === "left",
            title: { display: Boolean(title), text: title, color },
            grid: { color: gridColor, drawOnChartArea: side === "left" },
            ticks: { color, maxTicksLimit: 6 },
        };
    }
}

function formatNumber(value) {
    return formatFloat(value, { digits: [16, Number.isInteger(value) ? 0 : 2] });
}

function formatValue(value, unit) {
    return unit ? `${formatNumber(value)} ${unit}` : formatNumber(value);
}

function formatMonth(moment) {
    return moment.toLocaleString({ month: "short", year: "numeric" });
}

function formatDay(moment) {
    return moment.toLocaleString({ month: "short", day: "numeric" });
}

function formatTime(moment) {
    return moment.toLocaleString(DateTime.TIME_SIMPLE);
}

/**
 * Moments between two others that people would mark: full hours, midnights, first days of months; in the user's time
 * zone, and no more than there is room for.
 */
export function timeTicks(least, most, room = MOST_TICKS) {
    const count = Math.max(1, Math.min(MOST_TICKS, room));
    const span = most - least;
    const begin = DateTime.fromMillis(least).startOf("day");
    const step = TIME_STEPS.find((each) => span / each <= count);
    if (step) {
        return between(least, most, begin, { milliseconds: step });
    }
    if (span > LONG) {
        return between(least, most, begin.startOf("month"), { months: Math.ceil(span / (30 * DAY) / count) });
    }
    return between(least, most, begin, { days: Math.ceil(span / DAY / count) });
}

function between(least, most, begin, step) {
    const ticks = [];
    for (let moment = begin; moment.toMillis() <= most; moment = moment.plus(step)) {
        if (moment.toMillis() >= least) {
            ticks.push(moment.toMillis());
        }
    }
    return ticks;
}
