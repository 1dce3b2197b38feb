/** One relay on the page: its state in a big word, how it goes, and what to do when it does not. */

import { element, showText } from "./dom.js";
import { showProblem } from "./form.js";
import { bitrate, duration, number, quantity } from "./format.js";

const WORDS = {
  idle: "Off",
  preparing: "Preparing",
  connecting: "Connecting",
  live: "Live",
  degraded: "Live, with trouble",
  reconnecting: "Reconnecting",
  ending: "Ending",
  ended: "Ended",
  failed: "Failed",
};
const TONES = { live: "live", degraded: "away", reconnecting: "away", connecting: "away", preparing: "away", failed: "failed" };
const PLATFORMS = { custom: "Address", youtube: "YouTube", facebook: "Facebook", twitch: "Twitch" };
const WHEN = { manual: "started by hand", publishing: "follows the encoder", scheduled: "by schedule" };
const RUNNING = new Set(["preparing", "connecting", "live", "degraded", "reconnecting"]);
/** Of an ordinary line a second has arrived. */
const LATE_S = 1;

/** What helps, by a word of the reason. */
const ADVICE = [
  [/reconnect|connected again|revoked/i, "Connect the account again, then start the relay."],
  [/certificate/i, "Check the address, or have the certificate of the destination put right."],
  [/key|unauthorized|denied/i, "Compare the stream key with the one the destination shows, then start the relay."],
  [/encryption =|encrypted end to end/i, "Choose an rtmps:// address, or srt:// with a passphrase; the stream demands it."],
  [/renditions|H265|H\.265/i, "Encode H.264, or allow renditions for this stream."],
  [/quota|limit/i, "Wait until the platform allows more, then start the relay."],
  [/nothing listens|unreachable|no such name|did not answer|does not answer|no route/i, "Check the address, and that the destination is on; it is tried again by itself."],
  [/still picture|publisher/i, "Check the encoder and its network; the broadcast goes on meanwhile."],
  [/too slow/i, "Lower the encoder's bit rate, or use a faster line."],
];

export class RelayCard {
  /**
   * @param {string} id
   * @param {{start: Function, stop: Function, edit: Function, remove: Function}} actions take the id
   */
  constructor(id, actions) {
    this.state = element("p", { class: "relay-state" });
    this.name = element("p", { class: "relay-name" });
    this.where = element("p", { class: "relay-where" });
    this.figures = element("dl", { class: "relay-figures" });
    this.note = element("p", { class: "warning", role: "status", hidden: true });
    this.problem = element("p", { class: "banner", role: "alert", hidden: true });
    this.start = this.#button("Start", "button button-primary", () => actions.start(id));
    this.stop = this.#button("Stop", "button", () => actions.stop(id));
    this.edit = this.#button("Change", "button button-plain", async () => actions.edit(id));
    this.remove = this.#button("Remove", "button button-plain", () => actions.remove(id));
    this.watch = element("a", { class: "button", target: "_blank", rel: "noopener noreferrer", hidden: true }, "Watch");
    this.root = element(
      "li",
      { class: "relay" },
      this.state,
      element("div", {}, this.name, this.where, this.figures),
      element("div", { class: "others" }, this.start, this.stop, this.watch, this.edit, this.remove),
      this.note,
      this.problem,
    );
  }

  /** @param {object} relay one entry of `GET /api/v1/relays` */
  show(relay) {
    const running = RUNNING.has(relay.state);
    this.root.dataset.tone = TONES[relay.state] ?? "off";
    this.root.dataset.state = relay.state;
    showText(this.state, WORDS[relay.state] ?? relay.state);
    showText(this.name, relay.name);
    const place = relay.url || PLATFORMS[relay.platform] || relay.platform;
    showText(this.where, [place, WHEN[relay.when], relay.fixed ? "in the configuration" : ""].filter(Boolean).join(" · "));
    this.#showFigures(relay);
    this.#showNote(relay, running);
    this.start.hidden = running || relay.state === "ending";
    this.stop.hidden = !running;
    this.edit.hidden = relay.fixed || running;
    this.remove.hidden = relay.fixed || running;
    const url = /^https:\/\//.test(relay.watch_url) ? relay.watch_url : "";
    this.watch.hidden = !url || !running;
    if (url) this.watch.href = url;
  }

  #showFigures(relay) {
    const { statistics: sent, health } = relay;
    const onAir = relay.state === "live" || relay.state === "degraded";
    const rows = [];
    if (onAir) {
      rows.push(["On air", duration(Date.now() / 1000 - relay.began_at)], ["Sends", bitrate(sent.bitrate_bps)]);
      if (sent.rtt_ms !== null) rows.push(["Round trip", quantity(sent.rtt_ms, "ms", 0)]);
    }
    if (onAir && sent.lag_s >= LATE_S) rows.push(["Behind", quantity(sent.lag_s, "s", 1), true]);
    if (onAir && health && health.state !== "unknown") rows.push(["Platform says", health.state, health.state !== "good"]);
    if (onAir && health?.viewers != null) rows.push(["Watching", number(health.viewers)]);
    if (sent.pictures_dropped > 0) rows.push(["Pictures left out", number(sent.pictures_dropped), true]);
    if (sent.reconnects > 0) rows.push(["Reconnected", `${number(sent.reconnects)}×`, true]);
    if (onAir && relay.encryption && relay.encryption !== "none") rows.push(["Encryption", relay.encryption.split(",")[0]]);
    this.figures.replaceChildren(
      ...rows.map(([name, value, bad]) =>
        element("div", { class: bad ? "bad" : null }, element("dt", {}, name), element("dd", {}, value)),
      ),
    );
  }

  #showNote(relay, running) {
    const failed = relay.state === "failed";
    const told = failed || running ? relay.reason : relay.state === "ended" ? relay.reason : "";
    const advice = failed || relay.state === "degraded" || relay.state === "reconnecting" ? advise(told) : "";
    this.note.hidden = !told;
    this.note.className = failed ? "banner" : "warning";
    const sentence = told ? told[0].toUpperCase() + told.slice(1) + (/[.!?]$/.test(told) ? "" : ".") : "";
    showText(this.note, [sentence, advice].filter(Boolean).join(" "));
  }

  #button(text, kind, action) {
    const button = element("button", { type: "button", class: kind }, text);
    button.addEventListener("click", async () => {
      button.disabled = true;
      showProblem(this.problem, null);
      try {
        await action();
      } catch (error) {
        showProblem(this.problem, error);
      }
      button.disabled = false;
    });
    return button;
  }
}

function advise(reason) {
  return ADVICE.find(([pattern]) => pattern.test(reason))?.[1] ?? "";
}
