// antiphon.js: calls, streams and topics over one WebSocket, for browsers and Node 20 or newer. No dependencies.
//
//     import { connect } from "./antiphon.js";
//
//     const client = connect("/ws", { onState: ({ state }) => show(state) });
//     const message = await client.call("message:create", { body: "Hello" }, { key: crypto.randomUUID() });
//     for await (const tick of client.stream("streaming:counter", { to: 3 })) console.log(tick.n);
//
//     const { messages, position } = await client.call("messages:list");
//     const board = client.subscribe("messages", {
//       since: position,                                   // nothing between the list and now is missed
//       onEvent: ({ event, data }) => add(data.message),   // each once and in order, over reconnects too
//       onPresence: ({ members }) => showMembers(members),
//       onReset: () => loadTheListAgain(),                 // events may be missing
//       onEnded: (error) => leave(error.message),
//     });
//
// A connection that is lost comes back by itself, and its topics go on from where they were:
//
//     state       what it is                                            becomes
//     connecting  a ticket is fetched, a socket opened, `hello` awaited open, waiting, stopped
//     open        calls are sent                                        waiting, stopped
//     waiting     lost; tried again at `retryAt`, or once online        connecting
//     stopped     the server said so, and trying again is of no use     connecting, by `resume()`
//     closed      by `close()`                                          connecting, by `resume()`
//
//     close code                                     then
//     1001, 1005 (none), 1006 (cut), 1011-1015       again: 0.5 s doubling to 30 s, all of it jitter
//     4000 to 4499                                   the same
//     every other, 1000 and 4500 to 4999 among them  stopped
//     `reconnect` came before it                     again, after the time that it says
//
// A call that was not sent yet waits for the next connection. One that was sent and not answered fails with
// ConnectionLost: it may have run. With a `key` it can be sent again and is done once.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const SETTLED = 10_000; // A connection that lasted this long begins the doubling anew.
const OPENING = 10_000; // From the first byte to `hello`.
const ANSWER = 10_000; // A ping that is not answered by then means that nobody is there.
const PROBE = 3_000; // The same, where the browser has just given a reason to doubt.
const CALL = 30_000;
const AT_ONCE = 30; // The server takes 40 frames at once and 20 a second: beyond these, topics come one by one.
const PACE = 70;
const LEAVING = 4000; // Our own close code: not 1000, which would say that the user has left.
const AGAIN = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015]);
const PASSING = new Set(["UNAVAILABLE", "TOO_MANY_CALLS", "TIMED_OUT", "DEFECT"]);

/** @typedef {"connecting" | "open" | "waiting" | "stopped" | "closed"} State */
/** @typedef {{ epoch: string, offset: number }} Position A place in the log of a topic. */
/** @typedef {{ id: string, name: string, since?: string }} Member Somebody who is there. */
/** @typedef {{ topic: string, event: string, offset?: number, data: any }} TopicEvent No `offset`: it is not kept. */
/** @typedef {{ members: Member[], count: number, version: number, joined: Member[], left: Member[] }} Presence
 *  Who is there now, and who came and went with this change. Over 500 there are only the first ones, and `count`. */
/** @typedef {{ ask(frame: object, onResult?: (result: any) => void): Promise<any>, forget(): void, isOpen(): boolean,
 *  later(ms: number, run: () => void): any, delay(attempt: number): number }} Way How a topic uses its client. */
/** @typedef {{ position: Position | null, reason: string }} Reset
 *  Events may be missing. `reason`: `epoch`, `window` or `tooMany` (the log does not reach back), `gap` (the server
 *  lost some), `notKept` (the topic has no log). */
/** @typedef {{ state: State, code: number | null, reason: string, retryAt: number | null, error: CallError | null }}
 *  Change `retryAt` is a time of the clock in ms; `code` and `reason` are those of the last close. */
