/** Who is signed in on this browser, and asking the server for what changes something. */

const CSRF = "X-CSRF-Token";
/** Characters of a request that may outlive its page; browsers allow 64 KiB for all of them together. */
const MOST_KEPT_ALIVE = 8192;

/** Goes with the cookie, and with it alone; every answer that changes the one brings the other. */
let csrf = "";

/**
 * @typedef {object} Session see `GET /api/v1/session`; a name of "" is nobody
 * @property {string} name
 * @property {""|"full"|"prove"|"enroll"} standing
 * @property {boolean} two_factors
 * @property {string[]} actions
 * @property {{label: string, url: string}|null} oidc
 * @property {boolean} passkeys
 */

/** The server refused: its own word and sentence. */
export class Refused extends Error {
  constructor(status, code, message, retryAfterS = null) {
    super(message);
    this.name = "Refused";
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** @returns {Promise<Session>} @throws {Refused} */
export async function session() {
  const found = await ask("GET", "/api/v1/session");
  csrf = found.csrf_token;
  return found;
}

/** @returns {Record<string, string>} what a request of this page needs beside the cookie, as far as is known */
export function ownHeaders() {
  return csrf ? { [CSRF]: csrf } : {};
}

/** What may renew the cookie; with the old one a request is told that nobody is signed in. */
const RENEWS = /^\/api\/v1\/(account|login|logout)/;
/** Requests that are under way; what renews waits for them, and they for it. */
const underWay = new Set();
/** The end of the last one that renews, null when there is none. */
let renewal = null;

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body] sent as JSON
 * @returns {Promise<any>} the answer's JSON, null without one
 * @throws {Refused} also, with status 0, when there was no answer
 */
export async function ask(method, path, body) {
  if (method !== "GET" && RENEWS.test(path)) {
    const before = renewal;
    let done;
    const mine = (renewal = new Promise((resolve) => (done = resolve)));
    await before;
    await Promise.allSettled(underWay);
    try {
      return await send(method, path, body);
    } finally {
      if (renewal === mine) renewal = null;
      done();
    }
  }
  while (renewal) await renewal;
  const sent = send(method, path, body);
  underWay.add(sent);
  try {
    return await sent;
  } finally {
    underWay.delete(sent);
  }
}

async function send(method, path, body) {
  const headers = { ...ownHeaders(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  let response;
  let text;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    // What is changed is changed, also when the page is left at once.
    const keepalive = method !== "GET" && (sent?.length ?? 0) < MOST_KEPT_ALIVE;
    response = await fetch(path, { method, headers, body: sent, keepalive });
    text = await response.text();
  } catch {
    throw new Refused(0, "unreachable", "the server does not answer; check your connection and try again");
  }
  csrf = response.headers.get(CSRF) ?? csrf;
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    // A proxy's error page; the status is all there is.
  }
  if (response.ok) return answer;
  const message = answer?.message ?? `the server answers with status ${response.status}`;
  throw new Refused(response.status, answer?.error ?? `http_${response.status}`, message, answer?.retry_after_s ?? null);
}

/** @returns {string} a sentence for people */
export function said(error) {
  const text = String(error?.message ?? error).trim();
  return text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "That did not work.";
}
