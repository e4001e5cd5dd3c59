/** @odoo-module **/

import { registry } from "@web/core/registry";
import { kanbanView } from "@web/views/kanban/kanban_view";
import { listView } from "@web/views/list/list_view";
import { useReloadWhile } from "../reload_while/reload_while";

/** A view of many dead letters that reads them again while one of those it shows is being replayed. */
const whileReplayed = (view) => ({
    ...view,
    Controller: class extends view.Controller {
        setup() {
            super.setup();
            useReloadWhile(
                () => this.model.root.records.some((letter) => letter.data.state === "replaying"),
                () => this.loadUnlessSelecting()
            );
        }

        /** What is loaded again is no longer selected: nobody's choice is taken from under his hands. */
        loadUnlessSelecting() {
            const { root } = this.model;
            if (!root.selection.length) {
                root.load();
            }
        }
    },
});

registry.category("views").add("iot_dead_letter_list", whileReplayed(listView));
registry.category("views").add("iot_dead_letter_kanban", whileReplayed(kanbanView));