/** @typedef {{ connectionId: string, user: any, version: number, pingSeconds: number, frameBytes: number }} Hello */
/** @typedef {{ now(): number, setTimeout(run: () => void, ms: number): any, clearTimeout(timer: any): void }} Clock */
/** @typedef {(url: string, protocols: string[], headers: Record<string, string>) => WebSocket} Opener */
/** @typedef {object} Options
 *  @property {() => string | Promise<string>} [ticket] Asked before each connection: see `ticketFrom`.
 *  @property {Record<string, string>} [headers] Node only: `Authorization` or `Cookie`. Browsers send their cookie.
 *  @property {(change: Change) => void} [onState] Told of each change of the connection.
 *  @property {(error: CallError) => void} [onFault] Told of errors that belong to no call.
 *  @property {Opener} [open] Opens a socket; `WebSocket` of the platform unless given.
 *  @property {Clock} [clock] Time and timers.
 *  @property {() => number} [random] From 0 to 1.
 *  @property {any} [page] What tells `online`, `offline`, `pageshow` and `visibilitychange`: the window. */
/** @typedef {object} CallOptions
 *  @property {number} [timeout] In ms, waiting for a connection included; 30,000 unless given. 0: forever.
 *  @property {AbortSignal} [signal] Cancels the call, on the server too.
 *  @property {string} [key] Idempotency: the same key and inputs are done once, however often they are sent.
 *  @property {boolean} [strict] Never kept for later while the database is away. */
/** @typedef {object} TopicOptions
 *  @property {Position | null} [since] Go on from here: what a list action gave as its `position`.
 *  @property {(event: TopicEvent) => void} [onEvent] Each event once, in order.
 *  @property {(presence: Presence) => void} [onPresence] Who is there, at first and after every change.
 *  @property {(reset: Reset) => void} [onReset] Events may be missing: load the state again.
 *  @property {(live: { missed: number, again: boolean }) => void} [onLive] Watching; `missed` events were caught up.
 *  @property {(error: CallError) => void} [onEnded] No longer watching, and not again by itself. */
/** @typedef {{ frame: Record<string, any>, sent: boolean, stop(): void, fail(error: unknown): void,
 *  item(item: any): void, answer(reply: any): void }} Pending */

/** What a call was answered, or why there is no answer. `type` is for programs, `message` for people. */
export class CallError extends Error {
  /** @param {{ type?: string, message?: string, fields?: { name: string, message: string }[], retryAfter?: number,
   *  requestId?: string }} told @param {boolean} [mayHaveRun] */
  constructor(told, mayHaveRun = false) {
    super(told.message || "The call failed.");
    this.name = new.target.name;
    /** Such as `INVALID_INPUT`. Our own are `CONNECTION_LOST`, and `TIMED_OUT` or `TOO_LARGE` without a request id. */
    this.type = told.type || "DEFECT";
    /** The inputs at fault. */
    this.fields = told.fields ?? [];
    /** Seconds until it is worth trying again, when the server said so. */
    this.retryAfter = told.retryAfter ?? null;
    this.requestId = told.requestId ?? null;
    /** True when it was sent and no answer came: it may have run, wholly or in part, or may run still. */
    this.mayHaveRun = mayHaveRun;
  }
}

/** The connection ended before the answer. `mayHaveRun`: the call had been sent. `code` is the close code. */
export class ConnectionLost extends CallError {
  /** @param {boolean} mayHaveRun @param {number | null} code */
  constructor(mayHaveRun, code) {
    const sent = "The connection was lost before the answer; the call may have run.";
    const message = mayHaveRun ? sent : "Not connected; the call was not sent.";
    super({ type: "CONNECTION_LOST", message }, mayHaveRun);
    this.code = code;
  }
}

