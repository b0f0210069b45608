// The page: who is signed in, the connection, and the board itself.

import { CallError, connect } from "../antiphon.js";
import { ask, makeDoor, Refusal } from "./door.js";
import { timeOfDay } from "./times.js";
import { makeUploads } from "./uploads.js";
import { byId, face, made, Messages, showPeople } from "./view.js";

/** @typedef {import("./view.js").Message} Message */

const PAGE = 50;
const PATIENCE = 1500; // A loss that is over sooner is not worth a banner.
const STATES = {
  connecting: "Connecting…",
  open: "Live",
  waiting: "Reconnecting…",
  stopped: "Disconnected",
  closed: "Signed out",
};

const messages = new Messages();
const door = makeDoor((person) => {
  me = person;
  void enter();
});
const body = /** @type {HTMLTextAreaElement} */ (byId("body"));
const files = makeUploads(() => client, () => messages.grew());

/** @type {import("../antiphon.js").Client | null} */ let client = null;
/** @type {import("../antiphon.js").Change | null} */ let last = null;
/** @type {Set<Post>} */ const posts = new Set();
let me = { id: "", name: "" };
let live = false;
let away = false; // Since the last time that we were live.
let lostAt = 0;
/** @type {Message[] | null} */ let meanwhile = null; // What comes while the list is loaded anew.
let unread = 0;

// Coming and going

/** @param {string} [note] */
function showDoor(note = "") {
  client?.close();
  client = last = null;
  for (const post of posts) post.drop();
  files.clear();
  byId("board").hidden = true;
  byId("welcome").hidden = false;
  byId("welcome-note").hidden = !note;
  byId("welcome-note").textContent = note;
  document.title = "The board · Olympus";
  door.open();
}

async function enter() {
  try {
    const page = await ask("GET", `/api/messages/list?limit=${PAGE}`);
    byId("welcome").hidden = true;
    byId("board").hidden = false;
    show(page);
    begin(page.position);
    body.focus();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) showDoor();
    else showDoor(error instanceof Refusal ? error.message : "The server cannot be reached. Are you online?");
  }
}

/** @param {{ messages: Message[], pagination: { pages: number } }} page */
function show(page) {
  messages.replace([...page.messages].reverse());
  byId("earlier").hidden = page.pagination.pages <= 1;
}

/** @param {import("../antiphon.js").Position} position */
function begin(position) {
  live = away = false;
  client = connect("/ws", { onState: changed });
  client.subscribe("messages", {
    since: position,
    onEvent({ event, data }) {
      if (event !== "MessagePosted") return;
      if (away && !live && !messages.has(data.message.id)) {
        messages.rule("While you were away");
        away = false;
      }
      arrived(data.message);
    },
    onPresence({ members, count, joined, left }) {
      showPeople(members, count, me.id);
      const others = (/** @type {{ id: string, name: string }[]} */ list) =>
        list.filter(({ id }) => id !== me.id).map(({ name }) => name);
      const told = [...others(joined).map((name) => `${name} came`), ...others(left).map((name) => `${name} left`)];
      if (told.length)
        byId("here-note").textContent = told.slice(0, 2).join(", ") + (told.length > 2 ? " and more" : "");
    },
    async onReset() {
      // What came meanwhile is no longer kept: the list as it is now is the truth, with what comes while it is read.
      const since = (meanwhile = /** @type {Message[]} */ ([]));
      const page = await client?.call("messages:list", { limit: PAGE }).catch(() => null);
      if (meanwhile !== since) return; // There was another reset.
      meanwhile = null;
      if (!page) return;
      show(page);
      for (const message of since) arrived(message);
      notice("You were away for long. The board was loaded anew.");
      settle();
    },
    onLive({ missed, again }) {
      live = true;
      away = false;
      if (meanwhile) return; // Loading the list anew says the rest.
      if (again) notice(missed ? `Back. ${missed} ${missed === 1 ? "message" : "messages"} came meanwhile.` : "Back.");
      settle();
    },
    onEnded(error) {
      if (error.type === "NOT_SIGNED_IN") showDoor("You were signed out.");
      else banner(`The board cannot be watched: ${error.message}`);
    },
  });
}

/** @param {Message} message */
function arrived(message) {
  meanwhile?.push(message);
  for (const post of posts)
    if (message.userId === me.id && post.body === message.body) {
      post.drop();
      break;
    }
  const mine = message.userId === me.id;
  const added = messages.add(message, { mine });
  if (added && !mine && document.hidden) document.title = `(${++unread}) The board · Olympus`;
}

// The connection

/** @param {import("../antiphon.js").Change} change */
function changed(change) {
  last = change;
  if (change.state === "open") {
    lostAt = 0;
    const user = client?.hello?.user;
    if (!user) return showDoor("You were signed out.");
    void know(user.id);
  } else {
    if (live) away = true;
    live = false;
    if (change.state !== "connecting") lostAt ||= Date.now();
  }
  if (change.state === "stopped" && change.code === 4501) return showDoor("You were signed out.");
  showConnection();
}

