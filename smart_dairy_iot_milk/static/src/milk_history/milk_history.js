/** @odoo-module **/

import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { KeepLast } from "@web/core/utils/concurrency";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { formatFloat } from "@web/views/fields/formatters";
import { Component, onWillStart, useState } from "@odoo/owl";

import { LineChart } from "@smart_dairy_iot/line_chart/line_chart";
import { chooseFarm, chosenFarm } from "../chosen_farm/chosen_farm";

const { DateTime } = luxon;
const PERIODS = [
    { name: "day", label: _t("Days") },
    { name: "week", label: _t("Weeks") },
    { name: "month", label: _t("Months") },
];

/**
 * The milk of a farm or an animal, against the same span before; of an animal her lactation, too.
 *
 * Params of the action: `animal_id`; without it the page is about farms, of which one is chosen.
 */
export class MilkHistory extends Component {
    static template = "smart_dairy_iot_milk.MilkHistory";
    static components = { Layout, LineChart };
    static props = ["*"];

    setup() {
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.periods = PERIODS;
        this.latest = new KeepLast();
        this.animalId = this.props.action.params?.animal_id || false;
        this.state = useState({ period: "day", farmId: chosenFarm(), history: null, lactation: null, error: "" });
        onWillStart(() => this.guarded(() => this.load()));
    }

    async load() {
        await this.fetch();
        if (this.animalId) {
            this.state.lactation = await this.orm.call("milk.history", "get_lactation", [this.animalId]);
        }
    }

    async fetch() {
        const { farmId, period } = this.state;
        const asked = { farm_id: farmId, animal_id: this.animalId, period };
        const history = await this.latest.add(this.orm.call("milk.history", "get_history", [], asked));
        Object.assign(this.state, { history, farmId: history.farm_id });
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

    onChangeFarm(event) {
        const farmId = Number(event.target.value);
        chooseFarm(farmId);
        return this.show({ farmId });
    }

    /** Both spans above the days of the later one. */
    get series() {
        const { current, before } = this.state.history;
        const moments = current.map(([day]) => DateTime.fromISO(day).toMillis());
        const line = (points) => points.map(([_day, liters], index) => [moments[index], liters]);
        return withData([
            { label: _t("Milk"), unit: "L", points: line(current) },
            { label: _t("The span before"), unit: "L", points: line(before), dashed: true },
        ]);
    }

    get lactationSeries() {
        const { measured, expected } = this.state.lactation;
        return withData([
            { label: _t("Measured"), unit: "L", points: measured },
            { label: _t("Expected"), unit: "L", points: expected, dashed: true },
        ]);
    }

    get total() {
        return this.liters(this.state.history.total);
    }

    /** How much more or less than before, in words; nothing where there is nothing to compare with. */
    get change() {
        const { total, total_before: before } = this.state.history;
        if (!before) {
            return _t("Nothing was recorded in the span before.");
        }
        const percent = (100 * (total - before)) / before;
        const sign = percent > 0 ? "+" : "";
        return _t("%(before)s L in the span before (%(change)s %).", {
            before: this.liters(before),
            change: sign + formatFloat(percent, { digits: [16, 1] }),
        });
    }

    get lactationTotal() {
        const { total, total_day: day } = this.state.lactation;
        return _t("%(total)s L up to day %(day)s, by the Test Interval Method.", { total: this.liters(total), day });
    }

    get daysInMilk() {
        return _t("Days in milk").toString();
    }

    get calving() {
        return DateTime.fromISO(this.state.lactation.calving).toLocaleString(DateTime.DATE_MED);
    }

    liters(value) {
        return formatFloat(value, { digits: [16, 1] });
    }
}

/** The first series, and of the others those that have something to show. */
function withData(series) {
    return series.filter(({ points }, index) => index === 0 || points.some(([_x, y]) => y !== null));
}

registry.category("actions").add("milk_history", MilkHistory);