/** A connection that keeps itself alive. Begin with `connect`, or with `new Client` and `resume()`. */
export class Client {
  /** @type {State} */ #state = "closed";
  /** @type {Hello | null} */ #hello = null;
  /** @type {WebSocket | null} */ #socket = null;
  /** @type {Map<number, Pending>} */ #pending = new Map();
  /** @type {Map<string, Subscription>} */ #topics = new Map();
  #lastId = 0;
  #turn = 0; // Of which attempt a callback is: those of earlier ones are not listened to.
  #attempt = 0;
  #openedAt = 0;
  #heardAt = 0;
  #leaving = false;
  /** @type {number | null} */ #comeBackAt = null;
  /** @type {number | null} */ #pingedAt = null;
  /** @type {any} */ #retryTimer = null;
  /** @type {any} */ #watchTimer = null;
  #patience = ANSWER;
  #url; #options; #clock; #random; #page;

  /** @param {string | URL} url `/ws` in a browser, `wss://example.com/ws` anywhere. @param {Options} [options] */
  constructor(url, options = {}) {
    const here = globalThis.location?.href;
    this.#url = new URL(url, here);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#options = options;
    this.#clock = options.clock ?? {
      now: () => Date.now(),
      setTimeout: (run, ms) => setTimeout(run, ms),
      clearTimeout: (timer) => clearTimeout(timer),
    };
    this.#random = options.random ?? Math.random;
    this.#page = options.page ?? globalThis.window;
  }

  /** @returns {State} */
  get state() { return this.#state; }

  /** What the server said first on this connection: `user`, `connectionId`, … Null while there is none. */
  get hello() { return this.#hello; }

  /** Connect, or connect at once instead of later; again after `stopped` or `close()`. Topics go on where they were. */
  resume() {
    if (this.#state === "open" || this.#state === "connecting") return;
    if (this.#state !== "waiting") this.#listen(true);
    this.#attempt = 0;
    this.#comeBackAt = null;
    void this.#connect();
  }

  /** Leave for good: calls fail, topics end without a word. `resume()` comes back. */
  close() {
    if (this.#state === "closed") return;
    this.#listen(false);
    const socket = this.#abandon();
    this.#become("closed", { code: 1000 });
    this.#failAll(1000);
    socket?.close(1000);
  }

  /** Call an action and wait for its result. Raises CallError, ConnectionLost, and the reason of `signal`.
   *  @param {string} action @param {object} [inputs] @param {CallOptions} [options] @returns {Promise<any>} */
  call(action, inputs = {}, options = {}) {
    return this.#request(callFrame(action, inputs, options), { timeout: CALL, ...options });
  }

  /** Call a streaming action; leaving the loop cancels it. Items that are not taken yet wait in memory.
   *  @param {string} action @param {object} [inputs] @param {CallOptions} [options] No `timeout` unless given.
   *  @returns {AsyncGenerator<any, void, undefined>} */
  async *stream(action, inputs = {}, options = {}) {
    /** @type {any[]} */ const items = [];
    /** @type {unknown} */ let failure;
    let over = false;
    let wake = () => {};
    const leave = new AbortController();
    const request = this.#request(callFrame(action, inputs, options), { ...options, leave: leave.signal }, (item) => {
      items.push(item);
      wake();
    });
    request.then(() => (over = true), (error) => ((over = true), (failure = error))).finally(() => wake());
    try {
      while (true) {
        while (items.length) yield items.shift();
        if (over) break;
        await new Promise((resolve) => (wake = () => resolve(null)));
      }
    } finally {
      leave.abort();
    }
    if (failure !== undefined) throw failure;
  }

  /** Watch a topic until `unsubscribe()`; it is found again after every reconnect.
   *  @param {string} topic @param {TopicOptions} [options] @returns {Subscription} */
  subscribe(topic, options = {}) {
    if (this.#topics.has(topic)) throw new Error(`${topic} is watched already. Unsubscribe first, or share it.`);
    const subscription = new Subscription(topic, options, {
      ask: (frame, onResult) => this.#request(frame, { timeout: CALL, onResult }),
      later: (ms, run) => this.#onThisTurn(ms, run),
      forget: () => this.#topics.delete(topic),
      isOpen: () => this.#state === "open" && !this.#leaving,
      delay: (attempt) => this.#delay(attempt),
    });
    this.#topics.set(topic, subscription);
    subscription.begin();
    return subscription;
  }

  /** Sign this socket in with an access token, or renew the one it lives by.
   *  @param {string} token @returns {Promise<{ user: any, expiresAt: string }>} */
  authenticate(token) { return this.#request({ token }, { timeout: CALL }); }

  /** Ask the server for its time. @returns {Promise<{ now: string }>} */
  ping() { return this.#request({ ping: true }, { timeout: CALL }); }

  // Requests

  /** `onItem` and `onResult` are called as the frame comes, before anything that comes after it.
   *  @param {Record<string, any>} frame
   *  @param {CallOptions & { leave?: AbortSignal, onResult?: (result: any) => void }} options
   *  @param {(item: any) => void} [onItem] @returns {Promise<any>} */
  #request(frame, { timeout = 0, signal, leave, onResult }, onItem = () => {}) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const aborted = () => { this.#cancel(id); reject(signal?.reason); };
      const left = () => { this.#cancel(id); resolve(null); };
      const late = () => {
        const sent = this.#cancel(id);
        reject(new CallError({ type: "TIMED_OUT", message: `No answer within ${timeout} ms.` }, sent));
      };
      const timer = timeout > 0 ? this.#clock.setTimeout(late, timeout) : null;
      const stop = () => {
        this.#pending.delete(id);
        if (timer !== null) this.#clock.clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        leave?.removeEventListener("abort", left);
      };
      signal?.addEventListener("abort", aborted);
      leave?.addEventListener("abort", left);
      const pending = {
        frame: { id, ...frame }, sent: false, stop, item: onItem,
        fail: (/** @type {unknown} */ error) => { stop(); reject(error); },
        answer: (/** @type {any} */ reply) => {
          stop();
          if (reply.error) return reject(new CallError(reply.error));
          onResult?.(reply.result);
          resolve(reply.result ?? null);
        },
      };
      this.#pending.set(id, pending);
      if (this.#state === "stopped" || this.#state === "closed") pending.fail(new ConnectionLost(false, null));
      else this.#send(pending);
    });
  }

  /** Take a request back; whether it had been sent. @param {number} id */
  #cancel(id) {
    const pending = this.#pending.get(id);
    if (!pending) return false;
    pending.stop();
    // Nobody waits for the answer to this: it has an id that no request has.
    if (pending.sent) this.#write({ id: ++this.#lastId, cancel: id });
    this.#settle();
    return pending.sent;
  }

  /** @param {Pending} pending */
  #send(pending) {
    if (this.#state !== "open" || this.#leaving) return;
    const most = this.#hello?.frameBytes ?? Infinity;
    const text = JSON.stringify(pending.frame);
    if (text.length * 3 > most && new TextEncoder().encode(text).length > most) {
      pending.fail(new CallError({ type: "TOO_LARGE", message: `A frame holds ${most} bytes at most.` }));
    } else {
      pending.sent = this.#writeText(text);
    }
  }

  /** @param {object} frame */
  #write(frame) { return this.#writeText(JSON.stringify(frame)); }

  /** @param {string} text */
  #writeText(text) {
    // A socket that is closing swallows what it is given.
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(text);
    return true;
  }

  /** @param {number | null} code */
  #failAll(code) {
    for (const pending of [...this.#pending.values()]) pending.fail(new ConnectionLost(pending.sent, code));
  }

  // The connection

  async #connect() {
    this.#clock.clearTimeout(this.#retryTimer);
    const turn = ++this.#turn;
    this.#watchTimer = this.#onThisTurn(OPENING, () => this.#lost(1006, "No answer in time."));
    this.#become("connecting", {});
    const url = new URL(this.#url);
    try {
      if (this.#options.ticket) url.searchParams.set("ticket", await this.#options.ticket());
      if (turn !== this.#turn) return;
      const socket = (this.#options.open ?? openSocket)(url.href, ["antiphon.v1"], this.#options.headers ?? {});
      this.#socket = socket;
      socket.onmessage = ({ data }) => turn === this.#turn && this.#hear(data);
      socket.onclose = ({ code, reason }) => turn === this.#turn && this.#lost(code, reason);
      // Followed by a close with its code, except in Node 20 when there was no connection at all.
      socket.onerror = () => turn === this.#turn && this.#hello === null && this.#lost(1006, "No connection.");
    } catch (cause) {
      if (turn !== this.#turn) return;
      const error = cause instanceof CallError ? cause : null;
      const refused = error !== null && !PASSING.has(error.type) && error.type !== "CONNECTION_LOST";
      this.#lost(refused ? (error.type === "FORBIDDEN" ? 4503 : 4501) : 1006, String(cause), error);
    }
  }

  /** @param {unknown} data */
  #hear(data) {
    this.#heardAt = this.#clock.now();
    this.#pingedAt = null;
    /** @type {any} */ let frame;
    try {
      frame = JSON.parse(String(data));
    } catch {
      return this.#lost(1006, "The server sent what is no JSON.");
    }
    try {
      if (frame.hello) this.#opened(frame.hello);
      else if (frame.topic !== undefined) this.#topics.get(frame.topic)?.hear(frame);
      else if (frame.reconnect) this.#leave(frame.reconnect.afterMs);
      else if (frame.id !== undefined) this.#answered(frame);
    } catch (error) {
      this.#lost(1006, `The server sent a frame that cannot be: ${error}`);
    }
  }

  /** @param {any} frame */
  #answered(frame) {
    const pending = this.#pending.get(frame.id);
    if ("item" in frame) return pending?.item(frame.item);
    if (pending) pending.answer(frame);
    else if (frame.error && frame.id === null) this.#options.onFault?.(new CallError(frame.error));
    this.#settle();
  }

  /** @param {Hello} hello */
  #opened(hello) {
    this.#hello = hello;
    this.#openedAt = this.#heardAt;
    this.#clock.clearTimeout(this.#watchTimer);
    this.#watch();
    this.#become("open", {});
    let topics = 0;
    for (const subscription of this.#topics.values()) {
      const after = Math.max(0, ++topics - AT_ONCE) * PACE;
      if (after) this.#onThisTurn(after, () => subscription.begin());
      else subscription.begin();
    }
    for (const pending of [...this.#pending.values()]) if (!pending.sent) this.#send(pending);
  }

  /** @param {number} afterMs */
  #leave(afterMs) {
    this.#leaving = true;
    this.#comeBackAt = this.#clock.now() + afterMs;
    this.#settle();
  }

  /** Go, when we were asked to and nothing is awaited any more. */
  #settle() {
    if (!this.#leaving || this.#state !== "open") return;
    const awaited = [...this.#pending.values()].some((pending) => pending.sent);
    if (!awaited) this.#lost(1012, "The server asked us to come back.");
  }

  /** @param {number} code @param {string} reason @param {CallError | null} [error] */
  #lost(code, reason, error = null) {
    const socket = this.#abandon();
    const again = AGAIN.has(code) || (code >= 4000 && code < 4500);
    if (!again) {
      this.#listen(false);
      this.#become("stopped", { code, reason, error });
      this.#failAll(code);
    } else {
      const now = this.#clock.now();
      if (this.#openedAt && now - this.#openedAt >= SETTLED) this.#attempt = 0;
      this.#openedAt = 0;
      const wait = this.#comeBackAt === null ? this.#delay(this.#attempt++) : Math.max(0, this.#comeBackAt - now);
      this.#comeBackAt = null;
      this.#retryTimer = this.#onThisTurn(wait, () => void this.#connect());
      this.#become("waiting", { code, reason, error, retryAt: now + wait });
      for (const pending of [...this.#pending.values()]) if (pending.sent) pending.fail(new ConnectionLost(true, code));
    }
    socket?.close(LEAVING);
  }

  /** Listen to this socket no longer, whatever still comes; gives it if it must be closed. */
  #abandon() {
    this.#turn += 1;
    this.#clock.clearTimeout(this.#watchTimer);
    this.#clock.clearTimeout(this.#retryTimer);
    const socket = this.#socket;
    this.#socket = this.#hello = this.#pingedAt = null;
    this.#leaving = false;
    for (const subscription of this.#topics.values()) subscription.pause();
    return socket && socket.readyState < 2 ? socket : null;
  }

  /** @param {number} attempt */
  #delay(attempt) { return this.#random() * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 16)); }

  /** @param {number} ms @param {() => void} run */
  #onThisTurn(ms, run) {
    const turn = this.#turn;
    return this.#clock.setTimeout(() => { if (turn === this.#turn) run(); }, ms);
  }

  /** @param {State} state @param {Partial<Change>} more */
  #become(state, more) {
    this.#state = state;
    tell(this.#options.onState, { state, code: null, reason: "", retryAt: null, error: null, ...more });
  }

  // Signs of life

  /** One timer: ping after a silence, give up when the ping is not answered. A late timer alone is no silence. */
  #watch() {
    const now = this.#clock.now();
    const ping = (this.#hello?.pingSeconds ?? 25) * 1000;
    const unanswered = this.#pingedAt === null ? 0 : now - this.#pingedAt;
    if (unanswered >= this.#patience) return this.#lost(4001, "The server is silent.");
    if (this.#pingedAt === null && now - this.#heardAt >= ping) this.#ping(ANSWER);
    const next = this.#pingedAt === null ? this.#heardAt + ping : this.#pingedAt + this.#patience;
    this.#watchTimer = this.#onThisTurn(Math.max(next - now, 1), () => this.#watch());
  }

  /** @param {number} patience */
  #ping(patience) {
    this.#patience = patience;
    this.#pingedAt = this.#clock.now();
    this.#write({ id: ++this.#lastId, ping: true });
  }

  /** Something happened that often means another network. */
  #doubt = () => {
    if (this.#page?.document?.visibilityState === "hidden") return;
    if (this.#state === "waiting" && this.#page?.navigator?.onLine !== false) this.resume();
    else if (this.#state === "open" && this.#pingedAt === null) {
      this.#ping(PROBE);
      this.#clock.clearTimeout(this.#watchTimer);
      this.#watch();
    }
  };

  /** @param {boolean} on */
  #listen(on) {
    const [page, change] = [this.#page, on ? "addEventListener" : "removeEventListener"];
    for (const name of ["online", "offline", "pageshow"]) page?.[change]?.(name, this.#doubt);
    page?.document?.[change]?.("visibilitychange", this.#doubt);
  }
}

/** One topic that is watched: `client.subscribe(topic, …)`.
 *
 *      state        what comes                        is
 *      waiting      nothing: not connected, or later  –
 *      subscribing  events with an offset             dropped: the answer has them among the missed
 *      live         the next offset                   told
 *      live         an offset that was passed         dropped
 *      live         an offset too far                 dropped, and subscribed again from the position
 *      ended        anything                          dropped
 */
export class Subscription {
  /** @type {"waiting" | "subscribing" | "live" | "ended"} */ #state = "waiting";
  /** @type {Position | null} */ #position;
  /** @type {Map<string, Member> | null} */ #members = null;
  #count = 0;
  #version = 0;
  #began = false;
  #turn = 0;
  #attempt = 0;
  #topic; #told; #way;
  /** @type {(subscription: this) => void} */ #resolve = () => {};
  /** @type {(error: unknown) => void} */ #reject = () => {};

  /** @param {string} topic @param {TopicOptions} told @param {Way} way */
  constructor(topic, told, way) {
    this.#topic = topic;
    this.#told = told;
    this.#way = way;
    this.#position = told.since ?? null;
    /** Fulfilled when it is live for the first time; rejected when the door says no. @type {Promise<this>} */
    this.ready = new Promise((resolve, reject) => ([this.#resolve, this.#reject] = [resolve, reject]));
    this.ready.catch(() => {});
  }

  get topic() { return this.#topic; }
  get state() { return this.#state; }

  /** Everything up to here has been told. Keep it to go on from here in another client. */
  get position() { return this.#position; }

  /** Who is there; null for a topic without presence. */
  get members() { return this.#members && [...this.#members.values()]; }

  /** How many are there. */
  get count() { return this.#count; }

  /** Watch no longer. Fulfilled when no event can come any more. @returns {Promise<void>} */
  async unsubscribe() {
    if (this.#state === "ended") return;
    const told = this.#state !== "waiting" && this.#way.isOpen();
    this.#end();
    if (told) await this.#way.ask({ unsubscribe: this.#topic }).catch(() => {});
  }

  // The client's side

  /** The connection is open, or it is time to try again. */
  begin() {
    if (this.#state !== "waiting" || !this.#way.isOpen()) return;
    this.#state = "subscribing";
    const turn = ++this.#turn;
    const since = this.#position ? { since: this.#position } : {};
    const answered = (/** @type {any} */ answer) => turn === this.#turn && this.#live(answer);
    const refused = (/** @type {unknown} */ error) => turn === this.#turn && this.#refused(error);
    this.#way.ask({ subscribe: this.#topic, ...since }, answered).catch(refused);
  }

  /** The connection is gone. */
  pause() {
    if (this.#state === "ended") return;
    this.#state = "waiting";
    this.#turn += 1;
  }

  /** @param {any} frame */
  hear(frame) {
    if (this.#state === "ended") return;
    if (frame.event !== undefined) this.#event(frame, this.#state === "live");
    else if (frame.presence) this.#changed(frame.presence);
    else if (frame.reset) this.#reset(placeOf(frame.reset), "gap");
    else if (frame.ended) {
      this.pause();
      this.#refused(new CallError(frame.ended));
    }
  }

  /** @param {any} answer */
  #live(answer) {
    const again = this.#began;
    const events = answer.recovered ? [...answer.missed] : [];
    this.#began = true;
    this.#state = "live";
    this.#attempt = 0;
    let missed = 0;
    for (const event of events) {
      if (this.#state === "live") missed += this.#event({ topic: this.#topic, ...event }, false, true);
    }
    if (answer.recovered) this.#position = placeOf(answer);
    else if (answer.recovered === false) this.#reset(placeOf(answer), answer.reason ?? "window");
    else if (again) this.#reset(placeOf(answer), "notKept");
    else this.#position = placeOf(answer);
    if (answer.members) this.#listed(answer.members, answer.count, answer.presenceVersion ?? 0);
    this.#resolve(this);
    if (this.#state === "live") tell(this.#told.onLive, { missed, again });
  }

  /** Tell an event that was not told yet; how many that were.
   *  @param {any} frame @param {boolean} live @param {boolean} [missed] */
  #event(frame, live, missed = false) {
    if (frame.offset !== undefined) {
      if (!live && !missed) return 0;
      const at = this.#position;
      if (at && frame.offset <= at.offset) return 0;
      if (at && live && frame.offset > at.offset + 1) {
        this.pause();
        this.begin();
        return 0;
      }
      if (at) this.#position = { epoch: at.epoch, offset: frame.offset };
    }
    tell(this.#told.onEvent, frame);
    return 1;
  }

  /** @param {Position | null} position @param {string} reason */
  #reset(position, reason) {
    this.#position = position;
    tell(this.#told.onReset, { position, reason });
  }

  /** @param {any} change */
  #changed(change) {
    const members = this.#members;
    if (!members || change.version <= this.#version) return;
    if (change.members) return this.#listed(change.members, undefined, change.version);
    for (const { id } of change.left ?? []) members.delete(id);
    for (const member of change.joined ?? []) members.set(member.id, member);
    this.#present(change.count, change.version, change.joined ?? [], change.left ?? []);
  }

  /** @param {Member[]} list @param {number | undefined} count @param {number} version */
  #listed(list, count, version) {
    const before = this.#members ?? new Map(list.map((member) => [member.id, member]));
    const now = (this.#members = new Map(list.map((member) => [member.id, member])));
    const left = [...before.values()].filter(({ id }) => !now.has(id));
    this.#present(count, version, list.filter(({ id }) => !before.has(id)), left);
  }

  /** @param {number | undefined} count @param {number} version @param {Member[]} joined @param {Member[]} left */
  #present(count, version, joined, left) {
    this.#version = version;
    const members = this.members ?? [];
    this.#count = count ?? members.length;
    tell(this.#told.onPresence, { members, count: this.#count, version, joined, left });
  }

  /** @param {unknown} error */
  #refused(error) {
    this.#state = "waiting";
    if (error instanceof ConnectionLost) return;
    if (error instanceof CallError && !PASSING.has(error.type)) {
      this.#end();
      this.#reject(error);
      return tell(this.#told.onEnded, error);
    }
    const asked = error instanceof CallError ? (error.retryAfter ?? 0) * 1000 : 0;
    const turn = this.#turn;
    this.#way.later(asked + this.#way.delay(this.#attempt++), () => turn === this.#turn && this.begin());
  }

  #end() {
    this.#state = "ended";
    this.#turn += 1;
    this.#way.forget();
  }
}

/** A client that connects at once. @param {string | URL} url @param {Options} [options] */
export function connect(url, options = {}) {
  const client = new Client(url, options);
  client.resume();
  return client;
}

/** Tickets, for pages of another origin and those who have a token: `connect(url, { ticket: ticketFrom(…) })`.
 *  @param {string | URL} [url] @param {RequestInit} [init] Such as `{ headers: { Authorization: "Bearer …" } }`. */
export function ticketFrom(url = "/api/socket/ticket", init = {}) {
  return async () => {
    const answer = await fetch(url, { method: "POST", credentials: "include", ...init });
    const body = await answer.json().catch(() => ({}));
    if (answer.ok) return /** @type {string} */ (body.ticket);
    throw new CallError(body.error ?? { type: "UNAVAILABLE", message: `No ticket: status ${answer.status}.` });
  };
}

/** @type {Opener} */
function openSocket(url, protocols, headers) {
  // Node takes headers in place of the protocols; browsers take none, and send their cookie.
  const wishes = Object.keys(headers).length ? { protocols, headers } : protocols;
  return new WebSocket(url, /** @type {any} */ (wishes));
}

/** @param {string} action @param {object} params @param {CallOptions} options */
function callFrame(action, params, { key, strict }) {
  return { action, params, ...(key === undefined ? {} : { key }), ...(strict ? { strict } : {}) };
}

/** @param {{ epoch?: string, offset?: number }} told @returns {Position | null} */
function placeOf({ epoch, offset }) {
  return epoch === undefined || offset === undefined ? null : { epoch, offset };
}

/** What a callback throws is the page's fault and is told as such; it cannot harm the connection.
 *  @template T @param {((value: T) => void) | undefined} callback @param {T} value */
function tell(callback, value) {
  try {
    callback?.(value);
  } catch (error) {
    if (globalThis.reportError) return globalThis.reportError(error);
    queueMicrotask(() => { throw error; });
  }
}