/** The socket says only the id of whom it belongs to. @param {string} id */
async function know(id) {
  if (me.id !== id) me = { id, name: "" };
  if (!me.name) {
    const user = await client?.call("user:view", { userId: id }).catch(() => null);
    if (user) me = user;
  }
  byId("me-face").replaceChildren(face(me.id, me.name, "small"), made("span", "called", me.name));
}

function showConnection() {
  if (!last) return;
  const offline = navigator.onLine === false && last.state !== "open";
  byId("board").dataset.live = String(last.state === "open");
  byId("state").dataset.state = last.state;
  byId("state-text").textContent = offline ? "Offline" : STATES[last.state];
  if (last.state === "stopped") return banner(`The server ended the connection. ${last.reason}`, "", "Connect again");
  if (!lostAt || Date.now() - lostAt < PATIENCE) return banner("");
  const seconds = last.retryAt === null ? 0 : Math.ceil((last.retryAt - Date.now()) / 1000);
  const when =
    last.state === "connecting" ? "Trying now…" : seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…";
  const what = offline ? "You are offline." : "The connection is lost.";
  banner(`${what} This is the board as it was at ${timeOfDay(new Date(lostAt))}.`, when, "Try now");
}

/** @param {string} text @param {string} [when] @param {string} [button] */
function banner(text, when = "", button = "") {
  byId("banner").hidden = !text;
  // What says the same is not said again to those who listen; the countdown is for the eye alone.
  if (byId("banner-text").textContent !== text) byId("banner-text").textContent = text;
  byId("banner-when").textContent = when;
  byId("try").textContent = button;
  byId("try").hidden = !button;
}

let noticeTimer = 0;
/** @param {string} text */
function notice(text) {
  clearTimeout(noticeTimer);
  byId("notice").textContent = text;
  noticeTimer = setTimeout(() => (byId("notice").textContent = ""), 8000);
}

// Posting

/** A message on its way. It is shown as such until the board shows it, and never posted twice by itself. */
class Post {
  #abort = new AbortController();
  #unsure = false;
  #element;
  #fate;

  /** @param {string} text */
  constructor(text) {
    this.body = text;
    this.#element = messages.own(text, me);
    this.#fate = /** @type {HTMLElement} */ (this.#element.querySelector(".fate"));
    const [again, discard] = this.#fate.getElementsByTagName("button");
    again.addEventListener("click", () => {
      this.drop();
      new Post(text).send();
    });
    discard.addEventListener("click", () => this.drop());
    posts.add(this);
  }

  async send() {
    this.#say(live ? "" : "Will be posted as soon as you are connected.", false);
    try {
      const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
        byte.toString(16).padStart(2, "0"),
      ).join("");
      const message = await client?.call(
        "message:create",
        { body: this.body },
        { key, timeout: 0, signal: this.#abort.signal },
      );
      if (message) arrived(message);
    } catch (error) {
      if (!posts.has(this)) return;
      this.#unsure = error instanceof CallError && error.mayHaveRun;
      this.#say(
        this.#unsure
          ? "Lost on the way; looking whether it arrived…"
          : `Not posted. ${error instanceof Error ? error.message : ""}`,
        !this.#unsure,
      );
    }
  }

  /** We are up to date: what did not arrive was not posted. */
  settle() {
    if (this.#unsure) this.#say("Not posted: the connection was lost.", true);
  }

  /** It is posted, or not wanted any more. */
  drop() {
    posts.delete(this);
    this.#abort.abort();
    messages.disown(this.#element);
  }

  /** @param {string} text @param {boolean} failed */
  #say(text, failed) {
    this.#fate.hidden = !text;
    /** @type {HTMLElement} */ (this.#fate.firstElementChild).textContent = text;
    this.#element.classList.toggle("failed", failed);
    const [again, discard] = this.#fate.getElementsByTagName("button");
    again.hidden = !failed;
    discard.hidden = !text || (this.#unsure && !failed);
    messages.grew();
  }
}

function settle() {
  for (const post of posts) post.settle();
}

function measure() {
  const left = body.maxLength - body.value.length;
  byId("left").textContent = left < 100 ? `${left} left` : "";
  // Browsers without field-sizing.
  body.style.height = "auto";
  if (body.scrollHeight > body.clientHeight) body.style.height = `${body.scrollHeight + 2}px`;
}

body.addEventListener("input", measure);
body.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  /** @type {HTMLFormElement} */ (body.form).requestSubmit();
});
byId("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = body.value.trim();
  if (!text) return;
  body.value = "";
  measure();
  messages.noRule();
  void new Post(text).send();
  body.focus();
});

// Everything else

byId("try").addEventListener("click", () => client?.resume());
byId("leave").addEventListener("click", async () => {
  client?.close();
  await ask("DELETE", "/api/session").catch(() => {});
  showDoor("You are signed out. Come back soon.");
});
byId("earlier").addEventListener("click", async () => {
  // What is shown are the newest, without a hole: their number says on which page the next older one stands.
  const number = Math.floor(messages.size / PAGE) + 1;
  const page = await client?.call("messages:list", { limit: PAGE, page: number }).catch(() => null);
  if (!page) return;
  messages.prepend([...page.messages].reverse());
  byId("earlier").hidden = number >= page.pagination.pages;
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "The board · Olympus";
});
setInterval(showConnection, 500);
setInterval(() => messages.renewTimes(), 15_000);

void enter();
