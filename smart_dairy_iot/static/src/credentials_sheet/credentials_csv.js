/** @odoo-module **/

const COLUMNS = [
    "device_id",
    "name",
    "device_type",
    "farm",
    "username",
    "client_id",
    "password",
    "broker_address",
    "data_topic",
    "status_topic",
    "alert_topic",
    "command_topic",
    "config_topic",
    "ack_topic",
];

// Texts that people made up. All others are the platform's own, have no character that could begin a command, and
// must reach the device as they are.
const FREE_TEXTS = ["name", "farm"];

// Tells spreadsheet programs that the file is UTF-8.
const BYTE_ORDER_MARK = "\uFEFF";

/** A spreadsheet program would run a text that begins like a formula: an apostrophe makes it take it for a text. */
function withoutFormula(text) {
    return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function quoted(text) {
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * The credentials as a CSV file (RFC 4180), a line for each device.
 *
 * @param {Object[]} credentials with the texts of COLUMNS, but for the broker's address
 * @param {string} brokerAddress
 * @returns {string}
 */
export function credentialsCsv(credentials, brokerAddress) {
    const lines = credentials.map((row) =>
        COLUMNS.map((column) => {
            const text = column === "broker_address" ? brokerAddress : row[column];
            return quoted(FREE_TEXTS.includes(column) ? withoutFormula(text) : text);
        }).join(",")
    );
    return `${BYTE_ORDER_MARK}${[COLUMNS.join(","), ...lines].join("\r\n")}\r\n`;
}
