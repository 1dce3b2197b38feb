/** Connecting with a code that is typed in on another screen: shows it, and asks until there is an answer. */

import { showText } from "./dom.js";
import { showProblem } from "./form.js";
import { ask } from "./session.js";

const byId = (id) => document.getElementById(id);

export class DeviceDialog {
  /** @param {() => Promise<void>} done called when an account has been connected */
  constructor(done) {
    this.done = done;
    this.dialog = byId("device");
    this.dialog.addEventListener("close", () => clearTimeout(this.timer));
  }

  /** Ask for a code and show it. */
  async begin({ platform, name }, again) {
    const offer = await ask("POST", `/api/v1/platforms/${platform}/device-codes`, { again });
    showText(byId("device-title"), `Connect ${name} with a code`);
    showText(byId("device-link"), offer.verification_url);
    byId("device-link").href = offer.verification_url;
    showText(byId("device-code"), offer.user_code);
    showProblem(byId("device-problem"), null);
    byId("device-state").hidden = false;
    this.dialog.showModal();
    this.#later(offer);
  }

  #later(offer) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(offer), offer.interval_s * 1000);
  }

  async #look(offer) {
    try {
      const { state } = await ask("GET", `/api/v1/device-codes/${encodeURIComponent(offer.ticket)}`);
      if (state === "pending") return this.#later(offer);
      this.dialog.close();
      await this.done();
    } catch (error) {
      if (error.status === 0 || error.status === 503) return this.#later(offer);
      byId("device-state").hidden = true;
      showProblem(byId("device-problem"), error);
    }
  }
}
