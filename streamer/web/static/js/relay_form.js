/** The dialog in which a destination is added or changed. */

import { element } from "./dom.js";
import { onSubmit, showProblem } from "./form.js";

const byId = (id) => document.getElementById(id);
const PLATFORMS = { youtube: "YouTube", facebook: "Facebook", twitch: "Twitch" };
const CUSTOM = "custom";

export class DestinationForm {
  /** @param {(id: string|null, destination: object) => Promise<void>} save */
  constructor(save) {
    this.id = null;
    this.dialog = byId("editor");
    byId("cancel").addEventListener("click", () => this.dialog.close());
    for (const id of ["target", "when", "url"]) byId(id).addEventListener("input", () => this.#fit());
    onSubmit(byId("editor-form"), byId("editor-problem"), async () => {
      await save(this.id, this.#read());
      this.dialog.close();
    });
  }

  /**
   * @param {string[]} streams names
   * @param {object[]} connections accounts
   * @param {object|null} destination to change; null for a new one
   */
  open(streams, connections, destination) {
    this.id = destination?.id ?? null;
    byId("editor-form").reset();
    showProblem(byId("editor-problem"), null);
    byId("editor-title").textContent = destination ? `Change ${destination.name}` : "Add a destination";
    byId("stream").replaceChildren(...streams.map((name) => element("option", { value: name }, name)));
    byId("stream").disabled = destination !== null;
    const accounts = connections.map(({ id, platform, name }) =>
      element("option", { value: `${platform} ${id}` }, `${PLATFORMS[platform] ?? platform}: ${name}`),
    );
    byId("target").replaceChildren(...accounts, element("option", { value: CUSTOM }, "Another address (RTMP, RTMPS, SRT)"));
    byId("key-hint").textContent = destination?.has_key
      ? "There is one. Leave this empty to keep it."
      : "For SRT the stream id. It is kept encrypted and never shown again.";
    if (destination) this.#fill(destination);
    this.#fit();
    this.dialog.showModal();
  }

  #fill(destination) {
    byId("stream").value = destination.stream;
    byId("target").value = destination.platform === CUSTOM ? CUSTOM : `${destination.platform} ${destination.account}`;
    for (const id of ["name", "url", "title", "description", "privacy", "latency", "category", "when"]) {
      byId(id).value = destination[id];
    }
    byId("slate").value = destination.slate_s;
    byId("starts").value = local(destination.starts_at);
    byId("ends").value = local(destination.ends_at);
  }

  #fit() {
    const custom = byId("target").value === CUSTOM;
    byId("custom").hidden = !custom;
    byId("announcement").hidden = custom;
    byId("url").required = custom;
    byId("srt").hidden = !byId("url").value.trim().toLowerCase().startsWith("srt:");
    const scheduled = byId("when").value === "scheduled";
    byId("schedule").hidden = !scheduled;
    byId("starts").required = scheduled;
  }

  #read() {
    const value = (id) => byId(id).value.trim();
    const [platform, account = ""] = byId("target").value.split(" ");
    const destination = { name: value("name"), platform, when: value("when"), slate_s: Number(value("slate")) };
    if (this.id === null) destination.stream = value("stream");
    if (platform === CUSTOM) {
      Object.assign(destination, { url: value("url"), account: "" });
      if (value("key")) destination.key = value("key");
      if (!byId("srt").hidden && value("passphrase")) destination.passphrase = byId("passphrase").value;
    } else {
      Object.assign(destination, { url: "", account });
      for (const id of ["title", "description", "privacy", "latency", "category"]) destination[id] = value(id);
    }
    const scheduled = destination.when === "scheduled";
    destination.starts_at = scheduled ? seconds(value("starts")) : null;
    destination.ends_at = scheduled ? seconds(value("ends")) : null;
    return destination;
  }
}

function seconds(text) {
  return text ? new Date(text).getTime() / 1000 : null;
}

function local(at) {
  if (at === null) return "";
  const date = new Date(at * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
