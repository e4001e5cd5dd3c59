/** @odoo-module **/

/**
 * Make a task that never runs twice at a time and misses no call: calls during a run make one more run after it.
 *
 * @param {() => Promise<void>} task
 * @returns {() => Promise<void>} resolves when nothing is left to run
 */
export function coalesce(task) {
    let running = null;
    let isWanted = false;

    async function runWhileWanted() {
        try {
            while (isWanted) {
                isWanted = false;
                await task();
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
