/** One recording in the list: when, of which stream, how much, and what can be done with it. */

import { element, icon, showText } from "./dom.js";
import { showProblem } from "./form.js";
import { bytes, duration, picture, sound } from "./format.js";

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

/** @param {number} at seconds since 1970 */
export function timeOfDay(at) {
  return new Date(at * 1000).toLocaleTimeString([], TIME);
}

/** @returns {string[]} what is in it */
export function contents({ tracks }) {
  const video = tracks.find(({ kind }) => kind === "video");
  const audio = tracks.find(({ kind }) => kind === "audio");
  return [...picture(video), sound(audio)[0] ?? ""].filter(Boolean);
}

export class RecordingRow {
  /**
   * @param {(recording: object) => void} play
   * @param {(recording: object) => Promise<void>} remove
   * @param {string} address where it can be downloaded
   */
  constructor(play, remove, address) {
    this.times = element("p", { class: "recording-times" });
    this.stream = element("p", { class: "recording-stream" });
    this.facts = element("p", { class: "recording-facts" });
    this.badge = element("span", { class: "live-badge", hidden: true }, element("i"), "Recording");
    this.problem = element("p", { class: "banner", role: "alert", hidden: true });
    this.play = element("button", { type: "button", class: "button" }, icon("play"), "Play");
    this.download = element("a", { class: "button", href: address, download: true }, "Download");
    this.remove = element("button", { type: "button", class: "button button-plain" }, "Remove");
    this.play.addEventListener("click", () => play(this.recording));
    this.remove.addEventListener("click", () => this.#remove(remove));
    this.root = element(
      "li",
      { class: "recording" },
      this.times,
      element("div", {}, this.stream, this.facts),
      element("div", { class: "others" }, this.play, this.download, this.remove),
      this.problem,
    );
    this.stream.append(element("span"), " ", this.badge);
  }

  /** @param {object} recording one entry of `GET /api/v1/recordings` */
  show(recording) {
    this.recording = recording;
    const { began_at: at, duration_s: lasts, complete } = recording;
    const what = `${recording.stream}, ${timeOfDay(at)}`;
    showText(this.times, complete ? `${timeOfDay(at)} – ${timeOfDay(at + lasts)}` : `since ${timeOfDay(at)}`);
    showText(this.stream.firstChild, recording.stream);
    showText(this.facts, [duration(lasts), bytes(recording.bytes), ...contents(recording)].join(" · "));
    this.badge.hidden = complete;
    this.remove.hidden = !complete;
    this.play.setAttribute("aria-label", `Play ${what}`);
    this.download.setAttribute("aria-label", `Download ${what}`);
    this.remove.setAttribute("aria-label", `Remove ${what}`);
  }

  async #remove(remove) {
    this.remove.disabled = true;
    showProblem(this.problem, null);
    try {
      await remove(this.recording);
    } catch (error) {
      showProblem(this.problem, error);
    }
    this.remove.disabled = false;
  }
}
