/** @odoo-module **/

/* The farm that the user looks at: the dashboard and the milk history open with the one that was chosen last. */

import { browser } from "@web/core/browser/browser";

const KEY = "smart_dairy_iot_milk.dashboard_farm";

/** @returns {number|false} its id; the user need not see it any more */
export function chosenFarm() {
    return Number(browser.localStorage.getItem(KEY)) || false;
}

export function chooseFarm(farmId) {
    browser.localStorage.setItem(KEY, farmId);
}
