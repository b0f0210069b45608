// antiphon.js in Node against a running Olympus: `node --test`, as test_live.py calls it.
import assert from "node:assert/strict";
import { test } from "node:test";

const { SCRIPT, ORIGIN, COOKIE } = process.env;
const { CallError, connect, ticketFrom } = await import(SCRIPT);
const headers = { Cookie: COOKIE };
const ticket = ticketFrom(`${ORIGIN}/api/socket/ticket`, { headers });

/** A client for one test. */
async function using(options, work) {
  const client = connect(`${ORIGIN}/ws`, options);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

test("a call has its result, with the cookie as with a ticket", async () => {
  for (const options of [{ headers }, { ticket }]) {
    await using(options, async (client) => {
      const message = await client.call("message:create", { body: "From Node." });
      assert.equal(message.body, "From Node.");
      assert.equal(message.userId, client.hello.user.id);
    });
  }
});

test("an error has its type, its fields and a request id", async () => {
  await using({ headers }, async (client) => {
    const error = await client.call("message:create", { body: "" }).catch((error) => error);
    assert.ok(error instanceof CallError);
    assert.equal(error.type, "INVALID_INPUT");
    assert.deepEqual(error.fields.map(({ name }) => name), ["body"]);
    assert.ok(error.requestId);
    assert.equal(error.mayHaveRun, false);
  });
});

test("without a session there is no ticket, and the client stops and says why", async () => {
  const changes = [];
  const nobody = ticketFrom(`${ORIGIN}/api/socket/ticket`);
  const stopped = new Promise((resolve) => {
    connect(`${ORIGIN}/ws`, { ticket: nobody, onState: (change) => { changes.push(change); if (change.state === "stopped") resolve(); } });
  });
  await stopped;
  assert.deepEqual(changes.map(({ state }) => state), ["connecting", "stopped"]);
  assert.equal(changes[1].code, 4501);
  assert.equal(changes[1].error.type, "NOT_SIGNED_IN");
});

test("a stream is left by leaving the loop", async () => {
  await using({ headers }, async (client) => {
    const ticks = [];
    for await (const { n } of client.stream("streaming:counter", { to: 100 })) if (ticks.push(n) === 2) break;
    assert.deepEqual(ticks, [1, 2]);
  });
});

test("an aborted call rejects with the reason of its signal", async () => {
  await using({ headers }, async (client) => {
    const gone = AbortSignal.abort(new Error("changed my mind"));
    await assert.rejects(client.call("status", {}, { signal: gone }), /changed my mind/);
  });
});

test("a topic tells events, who is there, and that it is live", async () => {
  await using({ headers }, async (client) => {
    const { position } = await client.call("messages:list");
    const told = new Promise((resolve) => {
      client.subscribe("messages", { since: position, onEvent: ({ data }) => resolve(data.message.body) });
    });
    await client.call("message:create", { body: "To all." });
    assert.equal(await told, "To all.");
    assert.throws(() => client.subscribe("messages"), /watched already/);
  });
});

test("a topic behind a closed door rejects, and is not asked for again", async () => {
  await using({}, async (client) => {
    const ended = [];
    const board = client.subscribe("messages", { onEnded: ({ type }) => ended.push(type) });
    await assert.rejects(board.ready, { type: "NOT_SIGNED_IN" });
    assert.deepEqual(ended, ["NOT_SIGNED_IN"]);
    assert.equal(board.state, "ended");
  });
});

test("what a callback throws harms nothing but is not hidden", async () => {
  const thrown = new Promise((resolve) => (globalThis.reportError = resolve));
  await using({ headers }, async (client) => {
    client.subscribe("messages", { onPresence: () => { throw new Error("a mistake of the page"); } });
    assert.equal((await thrown).message, "a mistake of the page");
    assert.ok(await client.call("status"));
  });
});
