/** Sessions on the account page: where one is signed in, and ending that. */

import { row } from "./account_factors.js";
import { element } from "./dom.js";
import { onClick } from "./form.js";
import { ask } from "./session.js";

const byId = (id) => document.getElementById(id);
const METHODS = { password: "password", passkey: "passkey", ldap: "directory", setup: "set-up link" };

export class SessionsSection {
  /**
   * @param {HTMLElement} problem
   * @param {() => Promise<void>} changed has everything shown anew
   */
  constructor(problem, changed) {
    this.problem = problem;
    this.changed = changed;
    onClick(byId("end-others"), problem, () => this.#end("/api/v1/account/sessions"));
  }

  async show() {
    const { sessions } = await ask("GET", "/api/v1/account/sessions");
    byId("sessions-list").replaceChildren(...sessions.map((each) => this.#row(each)));
    byId("end-others").hidden = sessions.length < 2;
    byId("sessions").hidden = false;
  }

  #row({ id, current, agent, address, method, two_factors: both, seen_at: seen }) {
    const about = [
      address,
      `by ${METHODS[method] ?? "single sign-on"}${both && method !== "passkey" ? " and second factor" : ""}`,
      current ? "now" : `last used ${new Date(seen * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`,
    ];
    const title = current ? `${agent} (this one)` : agent;
    if (current) return row(title, about.filter(Boolean).join(" · "));
    const button = element("button", { type: "button", class: "button", "aria-label": `End: ${title}` }, "End");
    onClick(button, this.problem, () => this.#end(`/api/v1/account/sessions/${id}`));
    return row(title, about.filter(Boolean).join(" · "), button);
  }

  async #end(path) {
    await ask("DELETE", path);
    await this.changed();
  }
}
