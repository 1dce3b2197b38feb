/** Asking the server with the token of the page's address, or for whoever is signed in. */

import { ask, Refused, session } from "./session.js";

export class Asker {
  /** @param {string} token "" for the signed-in one's cookie */
  constructor(token) {
    this.token = token;
  }

  /** Learn what changing something needs beside the cookie; a token needs nothing. */
  async begin() {
    if (!this.token) await session().catch(() => {});
  }

  /** @returns {string} an address for what asks without a header, such as `<video>` or a link */
  address(path) {
    if (!this.token) return path;
    return `${path}${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(this.token)}`;
  }

  /**
   * @param {object} [body] sent as JSON
   * @returns {Promise<any>} the answer's JSON, null without one
   * @throws {Refused} also, with status 0, when there was no answer
   */
  async ask(method, path, body) {
    if (!this.token) return ask(method, path, body);
    const headers = { Authorization: `Bearer ${this.token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    let text;
    try {
      response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
      text = await response.text();
    } catch {
      throw new Refused(0, "unreachable", "the server does not answer; check your connection and try again");
    }
    const answer = text ? JSON.parse(text) : null;
    if (response.ok) return answer;
    throw new Refused(response.status, answer?.error ?? "", answer?.message ?? `status ${response.status}`);
  }
}
