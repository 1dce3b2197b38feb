/**
 * Tells the server how the session goes: every 10 s or as often as it wants to know, and once
 * more when it ends, also when the tab is closed.
 *
 * Nothing is stored in the browser, and nothing is sent where Do Not Track or Global Privacy Control is on.
 */

const EVERY_MS = 10_000;
const SAMPLE_MS = 2000;

export class Beacon {
  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.player = player;
    /** @type {{session: import("./player.js").Session, url: string, sampler: object, said: object}|null} */
    this.current = null;
    if (navigator.doNotTrack === "1" || navigator.globalPrivacyControl) return;
    player.addEventListener("firstframe", () => this.#begin());
    player.addEventListener("leaving", () => this.#end());
    this.countedAt = performance.now();
    this.shown = { visible: false, audible: false };
    const count = () => this.#count();
    player.addEventListener("state", count);
    document.addEventListener("visibilitychange", count);
    for (const change of ["play", "pause", "volumechange"]) player.video.addEventListener(change, count);
    if (player.session?.watch?.frames > 0) this.#begin();
    setInterval(() => this.#sample(), SAMPLE_MS);
    this.#reportIn(EVERY_MS);
  }

  #begin() {
    const { session, joinMs } = this.player;
    if (!session?.location || this.current?.session === session) return;
    const key = new URL(session.location).pathname.split("/").pop();
    const url = new URL(`/api/v1/analytics/beacon/${key}`, session.location).href;
    const said = { first_frame_ms: Math.min(600_000, Math.max(0, joinMs)), audible_s: 0, visible_s: 0 };
    this.current = { session, url, sampler: session.newSampler(), said };
    this.countedAt = session.firstFrameAt ?? performance.now();
    this.shown = this.#shownNow();
    this.#sample();
  }

  /** @returns {{visible: boolean, audible: boolean}} what of the stream gets to the viewer */
  #shownNow() {
    const { video, state, hasAudio } = this.player;
    const plays = state === "playing" && !video.paused;
    return { visible: plays && !document.hidden, audible: plays && !video.muted && video.volume > 0 && hasAudio };
  }

  /** Count the time since the last count as what it was, which is called whenever that changes. */
  #count() {
    const now = performance.now();
    const seconds = (now - this.countedAt) / 1000;
    const { visible, audible } = this.shown;
    this.countedAt = now;
    this.shown = this.#shownNow();
    if (!this.current) return;
    if (visible) this.current.said.visible_s += seconds;
    if (audible) this.current.said.audible_s += seconds;
  }

  async #sample() {
    const { current } = this;
    this.#count();
    if (!current) return;
    const sample = await current.sampler.sample().catch(() => null);
    const picture = sample?.video;
    if (!picture) return;
    Object.assign(current.said, {
      frozen_s: picture.frozenS ?? 0,
      freezes: picture.freezes ?? 0,
      decoded: picture.framesDecoded ?? 0,
      dropped: picture.framesDropped ?? 0,
      width: picture.width ?? 0,
      height: picture.height ?? 0,
    });
    if (Number.isFinite(picture.jitterBufferMs)) current.said.buffer_ms = Math.min(60_000, picture.jitterBufferMs);
  }

  #reportIn(pauseMs) {
    setTimeout(async () => this.#reportIn((await this.#report()) ?? EVERY_MS), pauseMs);
  }

  /** @returns {Promise<number|undefined>} when to report next, milliseconds */
  async #report() {
    const { current } = this;
    if (!current) return undefined;
    const headers = { "Content-Type": "application/json" };
    try {
      const response = await fetch(current.url, { method: "POST", headers, body: JSON.stringify(current.said) });
      // The stream is not followed, or the session is over: no more of it.
      if (response.status === 404 && this.current === current) this.current = null;
      return 1000 * Number(response.headers.get("Retry-After")) || undefined;
    } catch {
      // The next one says it all.
      return undefined;
    }
  }

  /** The page may be going: what is known by now is sent without waiting for anything. */
  #end() {
    this.#count();
    const { current } = this;
    this.current = null;
    if (!current) return;
    const body = new Blob([JSON.stringify({ ...current.said, last: true })], { type: "application/json" });
    navigator.sendBeacon(current.url, body);
  }
}
