// Signing up and signing in, with fetch: the session is a cookie that no script can read.

import { byId } from "./view.js";

/** @typedef {{ id: string, name: string }} Person */

/** What the server said when it said no. */
export class Refusal extends Error {
  /** @param {number} status
   *  @param {{ type?: string, message?: string, fields?: { name: string, message: string }[] }} told */
  constructor(status, told) {
    super(told.message ?? "Something went wrong. Try again.");
    this.status = status;
    this.fields = told.fields ?? [];
  }
}

/** Call an action over HTTP. A form is sent as it is, everything else as JSON.
 *  @param {string} method @param {string} path @param {object} [body] @param {AbortSignal} [signal]
 *  @returns {Promise<any>} */
export async function ask(method, path, body, signal) {
  const form = body instanceof FormData;
  const headers = body && !form ? { "Content-Type": "application/json" } : undefined;
  const answer = await fetch(path, { method, headers, signal, body: form ? body : body && JSON.stringify(body) });
  const told = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, told?.error ?? {});
  return told;
}

/** The form. `onEntered` is told who has signed in. @param {(person: Person) => void} onEntered */
export function makeDoor(onEntered) {
  const form = byId("door");
  const inputs = ["name", "email", "password"].map((name) => /** @type {HTMLInputElement} */ (byId(name)));
  const [name, email, password] = inputs;
  const enter = /** @type {HTMLButtonElement} */ (byId("enter"));
  let signingUp = false;

  /** @param {boolean} up */
  function choose(up) {
    signingUp = up;
    byId("choose-up").setAttribute("aria-pressed", String(up));
    byId("choose-in").setAttribute("aria-pressed", String(!up));
    byId("name-field").hidden = !up;
    password.autocomplete = up ? "new-password" : "current-password";
    enter.textContent = up ? "Create the account" : "Sign in";
    for (const input of inputs) fault(input.name, "");
    fault("door", "");
    (up ? name : email).focus();
  }

  /** @param {string} field @param {string} message */
  function fault(field, message) {
    const place = document.getElementById(`${field}-error`);
    if (!place) return false;
    place.textContent = message;
    if (message) byId(field).setAttribute("aria-invalid", "true");
    else document.getElementById(field)?.removeAttribute("aria-invalid");
    return true;
  }

  /** @param {unknown} error */
  function tell(error) {
    if (!(error instanceof Refusal)) return fault("door", "The server cannot be reached. Are you online?");
    const hidden = error.fields.filter(({ name, message }) => !fault(name, sentence(`${name} ${message}`)));
    if (!error.fields.length || hidden.length) fault("door", error.message);
    inputs.find((input) => input.hasAttribute("aria-invalid"))?.focus();
  }

  byId("choose-in").addEventListener("click", () => choose(false));
  byId("choose-up").addEventListener("click", () => choose(true));
  for (const input of inputs) input.addEventListener("input", () => fault(input.name, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const part of [...inputs.map((input) => input.name), "door"]) fault(part, "");
    enter.disabled = true;
    try {
      const credentials = { email: email.value.trim(), password: password.value };
      if (signingUp) await ask("PUT", "/api/user", { name: name.value.trim(), ...credentials });
      const { user } = await ask("PUT", "/api/session", credentials);
      password.value = "";
      onEntered(user);
    } catch (error) {
      tell(error);
    } finally {
      enter.disabled = false;
    }
  });
  return { /** To those who come back. */ open: () => choose(false) };
}

/** @param {string} text */
function sentence(text) {
  return `${text[0]?.toUpperCase() ?? ""}${text.slice(1).replace(/\.$/, "")}.`;
}
