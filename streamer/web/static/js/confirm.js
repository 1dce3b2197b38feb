/** Proving again who is there, when the server asks for it before something is changed. */

import { showText } from "./dom.js";
import { onClick, onSubmit, showProblem } from "./form.js";
import { passkeysWork, showPasskey } from "./passkeys.js";
import { ask, Refused } from "./session.js";

const byId = (id) => document.getElementById(id);

/** Errors after which the same thing works once more was proven. */
export const UNTIL_PROVEN = "proof_needed";

export class Confirmation {
  /** @param {() => object} account as the server last described it */
  constructor(account) {
    this.account = account;
    this.dialog = byId("confirm");
    this.settle = () => {};
    const problem = byId("confirm-problem");
    onSubmit(byId("confirm-form"), problem, () => this.#typed());
    onClick(byId("confirm-passkey"), problem, () => this.#passkey());
    byId("confirm-cancel").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.settle(false));
  }

  /**
   * Do something; if the server wants a proof first, ask for one and do it again.
   *
   * @template T
   * @param {() => Promise<T>} action
   * @returns {Promise<T>}
   */
  async around(action) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== UNTIL_PROVEN) throw error;
    }
    if (!(await this.ask())) throw new Error("nothing was changed");
    return action();
  }

  /** @param {boolean} [factor] a second factor is wanted @returns {Promise<boolean>} whether it was proven */
  ask(factor = false) {
    const { has_password: local, providers, totp, passkeys, recovery_codes_left: left } = this.account();
    const password = !factor && (local || providers.includes("ldap"));
    const code = totp || (passkeys.length > 0 && left > 0);
    const passkey = passkeys.length > 0 && passkeysWork();
    if (!password && !code && !passkey) {
      throw new Error("sign out and in again first, so that it is sure who is there");
    }
    // The password where there is one: a code is good once, and may be wanted again in a moment.
    byId("confirm-password-field").hidden = !password;
    byId("confirm-code-field").hidden = !code || password;
    byId("confirm-passkey").hidden = !passkey;
    byId("confirm-go").hidden = !password && !code;
    showText(byId("confirm-hint"), factor ? "Show your second factor." : "Before this is changed, show once more who you are.");
    showProblem(byId("confirm-problem"), null);
    this.dialog.showModal();
    return new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  async #typed() {
    const password = byId("confirm-password");
    const code = byId("confirm-code");
    const body = byId("confirm-password-field").hidden ? { code: code.value } : { password: password.value };
    password.value = code.value = "";
    await this.#confirmed(body);
  }

  async #passkey() {
    const { ticket, options } = await ask("POST", "/api/v1/account/confirm/passkey");
    await this.#confirmed({ passkey_ticket: ticket, passkey: await showPasskey(options) });
  }

  async #confirmed(body) {
    await ask("POST", "/api/v1/account/confirm", body);
    this.settle(true);
    this.dialog.close();
  }
}
