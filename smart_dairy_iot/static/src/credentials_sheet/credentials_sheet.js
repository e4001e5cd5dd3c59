/** @odoo-module **/

import { ConfirmationDialog } from "@web/core/confirmation_dialog/confirmation_dialog";
import { Dialog } from "@web/core/dialog/dialog";
import { _t } from "@web/core/l10n/translation";
import { downloadFile } from "@web/core/network/download";
import { registry } from "@web/core/registry";
import { useBus, useService } from "@web/core/utils/hooks";
import { Component, useExternalListener, useState } from "@odoo/owl";

import { printLabels } from "../labels/print_labels";

import { credentialsCsv } from "./credentials_csv";

// More rows nobody copies by hand: they are in the file.
const MOST_ROWS = 50;

/** A dialog that asks before it is closed. */
class GuardedDialog extends Dialog {
    static props = { ...Dialog.props, mayClose: Function };

    async dismiss() {
        if (await this.props.mayClose()) {
            await super.dismiss();
        }
    }
}

/** The new credentials of many devices: the only place where their passwords can be seen, until it is closed. */
export class CredentialsSheet extends Component {
    static template = "smart_dairy_iot.CredentialsSheet";
    static components = { GuardedDialog };
    static props = { credentials: Array, brokerAddress: String, close: Function };

    setup() {
        this.dialog = useService("dialog");
        this.state = useState({ downloaded: false });
        this.rows = this.props.credentials.slice(0, MOST_ROWS);
        this.mayClose = () => this.state.downloaded || this.confirmClosing();
        useBus(this.env.bus, "CLEAR-UNCOMMITTED-CHANGES", ({ detail: askers }) => askers.push(this.mayClose));
        useExternalListener(window, "beforeunload", (ev) => {
            if (!this.state.downloaded) {
                ev.preventDefault();
                ev.returnValue = ""; // some browsers ask only then
            }
        });
    }

    get title() {
        const count = this.props.credentials.length;
        return count === 1 ? _t("Credentials of 1 Device") : _t("Credentials of %s Devices", count);
    }

    get unlisted() {
        return this.props.credentials.length - this.rows.length;
    }

    /** Whether the user lets the passwords go. */
    confirmClosing() {
        return new Promise((resolve) => {
            this.dialog.add(
                ConfirmationDialog,
                {
                    title: _t("Close without the passwords?"),
                    body: _t(
                        "You have not downloaded the list. Once it is closed nobody can see the passwords again: devices that have not got theirs yet need new ones."
                    ),
                    confirmLabel: _t("Close Anyway"),
                    confirm: () => resolve(true),
                    cancelLabel: _t("Stay"),
                    cancel: () => resolve(false),
                },
                { onClose: () => resolve(false) }
            );
        });
    }

    async close() {
        if (await this.mayClose()) {
            this.props.close();
        }
    }

    downloadCsv() {
        const text = credentialsCsv(this.props.credentials, this.props.brokerAddress);
        downloadFile(new Blob([text], { type: "text/csv;charset=utf-8" }), "device_credentials.csv", "text/csv");
        this.state.downloaded = true;
    }

    printLabels() {
        return printLabels(
            this.env,
            this.props.credentials.map(({ id }) => id)
        );
    }
}

/**
 * The client action is a function: what a component is given as an action, the web client writes to the session
 * storage unless it is careful, and these params hold passwords.
 */
function showCredentialsSheet(env, { params }) {
    env.services.dialog.add(CredentialsSheet, {
        credentials: params.credentials,
        brokerAddress: params.broker_address,
    });
    // Closes the wizard that asked for the passwords, or refreshes the screen behind: its devices have changed.
    return { type: "ir.actions.act_window_close" };
}

registry.category("actions").add("iot_credentials_sheet", showCredentialsSheet);
