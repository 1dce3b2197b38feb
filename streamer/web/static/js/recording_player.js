/** The dialog that plays a recording, and in which a part of it is marked and downloaded. */

import { showText } from "./dom.js";
import { showProblem } from "./form.js";
import { clock } from "./format.js";
import { contents, timeOfDay } from "./recording_row.js";

const byId = (id) => document.getElementById(id);

export class RecordingPlayer {
  /** @param {(path: string) => string} address of what is asked for without a header */
  constructor(address) {
    this.address = address;
    this.dialog = byId("player");
    this.video = byId("video");
    this.from = 0;
    this.to = null;
    byId("mark-from").addEventListener("click", () => this.#mark(this.video.currentTime, this.to));
    byId("mark-to").addEventListener("click", () => this.#mark(this.from, this.video.currentTime));
    byId("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.#end());
    this.video.addEventListener("error", () => this.#failed());
    this.video.addEventListener("loadedmetadata", () => this.#looked());
  }

  /** @param {object} recording one entry of `GET /api/v1/recordings` */
  open(recording) {
    this.recording = recording;
    this.path = `/api/v1/recordings/${encodeURIComponent(recording.id)}`;
    const day = new Date(recording.began_at * 1000).toLocaleDateString([], { day: "numeric", month: "long" });
    showText(byId("player-title"), `${recording.stream}, ${day}, ${timeOfDay(recording.began_at)}`);
    showProblem(byId("player-problem"), null);
    byId("download").href = this.address(this.path);
    this.#mark(0, null);
    this.dialog.showModal();
    this.video.src = this.address(this.path);
    this.video.play().catch(() => {}); // who wants to can press the button
  }

  /** A moment that does not fit the other one pushes it away. */
  #mark(from, to) {
    if (to !== null && to <= from) {
      if (to === this.to) to = null;
      else from = 0;
    }
    this.from = from;
    this.to = to === 0 ? null : to;
    showText(byId("clip-from"), clock(this.from));
    showText(byId("clip-to"), this.to === null ? "the end" : clock(this.to));
    const end = this.to === null ? "" : `&to_s=${this.to.toFixed(3)}`;
    byId("clip-download").href = this.address(`${this.path}/clip?from_s=${this.from.toFixed(3)}${end}`);
  }

  #end() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load(); // lets go of the connection
  }

  #failed() {
    if (!this.dialog.open || !this.video.getAttribute("src")) return;
    if (this.video.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) this.#complain("does not play it");
    else showProblem(byId("player-problem"), new Error("the server stopped sending it; try again"));
  }

  /** A picture that it cannot decode a browser leaves out, and says nothing. */
  #looked() {
    const hasPicture = this.recording.tracks.some(({ kind }) => kind === "video");
    if (hasPicture && this.video.videoWidth === 0) this.#complain("plays only the sound of it");
  }

  #complain(what) {
    const of = contents(this.recording).join(", ");
    showProblem(byId("player-problem"), new Error(`this browser ${what}${of ? ` (${of})` : ""}; download it to see it`));
  }
}
