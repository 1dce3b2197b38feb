/** What the page of relays asks the server: with the token of its address, or for whoever is signed in. */

import { ask, Refused, session } from "./session.js";

export class RelayApi {
  /** @param {string} token "" for the signed-in one's cookie */
  constructor(token) {
    this.token = token;
  }

  /** Learn what changing something needs beside the cookie; a token needs nothing. */
  async begin() {
    if (!this.token) await session().catch(() => {});
  }

  relays() {
    return this.#ask("GET", "/api/v1/relays");
  }

  destinations() {
    return this.#ask("GET", "/api/v1/destinations");
  }

  /** @returns {Promise<object[]>} connected accounts, none where nobody may see any */
  async connections() {
    try {
      return (await this.#ask("GET", "/api/v1/connections")).connections;
    } catch {
      return [];
    }
  }

  start(id) {
    return this.#ask("POST", `/api/v1/relays/${encodeURIComponent(id)}/start`);
  }

  stop(id) {
    return this.#ask("POST", `/api/v1/relays/${encodeURIComponent(id)}/stop`);
  }

  add(destination) {
    return this.#ask("POST", "/api/v1/destinations", destination);
  }

  change(id, destination) {
    return this.#ask("PATCH", `/api/v1/destinations/${encodeURIComponent(id)}`, destination);
  }

  remove(id) {
    return this.#ask("DELETE", `/api/v1/destinations/${encodeURIComponent(id)}`);
  }

  async #ask(method, path, body) {
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
