// Files on their way: sent with fetch, then watched while a job of the server looks at them.

// What an upload says, and where it knows it from:
//
//   uploading   the request is not answered yet     no share: a browser does not say how far a fetch has come
//   processing  `job:{jobId}` on the socket         `JobProgressed` with a share and a note, `JobChanged`
//   ended       `job:view`, once it is done or dead  the size of a picture, or why not
//
// The channel keeps nothing for those who come later, so each time that it is live the job is looked at as well.

import { ask, Refusal } from "./door.js";
import { byId, made } from "./view.js";

/** @typedef {import("../antiphon.js").Client} Client */
/** @typedef {{ id: string, name: string, sizeBytes: number, jobId: string }} Kept */
/** @typedef {{ state: string, progress: { share: number, note: string } | null,
 *  result: { width: number | null, height: number | null } | null, error: { message: string } | null }} Job */

const NOTES = { scanning: "Scanning…", reading: "Reading…", done: "Almost done…" };
const WAITS = "Waiting for its turn…";
const ENDED = new Set(["done", "dead", "quarantined", "cancelled"]);

/** @type {Set<Upload>} */ const uploads = new Set();

/** The box of files: what is chosen there goes to `client()`'s server.
 *  @param {() => Client | null} client @param {() => void} grew Told when the box takes more room. */
export function makeUploads(client, grew) {
  const input = /** @type {HTMLInputElement} */ (byId("file"));
  input.addEventListener("change", () => {
    for (const file of input.files ?? []) void new Upload(file, grew).send(client);
    input.value = ""; // The same file may be chosen again.
  });
  return { clear: () => uploads.forEach((upload) => upload.drop()) };
}

/** One file, from its choice to its result. */
class Upload {
  #abort = new AbortController();
  /** @type {import("../antiphon.js").Subscription | null} */ #watched = null;
  #ended = false;
  #item; #bar; #status; #name; #grew;

  /** @param {File} file @param {() => void} grew */
  constructor(file, grew) {
    this.file = file;
    this.#grew = grew;
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("upload"));
    const item = /** @type {HTMLElement} */ (
      /** @type {DocumentFragment} */ (template.content.cloneNode(true)).firstElementChild
    );
    this.#item = item;
    this.#bar = /** @type {HTMLProgressElement} */ (item.querySelector("progress"));
    this.#status = /** @type {HTMLElement} */ (item.querySelector(".status"));
    this.#name = /** @type {HTMLElement} */ (item.querySelector(".file"));
    this.#name.textContent = file.name;
    this.#name.title = file.name;
    /** @type {HTMLElement} */ (item.querySelector(".size")).textContent = sizeOf(file.size);
    this.#bar.setAttribute("aria-label", file.name);
    const drop = /** @type {HTMLElement} */ (item.querySelector("button"));
    drop.setAttribute("aria-label", `Take ${file.name} off this list`);
    drop.addEventListener("click", () => {
      this.drop();
      byId("file").focus();
    });
    uploads.add(this);
    byId("uploads").append(item);
    item.scrollIntoView({ block: "nearest" });
    this.#say("Uploading…");
    announce(`Uploading ${file.name}.`);
  }

  /** @param {() => Client | null} client */
  async send(client) {
    const form = new FormData();
    form.append("file", this.file);
    try {
      const kept = /** @type {Kept} */ (await ask("POST", "/api/file", form, this.#abort.signal));
      const socket = client();
      if (!socket) this.#name.replaceChildren(this.#link(kept));
      else if (uploads.has(this)) this.#watch(socket, kept);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const said = error instanceof Refusal ? reasonOf(error) : "The server cannot be reached. Are you online?";
      this.#end(said, true);
    }
  }

  /** Watch it no longer; what has not arrived by now never will. */
  drop() {
    uploads.delete(this);
    this.#abort.abort();
    void this.#watched?.unsubscribe();
    this.#item.remove();
    this.#grew();
  }

  /** @param {Client} client @param {Kept} kept */
  #watch(client, kept) {
    const look = async () => {
      const job = /** @type {Job | null} */ (await client.call("job:view", { jobId: kept.jobId }).catch(() => null));
      if (job) this.#show(job, kept);
    };
    this.#say(WAITS);
    this.#watched = client.subscribe(`job:${encodeURIComponent(kept.jobId)}`, {
      onEvent: ({ event, data }) => {
        if (event === "JobProgressed") this.#progress(data.share, data.note);
        else if (ENDED.has(data.state)) void look();
      },
      onLive: look,
      onEnded: (error) => this.#end(error.message, true),
    });
  }

  /** @param {Job} job @param {Kept} kept */
  #show(job, kept) {
    if (job.state === "done") {
      // Only now: before it has passed, and when it has not, nobody is given it.
      this.#name.replaceChildren(this.#link(kept));
      const { width, height } = job.result ?? {};
      this.#end(width && height ? `${width} × ${height} pixels` : "Checked and kept.", false);
    } else if (ENDED.has(job.state)) this.#end(job.error?.message ?? `The file was not looked at: ${job.state}.`, true);
    else if (job.progress) this.#progress(job.progress.share, job.progress.note);
  }

  /** What comes late never moves the bar back. @param {number} share @param {string} note */
  #progress(share, note) {
    if (this.#ended || (this.#bar.hasAttribute("value") && share < this.#bar.value)) return;
    this.#bar.value = share;
    this.#say(`${NOTES[note] ?? note} ${Math.round(share * 100)} %`);
  }

  /** @param {string} text @param {boolean} failed */
  #end(text, failed) {
    if (this.#ended || !uploads.has(this)) return;
    this.#ended = true;
    void this.#watched?.unsubscribe();
    this.#bar.hidden = true;
    this.#item.dataset.state = failed ? "failed" : "done";
    this.#say(text);
    announce(`${this.file.name}: ${text}`);
  }

  /** @param {string} text */
  #say(text) {
    this.#status.textContent = text;
    this.#grew();
  }

  /** @param {Kept} kept */
  #link(kept) {
    const link = /** @type {HTMLAnchorElement} */ (made("a", "", kept.name));
    link.href = `/api/file/${encodeURIComponent(kept.id)}`;
    link.download = kept.name;
    return link;
  }
}

/** To those who listen: a beginning and an end, and not every step between. @param {string} text */
function announce(text) {
  byId("upload-note").textContent = text;
}

/** @param {Refusal} refusal */
function reasonOf(refusal) {
  const [fault] = refusal.fields;
  return fault ? `The ${fault.name} ${fault.message}.` : refusal.message;
}

/** @param {number} bytes */
function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 999_500 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
