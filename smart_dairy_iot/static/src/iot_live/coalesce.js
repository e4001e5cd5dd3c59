/** @odoo-module **/

import { browser } from "@web/core/browser/browser";

function sleep(milliseconds) {
    return new Promise((resolve) => browser.setTimeout(resolve, milliseconds));
}

/**
 * Make a task that never runs twice at a time and misses no call: calls during a run, or in the pause after it, make
 * one more run.
 *
 * @param {() => Promise<void>} task
 * @param {number} pause milliseconds between the end of a run and the next
 * @returns {() => Promise<void>} resolves when nothing is left to run
 */
export function coalesce(task, pause = 0) {
    let running = null;
    let isWanted = false;

    async function runWhileWanted() {
        try {
            while (isWanted) {
                isWanted = false;
                await task();
                await sleep(pause);
            }
        } finally {
            running = null;
        }
    }

    return () => {
        isWanted = true;
        running = running || runWhileWanted();
        return running;
    };
}
