/** @odoo-module **/

import { deserializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { Component, onWillStart, useEffect, useState } from "@odoo/owl";

import { coalesce } from "@smart_dairy_iot/iot_live/coalesce";

import { chooseFarm, chosenFarm } from "../chosen_farm/chosen_farm";
import { formatConductivity, formatLiters } from "./formatters";
import { HourlyYieldChart } from "./hourly_yield_chart";
import { RunningSessions } from "./running_sessions";

// A parlour's meters report many times a second; nobody reads that fast (milliseconds).
const FETCH_PAUSE = 300;

const GRADES = {
    A: { label: _t("Grade A"), className: "text-bg-success" },
    B: { label: _t("Grade B"), className: "text-bg-info" },
    C: { label: _t("Grade C"), className: "text-bg-warning" },
    reject: { label: _t("Reject"), className: "text-bg-danger" },
    none: { label: _t("Not graded"), className: "text-bg-secondary" },
};

/** What the udder's score says; a normal one and one that is not judged are not shown. */
const UDDERS = {
    watch: { label: _t("Udder: watch"), className: "text-bg-info" },
    warning: { label: _t("Udder: warning"), className: "text-bg-warning" },
    critical: { label: _t("Udder: critical"), className: "text-bg-danger" },
};

const SEVERITIES = {
    low: { label: _t("Low"), className: "text-bg-info" },
    medium: { label: _t("Medium"), className: "text-bg-warning" },
    high: { label: _t("High"), className: "text-bg-danger" },
    critical: { label: _t("Critical"), className: "text-bg-danger" },
};

/**
 * One farm's milk production of today. It fetches when it opens, when the server says that something has changed,
 * and when a lost connection is back; it never polls.
 */
export class MilkProductionDashboard extends Component {
    static template = "smart_dairy_iot_milk.MilkProductionDashboard";
    static components = { Layout, HourlyYieldChart, RunningSessions };
    static props = ["*"];

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.live = useService("iot_live");
        this.connection = useState(this.live.connection);
        this.state = useState({
            farmId: chosenFarm(),
            data: null,
            error: null,
        });
        this.display = { controlPanel: {} };
        this.formatLiters = formatLiters;
        this.formatConductivity = formatConductivity;
        this.openSession = (id) => this.openRecord("milk.session", id);
        this.refresh = coalesce(() => this.fetch(), FETCH_PAUSE);
        onWillStart(() => {
            this.refresh();
        });
        useEffect(
            (farmId) => (farmId ? this.live.watch(farmId, ["milk", "alert"], this.refresh) : undefined),
            () => [this.state.farmId]
        );
    }

    async fetch() {
        const farmId = this.state.farmId;
        let data;
        try {
            data = await this.orm.silent.call("milk.session", "get_dashboard_data", [], { farm_id: farmId });
        } catch (error) {
            this.state.error = error.data?.message || _t("The server cannot be reached.");
            return;
        }
        if (this.state.farmId !== farmId) {
            return; // the user has chosen another farm meanwhile, which has asked for a run of its own
        }
        Object.assign(this.state, { data, farmId: data.farm_id, error: null });
    }

    get farm() {
        return this.state.data.farms.find((farm) => farm.id === this.state.data.farm_id);
    }

    get day() {
        return luxon.DateTime.fromISO(this.state.data.date).toLocaleString(luxon.DateTime.DATE_HUGE);
    }

    get kpis() {
        const { total_yield, running_yield, session_count, active_count, avg_yield, meter_count } =
            this.state.data.summary;
        return [
            {
                name: "total_yield",
                label: _t("Today's yield"),
                value: formatLiters(total_yield),
                unit: "L",
                hint: running_yield ? _t("%s L in running milkings", formatLiters(running_yield)) : "",
            },
            { name: "session_count", label: _t("Sessions today"), value: session_count, hint: _t("completed") },
            {
                name: "active_count",
                label: _t("Active now"),
                value: active_count,
                hint: meter_count === 1 ? _t("on 1 milk meter") : _t("on %s milk meters", meter_count),
            },
            {
                name: "avg_yield",
                label: _t("Average per session"),
                value: session_count ? formatLiters(avg_yield) : "–",
                unit: session_count ? "L" : "",
                hint: _t("completed today"),
            },
        ];
    }

    get qualities() {
        const breakdown = this.state.data.quality_breakdown;
        const total = Object.values(breakdown).reduce((sum, count) => sum + count, 0);
        return Object.entries(GRADES).map(([grade, { label, className }]) => ({
            grade,
            label,
            className,
            count: breakdown[grade],
            percentage: total ? (100 * breakdown[grade]) / total : 0,
        }));
    }

    grade(session) {
        return GRADES[session.quality_grade || "none"];
    }

    udder(session) {
        return UDDERS[session.mastitis_level];
    }

    severity(alert) {
        return SEVERITIES[alert.severity];
    }

    /** The time on the farm's clock, with the date where it is not today's. */
    formatTime(value) {
        const moment = deserializeDateTime(value).setZone(this.farm.tz);
        return moment.toFormat(moment.toISODate() === this.state.data.date ? "HH:mm" : "d LLL, HH:mm");
    }

    formatAge(value) {
        return deserializeDateTime(value).toRelative();
    }

    onFarmSelected(ev) {
        const farmId = Number(ev.target.value);
        chooseFarm(farmId);
        this.state.farmId = farmId;
        this.refresh();
    }

    openRecord(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
            target: "current",
        });
    }

    openToAssign() {
        return this.action.doAction("smart_dairy_iot_milk.milk_session_assign_action");
    }

    openUdders() {
        return this.action.doAction("smart_dairy_iot_milk.milk_session_action_udder");
    }

    openSessions() {
        return this.action.doAction({
            type: "ir.actions.act_window",
            name: _t("Milking Sessions"),
            res_model: "milk.session",
            domain: [["farm_id", "=", this.state.data.farm_id]],
            views: [
                [false, "list"],
                [false, "kanban"],
                [false, "form"],
            ],
            mobile_view_mode: "kanban",
            target: "current",
        });
    }
}

registry.category("actions").add("milk_production_dashboard", MilkProductionDashboard);
