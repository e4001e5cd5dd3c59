/** @odoo-module **/

import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { reactive } from "@odoo/owl";

// Odoo 17.0 and later series name the same events of the bus differently.
const UP_EVENTS = ["connect", "BUS:CONNECT"];
const BACK_EVENTS = ["reconnect", "BUS:RECONNECT"];
const DOWN_EVENTS = ["disconnect", "BUS:DISCONNECT"];

/** The server ends every connection now and then, and the browser makes a new one: that is no news (milliseconds). */
export const DOWN_DELAY = 3000;

/**
 * Tells screens that something has changed on a farm, so that they fetch it: the browser's end of the model `iot.live`.
 *
 * A farm's channel is open as long as anybody here watches the farm. A worker of the bus serves all tabs of the
 * browser and gives each the notifications of all: hence the comparison of the farm.
 */
export const iotLiveService = {
    dependencies: ["bus_service"],

    start(_env, { bus_service: bus }) {
        const watches = new Set();
        const kinds = new Set();
        const connection = reactive({ isUp: true });
        let downTimer;

        function setUp() {
            browser.clearTimeout(downTimer);
            connection.isUp = true;
        }

        function setDown() {
            browser.clearTimeout(downTimer);
            downTimer = browser.setTimeout(() => (connection.isUp = false), DOWN_DELAY);
        }

        function catchUp() {
            setUp();
            watches.forEach((entry) => entry.onChange());
        }

        UP_EVENTS.forEach((name) => bus.addEventListener(name, setUp));
        BACK_EVENTS.forEach((name) => bus.addEventListener(name, catchUp));
        DOWN_EVENTS.forEach((name) => bus.addEventListener(name, setDown));

        /** Subscribe once and for good to a kind: on Odoo 17.0 a subscription cannot be taken back. */
        function subscribe(kind) {
            if (kinds.has(kind)) {
                return;
            }
            kinds.add(kind);
            bus.subscribe(`iot_live/${kind}`, ({ farm_id: farmId }) => {
                for (const entry of watches) {
                    if (entry.farmId === farmId && entry.kinds.includes(kind)) {
                        entry.onChange();
                    }
                }
            });
        }

        function isWatched(farmId) {
            return [...watches].some((entry) => entry.farmId === farmId);
        }

        /**
         * Call `onChange` whenever one of `kinds` has changed on the farm, and after a lost connection is back.
         *
         * @param {number} farmId
         * @param {string[]} kinds as given to `iot.live._changed`
         * @param {() => void} onChange
         * @returns {() => void} stops watching
         */
        function watch(farmId, kinds, onChange) {
            const entry = { farmId, kinds, onChange };
            const channel = `farm.location_${farmId}`;
            kinds.forEach(subscribe);
            if (!isWatched(farmId)) {
                bus.addChannel(channel);
            }
            watches.add(entry);
            return () => {
                watches.delete(entry);
                if (!isWatched(farmId)) {
                    bus.deleteChannel(channel);
                }
            };
        }

        return { connection, watch };
    },
};

registry.category("services").add("iot_live", iotLiveService);
