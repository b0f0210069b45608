// Drives antiphon.js as a test says: operations come in as lines of JSON, what happens goes out as lines of JSON.
import { createInterface } from "node:readline";

const { Client, CallError } = await import(process.argv[2]);

const tell = (seen) => process.stdout.write(`${JSON.stringify(seen)}\n`);
const ids = (members) => members.map(({ id }) => id);

// A clock that stands still until it is moved.
let time = 0;
let lastTimer = 0;
const timers = new Map();
const clock = {
  now: () => time,
  setTimeout: (run, ms) => (timers.set(++lastTimer, { run, at: time + ms }), lastTimer),
  clearTimeout: (timer) => timers.delete(timer),
};
function advance(ms) {
  time += ms;
  for (const [timer, { run, at }] of [...timers].sort(([, a], [, b]) => a.at - b.at)) {
    if (at <= time && timers.delete(timer)) run();
  }
}

let client;
const aborts = new Map();
const topics = new Map();

function outcome(name, promise) {
  promise.then(
    (result) => tell({ result: [name, result] }),
    (error) => tell(error instanceof CallError
      ? { error: [name, error.type, error.mayHaveRun] }
      : { error: [name, error.name, null] }),
  );
}

const operations = {
  connect(url, { random = 1, tickets, headers }) {
    const page = Object.assign(new EventTarget(), {
      document: Object.assign(new EventTarget(), { visibilityState: "visible" }),
      navigator: { onLine: true },
    });
    client = new Client(url, {
      clock, page, headers,
      random: () => random,
      ticket: tickets && (async () => {
        const ticket = tickets.shift();
        if (typeof ticket === "object") throw new CallError(ticket);
        return ticket;
      }),
      onState: ({ state, code, retryAt }) => tell({
        state, ...(code === null ? {} : { code }), ...(retryAt === null ? {} : { retryIn: (retryAt - time) / 1000 }),
      }),
      onFault: ({ type }) => tell({ fault: type }),
    });
    operations.page = (name, changes = {}) => {
      Object.assign(page.navigator, changes);
      page.dispatchEvent(new Event(name));
    };
    client.resume();
  },
  call(name, action, inputs, { timeout, ...options } = {}) {
    const abort = new AbortController();
    aborts.set(name, abort);
    const ms = timeout === undefined ? {} : { timeout: timeout * 1000 };
    outcome(name, client.call(action, inputs, { ...options, ...ms, signal: abort.signal }));
  },
  abort(name) { aborts.get(name).abort(new DOMException("Taken back.", "Cancelled")); },
  authenticate(name, token) { outcome(name, client.authenticate(token)); },
  async stream(name, action, inputs, { take = Infinity } = {}) {
    try {
      for await (const item of client.stream(action, inputs)) {
        tell({ item: [name, item] });
        if (--take <= 0) break;
      }
      tell({ done: name });
    } catch (error) {
      tell({ error: [name, error.type, error.mayHaveRun] });
    }
  },
  subscribe(topic, since) {
    const subscription = client.subscribe(topic, {
      since,
      onEvent: ({ event, offset, data }) => tell({ event: [topic, event, offset ?? null, data] }),
      onPresence: (now) => tell({
        presence: [topic, now.version, now.count, ids(now.members), ids(now.joined), ids(now.left)],
      }),
      onReset: ({ reason, position }) => tell({ reset: [topic, reason, position] }),
      onEnded: ({ type }) => tell({ ended: [topic, type] }),
    });
    topics.set(topic, subscription);
    subscription.ready.then(() => tell({ live: topic }), () => {});
  },
  async unsubscribe(topic) { await topics.get(topic).unsubscribe(); },
  resume() { client.resume(); },
  close() { client.close(); },
  forget() {
    client.close();
    timers.clear();
    time = 0;
    setImmediate(() => tell({ forgotten: true }));
  },
  mark() { setImmediate(() => tell({ mark: true })); },
  advance(seconds) { advance(seconds * 1000); },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [operation, ...values] = JSON.parse(line);
  void operations[operation](...values);
}
process.exit(0);
