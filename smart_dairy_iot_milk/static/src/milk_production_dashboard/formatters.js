/** @odoo-module **/

import { formatFloat } from "@web/views/fields/formatters";

/** One decimal: what a herd manager reads from a meter (litres, or litres per minute). */
export function formatLiters(value) {
    return formatFloat(value || 0, { digits: [false, 1] });
}

/** A meter without a conductivity sensor reports none, which is not zero (mS/cm). */
export function formatConductivity(value) {
    return value ? formatFloat(value, { digits: [false, 1] }) : "–";
}

/** 754 → "12:34"; an hour and more as "1:02:03". */
export function formatStopwatch(seconds) {
    return luxon.Duration.fromObject({ seconds }).toFormat(seconds < 3600 ? "mm:ss" : "h:mm:ss");
}
