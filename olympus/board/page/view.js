// What is seen of messages and people. Whatever somebody wrote goes through textContent.

import { ago, dayOf, exactly, sameDay } from "./times.js";

/** @typedef {{ id: string, body: string, userId: string, userName: string, createdAt: string }} Message */

const TOGETHER = 5 * 60_000; // Messages of one author within this time stand under one name.
const NEAR = 80;

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export const byId = (id) => /** @type {T} */ (document.getElementById(id));

/** @param {string} tag @param {string} className @param {string} [text] */
export function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/** The initials of somebody, in the colour of their id. @param {string} id @param {string} name */
export function face(id, name, size = "") {
  const words = name.trim().split(/\s+/);
  const letters =
    words.length > 1 ? [words[0], words[words.length - 1]].map((word) => [...word][0]) : [...words[0]].slice(0, 2);
  const element = made("span", `face ${size}`, letters.join("").toUpperCase());
  paint(element, id);
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** @param {HTMLElement} element @param {string} id */
function paint(element, id) {
  let hash = 7;
  for (const letter of id) hash = (hash * 31 + letter.charCodeAt(0)) % 9973;
  element.style.setProperty("--hue", String((hash * 47) % 360));
}

/** The list of messages: in order, each once, those of one author together, with a rule between days. */
export class Messages {
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();
  #list = byId("messages");
  #scroll = byId("scroll");
  #below = byId("below");
  #template = /** @type {HTMLTemplateElement} */ (document.getElementById("message"));

  constructor() {
    this.#scroll.addEventListener(
      "scroll",
      () => {
        if (this.#nearEnd) this.#below.hidden = true;
      },
      { passive: true },
    );
    this.#below.addEventListener("click", () => this.toEnd("smooth"));
    new ResizeObserver(() => this.grew()).observe(this.#scroll);
  }

  #stuck = true;
  get #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return (this.#stuck = scrollHeight - scrollTop - clientHeight < NEAR);
  }

  /** How many there are. */
  get size() {
    return this.#shown.size;
  }

  /** @param {string} id */
  has(id) {
    return this.#shown.has(id);
  }

  /** Show these and nothing else, the oldest first. @param {Message[]} messages */
  replace(messages) {
    this.#list.setAttribute("aria-busy", "true");
    this.#list.replaceChildren(...this.#list.querySelectorAll(".message.own"));
    this.#shown.clear();
    for (const message of messages) this.#insert(message, false);
    this.#arrange();
    this.#list.setAttribute("aria-busy", "false");
    this.toEnd();
  }

  /** Show earlier ones above, without moving what is read. @param {Message[]} messages */
  prepend(messages) {
    const height = this.#scroll.scrollHeight;
    for (const message of messages) this.#insert(message, false);
    this.#arrange();
    this.#scroll.scrollTop += this.#scroll.scrollHeight - height;
  }

  /** Show one more. @param {Message} message @param {{ mine: boolean }} how Whether it is new to the list. */
  add(message, { mine }) {
    if (this.#shown.has(message.id)) return false;
    const near = this.#nearEnd;
    this.#insert(message, true);
    this.#arrange();
    if (near || mine) this.toEnd();
    else this.#below.hidden = false;
    return true;
  }

  /** A message of one's own that has not been posted yet.
   *  @param {string} body @param {{ id: string, name: string }} me */
  own(body, me) {
    const element = this.#make({ id: "", body, userId: me.id, userName: me.name, createdAt: new Date().toISOString() });
    element.classList.add("own", "waits", "fresh");
    this.#list.append(element);
    this.#arrange();
    this.toEnd();
    return element;
  }

  /** Take away what `own` gave. @param {HTMLElement} element */
  disown(element) {
    element.remove();
    this.#arrange();
  }

  /** A line above what comes next, unless there is one already. @param {string} text */
  rule(text) {
    this.#list.querySelector(".rule.news")?.remove();
    const element = made("li", "rule news", text);
    this.#list.insertBefore(element, this.#list.querySelector(".message.own"));
  }

  /** Take that line away. */
  noRule() {
    this.#list.querySelector(".rule.news")?.remove();
  }

  /** Something grew: who was at the end stays there. */
  grew() {
    if (this.#stuck) this.toEnd();
  }

  /** @param {ScrollBehavior} [behavior] */
  toEnd(behavior = "auto") {
    this.#stuck = true;
    this.#below.hidden = true;
    this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior });
  }

  /** Say anew how long ago each was. */
  renewTimes() {
    const now = new Date();
    for (const time of this.#list.querySelectorAll("time")) time.textContent = ago(new Date(time.dateTime), now);
  }

  /** @param {Message} message @param {boolean} fresh */
  #insert(message, fresh) {
    if (this.#shown.has(message.id)) return;
    const element = this.#make(message);
    element.classList.toggle("fresh", fresh);
    this.#shown.set(message.id, element);
    const at = message.createdAt;
    // Nearly always the last one. What is not posted yet stays below.
    let after = /** @type {HTMLElement | null} */ (this.#list.querySelector(".message.own"));
    let before = /** @type {HTMLElement | null} */ (after ? after.previousElementSibling : this.#list.lastElementChild);
    while (before && (!before.dataset.at || before.dataset.at > at)) {
      if (before.classList.contains("news") && fresh) break;
      after = before;
      before = /** @type {HTMLElement | null} */ (before.previousElementSibling);
    }
    this.#list.insertBefore(element, after);
  }

  /** @param {Message} message */
  #make(message) {
    const element = /** @type {HTMLElement} */ (
      /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true)).firstElementChild
    );
    const at = new Date(message.createdAt);
    const [time] = element.getElementsByTagName("time");
    element.dataset.at = message.createdAt;
    element.dataset.by = message.userId;
    element.querySelector(".face")?.replaceWith(face(message.userId, message.userName));
    /** @type {HTMLElement} */ (element.querySelector(".who")).textContent = message.userName;
    /** @type {HTMLElement} */ (element.querySelector(".body")).textContent = message.body;
    time.dateTime = message.createdAt;
    time.title = exactly(at);
    time.textContent = ago(at);
    return element;
  }

  /** Put names and days where they belong. */
  #arrange() {
    for (const rule of this.#list.querySelectorAll(".rule:not(.news)")) rule.remove();
    /** @type {HTMLElement | null} */ let last = null;
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.#list.querySelectorAll("li"))) {
      if (!element.dataset.at) {
        last = null;
        continue;
      }
      const at = new Date(element.dataset.at);
      const before = last ? new Date(last.dataset.at ?? 0) : null;
      const newDay = before
        ? !sameDay(before, at)
        : element === this.#list.firstElementChild && !sameDay(at, new Date());
      if (newDay) this.#list.insertBefore(made("li", "rule", dayOf(at)), element);
      const close = before !== null && at.getTime() - before.getTime() < TOGETHER;
      element.classList.toggle("follows", close && !newDay && last?.dataset.by === element.dataset.by);
      last = element;
    }
    byId("empty").hidden = this.#list.querySelector(".message") !== null;
  }
}

/** Who is here: oneself first, then by name. @param {{ id: string, name: string }[]} members @param {number} count
 *  @param {string} ownId */
export function showPeople(members, count, ownId) {
  const order = [...members].sort(
    (one, other) => Number(other.id === ownId) - Number(one.id === ownId) || one.name.localeCompare(other.name),
  );
  byId("here").replaceChildren(
    ...order.map(({ id, name }) => {
      const item = document.createElement("li");
      item.append(face(id, name, "small"), made("span", "called", name));
      if (id === ownId) item.append(made("span", "self", "you"));
      item.title = name;
      return item;
    }),
  );
  byId("here-count").textContent = String(count);
}
