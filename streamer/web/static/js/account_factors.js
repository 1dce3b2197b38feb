/** Second factors on the account page: what there is, setting up another, taking one away. */

import { element, showText } from "./dom.js";
import { onClick, onSubmit } from "./form.js";
import { makePasskey, passkeysWork } from "./passkeys.js";
import { ask } from "./session.js";

const byId = (id) => document.getElementById(id);
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString();

export class FactorsSection {
  /**
   * @param {import("./confirm.js").Confirmation} confirmation
   * @param {HTMLElement} problem
   * @param {() => Promise<void>} changed has everything shown anew
   */
  constructor(confirmation, problem, changed) {
    this.confirmation = confirmation;
    this.problem = problem;
    this.changed = changed;
    onClick(byId("add-app"), problem, () => this.#beginApp());
    onSubmit(byId("app-form"), problem, () => this.#finishApp());
    onClick(byId("add-passkey"), problem, () => this.#addPasskey());
    onClick(byId("new-codes"), problem, () => this.#do(() => ask("POST", "/api/v1/account/recovery-codes")));
  }

  show(account, session) {
    const { totp, passkeys, recovery_codes_left: left, factor_required: required } = account;
    const any = totp || passkeys.length > 0;
    byId("factors").hidden = session.standing === "prove";
    showText(byId("factors-hint"), hint(any, required));
    showText(byId("add-app"), totp ? "Replace the authenticator app" : "Add an authenticator app");
    byId("add-passkey").hidden = !(session.passkeys && passkeysWork());
    byId("new-codes").hidden = !any;
    const rows = passkeys.map((passkey) => this.#passkeyRow(passkey));
    if (totp) rows.unshift(this.#row("Authenticator app", "Asked for after the password", () => ask("DELETE", "/api/v1/account/totp")));
    if (any) rows.push(row("Recovery codes", left > 0 ? `${left} left` : "None left; make new ones"));
    byId("factors-list").replaceChildren(...rows);
  }

  #passkeyRow({ id, label, created_at: created, used_at: used }) {
    const about = `Added ${day(created)}, ${used ? `last used ${day(used)}` : "not used yet"}`;
    return this.#row(label || "Passkey", about, () => ask("DELETE", `/api/v1/account/passkeys/${encodeURIComponent(id)}`));
  }

  #row(title, about, remove) {
    const button = element("button", { type: "button", class: "button", "aria-label": `Remove: ${title}` }, "Remove");
    onClick(button, this.problem, () => this.#do(remove));
    return row(title, about, button);
  }

  async #beginApp() {
    const { seed, qr_svg: image } = await this.confirmation.around(() => ask("POST", "/api/v1/account/totp"));
    byId("app-image").src = image;
    showText(byId("app-seed"), seed.match(/.{1,4}/g).join(" "));
    byId("app").hidden = false;
    byId("codes").hidden = true;
    byId("app-code").focus();
  }

  async #finishApp() {
    const code = byId("app-code").value;
    byId("app-code").value = "";
    await this.#do(() => ask("POST", "/api/v1/account/totp/confirm", { code }));
    byId("app").hidden = true;
    byId("app-image").removeAttribute("src");
    showText(byId("app-seed"), "");
  }

  async #addPasskey() {
    const { ticket, options } = await this.confirmation.around(() => ask("POST", "/api/v1/account/passkeys/options"));
    const passkey = await makePasskey(options);
    await this.#do(() => ask("POST", "/api/v1/account/passkeys", { ticket, passkey, label: device() }));
  }

  async #do(action) {
    const answer = await this.confirmation.around(action);
    const codes = answer?.recovery_codes ?? [];
    if (codes.length > 0) byId("codes-list").replaceChildren(...codes.map((code) => element("li", {}, element("code", {}, code))));
    byId("codes").hidden = codes.length === 0;
    await this.changed();
  }
}

function hint(any, required) {
  if (any) return "After the password you are asked for one of these, so that the password alone opens nothing.";
  return required
    ? "A group of yours requires a second factor. Set one up to go on."
    : "Set one up, so that the password alone opens nothing.";
}

export function row(title, about, ...more) {
  return element("div", { class: "row" }, element("div", {}, element("strong", {}, title), element("p", {}, about)), ...more);
}

/** @returns {string} what a passkey made here is called, as far as the browser tells */
function device() {
  const system = navigator.userAgentData?.platform ?? (/Windows|Macintosh|iPhone|iPad|Android|Linux/.exec(navigator.userAgent)?.[0] ?? "");
  return system ? `Passkey, ${system === "Macintosh" ? "macOS" : system}` : "Passkey";
}
