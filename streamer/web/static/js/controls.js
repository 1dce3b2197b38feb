/** Everything on and around the picture: the bar, the messages, the statistics, the keyboard. */

import { rememberToken } from "./address.js";
import { element, icon, showIcon, showText } from "./dom.js";
import { watching } from "./format.js";
import { StatisticsPanel } from "./panel.js";

const IDLE_AFTER_MS = 3000;
/** A message that would be gone in a blink is not shown. */
const WAIT_SHOWN_AFTER_MS = 500;
const VOLUME_KEY = "streamer.volume";
const VOLUME_STEP = 0.05;

export class Controls {
  /**
   * @param {HTMLElement} root holds a `.stage`, which holds the `<video>`
   * @param {import("./player.js").Player} player
   * @param {{bar?: boolean}} [options] bar false: only messages and the keyboard
   */
  constructor(root, player, { bar = true } = {}) {
    this.root = root;
    this.player = player;
    this.video = player.video;
    this.idleTimer = 0;
    this.waitTimer = 0;
    this.panel = new StatisticsPanel(player);
    this.still = element("canvas", { class: "still", hidden: true, "aria-hidden": "true" });
    this.#buildMessages();
    this.#buildBar(bar);
    this.video.after(this.still, this.soundOnly, this.message, this.notice, this.bar, this.unmute, this.spoken);
    root.append(this.panel.root);
    this.video.volume = Math.min(1, Math.max(0, Number(stored(VOLUME_KEY) ?? 1) || 0));
    this.#listen();
    this.#showState();
    this.#showSound();
    this.#stir();
  }

  /** @param {number|null} viewers null: the server does not tell */
  showViewers(viewers) {
    showText(this.viewers, viewers === null ? "" : watching(viewers));
  }

  #buildMessages() {
    this.spinner = element("span", { class: "spinner", "aria-hidden": "true" });
    this.title = element("h2", { class: "message-title" });
    this.detail = element("p", { class: "message-detail" });
    this.retry = element("button", { type: "button", class: "button" }, "Try now");
    this.token = element("input", { type: "password", "aria-label": "Viewing token", placeholder: "Viewing token", autocomplete: "off", spellcheck: "false", required: true });
    this.tokenForm = element("form", { class: "token", hidden: true }, this.token, element("button", { class: "button button-primary" }, "Watch"));
    this.message = element("div", { class: "message", hidden: true }, this.spinner, this.title, this.detail, this.retry, this.tokenForm);
    this.soundOnly = element(
      "div",
      { class: "sound-only", hidden: true },
      icon("loud"),
      element("strong", {}, "Sound only"),
      element("span", {}, "You may hear this stream, not see it."),
    );
    this.notice = element("div", { class: "notice", hidden: true }, element("strong"), element("span"));
    this.spoken = element("div", { class: "visually-hidden", role: "status" });
  }

  #buildBar(shown) {
    this.play = control("pause", "Pause", "k");
    this.mute = control("muted", "Unmute", "m");
    this.volume = element("input", { class: "volume", type: "range", min: 0, max: 1, step: VOLUME_STEP, "aria-label": "Volume" });
    this.live = element("span", { class: "live-badge" }, element("i"), element("span"));
    this.viewers = element("span", { class: "bar-viewers" });
    this.statistics = control("chart", "Statistics", "i");
    this.statistics.setAttribute("aria-controls", "statistics");
    this.pip = control("pip", "Picture in picture", "p");
    this.full = control("expand", "Full screen", "f");
    this.unmute = element("button", { type: "button", class: "unmute", hidden: true }, icon("muted"), "Unmute");
    this.pip.hidden = !document.pictureInPictureEnabled;
    this.full.hidden = !(document.fullscreenEnabled || this.video.webkitEnterFullscreen);
    this.hasBar = shown;
    this.bar = element(
      "div",
      { class: "bar", role: "group", "aria-label": "Player controls", hidden: !shown },
      this.play, this.mute, this.volume, this.live, this.viewers,
      element("span", { class: "bar-space" }),
      this.statistics, this.pip, this.full,
    );
  }

  #listen() {
    const { player, video, root } = this;
    player.addEventListener("state", () => this.#showState());
    player.addEventListener("tracks", () => this.#showSound());
    player.addEventListener("leaving", () => this.#keepStill());
    player.addEventListener("firstframe", () => (this.still.hidden = true));
    video.addEventListener("volumechange", () => this.#showSound());
    video.addEventListener("resize", () => this.#showShape());
    video.addEventListener("enterpictureinpicture", () => this.pip.setAttribute("aria-pressed", "true"));
    video.addEventListener("leavepictureinpicture", () => this.pip.setAttribute("aria-pressed", "false"));
    document.addEventListener("fullscreenchange", () => this.#showFullScreen());
    this.play.addEventListener("click", () => this.#togglePlay());
    this.mute.addEventListener("click", () => this.#toggleMute());
    this.unmute.addEventListener("click", () => this.#toggleMute());
    this.volume.addEventListener("input", () => this.#setVolume(Number(this.volume.value)));
    this.statistics.addEventListener("click", () => this.#toggleStatistics());
    this.pip.addEventListener("click", () => this.#togglePip());
    this.full.addEventListener("click", () => this.#toggleFullScreen());
    this.retry.addEventListener("click", () => this.#resume());
    this.tokenForm.addEventListener("submit", (event) => {
      event.preventDefault();
      rememberToken(this.token.value.trim());
      this.token.value = "";
    });
    for (const type of ["pointermove", "pointerdown", "focusin", "keydown"]) root.addEventListener(type, () => this.#stir());
    root.addEventListener("pointerleave", () => this.#rest());
    video.addEventListener("click", () => {
      if (!this.hasBar || !this.unmute.hidden) this.#toggleMute();
    });
    video.addEventListener("dblclick", () => this.#toggleFullScreen());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, textarea, select")) return;
    const onButton = event.target.closest?.("button, a, summary");
    const actions = {
      m: () => this.#toggleMute(),
      f: () => this.#toggleFullScreen(),
      p: () => this.#togglePip(),
      i: () => this.#toggleStatistics(),
      s: () => this.#toggleStatistics(),
      k: () => this.#togglePlay(),
      " ": onButton ? null : () => this.#togglePlay(),
      ArrowUp: () => this.#setVolume(this.video.volume + VOLUME_STEP),
      ArrowDown: () => this.#setVolume(this.video.volume - VOLUME_STEP),
      Escape: this.panel.open ? () => this.#toggleStatistics() : null,
    };
    // The arrows scroll the page unless the player has the focus.
    const arrow = event.key.startsWith("Arrow") && !this.root.contains(document.activeElement);
    const action = arrow || event.repeat && !event.key.startsWith("Arrow") ? null : actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
    this.#stir();
  }

  #togglePlay() {
    if (this.player.state === "idle" || this.player.problem?.code === "blocked_autoplay") this.#resume();
    else this.player.stop();
  }

  #resume() {
    if (this.player.problem?.code === "blocked_autoplay") this.player.play();
    else this.player.start();
  }

  #toggleMute() {
    if (!this.player.hasAudio) return;
    this.video.muted = !this.video.muted;
    if (!this.video.muted && this.video.volume === 0) this.video.volume = 0.5;
    this.#say(this.video.muted ? "Muted" : "Sound on");
  }

  #setVolume(volume) {
    this.video.volume = Math.min(1, Math.max(0, volume));
    this.video.muted = this.video.volume === 0;
    store(VOLUME_KEY, String(this.video.volume));
  }

  #toggleStatistics() {
    this.panel.toggle();
    this.statistics.setAttribute("aria-expanded", String(this.panel.open));
  }

  async #togglePip() {
    if (this.pip.hidden) return;
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else await this.video.requestPictureInPicture();
    } catch {
      this.#say("Picture in picture is not available now");
    }
  }

  #toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    // iPhones can only show the bare video full screen.
    else if (this.root.requestFullscreen) this.root.requestFullscreen().catch(() => this.#say("Full screen is not allowed here"));
    else this.video.webkitEnterFullscreen?.();
  }

  #showFullScreen() {
    const full = document.fullscreenElement === this.root;
    showIcon(this.full.querySelector("svg"), full ? "shrink" : "expand");
    label(this.full, full ? "Leave full screen" : "Full screen");
  }

  #showShape() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth && videoHeight) this.root.style.setProperty("--ratio", String(Math.min(2.4, Math.max(1.2, videoWidth / videoHeight))));
  }

  #showSound() {
    const { muted, volume } = this.video;
    const { hasAudio, state } = this.player;
    const silent = muted || volume === 0;
    this.soundOnly.hidden = !(hasAudio && !this.player.hasVideo && (state === "playing" || state === "stalled"));
    showIcon(this.mute.querySelector("svg"), silent ? "muted" : volume < 0.5 ? "quiet" : "loud");
    label(this.mute, hasAudio || state !== "playing" ? (silent ? "Unmute" : "Mute") : "No sound in this stream");
    this.mute.disabled = !hasAudio;
    this.volume.disabled = !hasAudio;
    this.volume.value = String(muted ? 0 : volume);
    this.volume.style.setProperty("--level", `${(muted ? 0 : volume) * 100}%`);
    this.unmute.hidden = !(this.hasBar && hasAudio && muted && state === "playing");
  }

  #showState() {
    const { state, problem } = this.player;
    const words = problem?.words;
    const stopped = state === "idle" || problem?.code === "blocked_autoplay";
    showIcon(this.play.querySelector("svg"), stopped ? "play" : "pause");
    label(this.play, stopped ? "Play live" : "Pause");
    this.root.dataset.state = state;
    showText(this.live.lastChild, { playing: "Live", idle: "Paused", stalled: "Away", connecting: "Connecting" }[state] ?? "Offline");
    this.#showNotice(words?.tone === "notice" ? words : null);
    this.#showMessage(words && words.tone !== "notice" ? words : null);
    this.#showSound();
    this.#stir();
  }

  #showNotice(words) {
    this.notice.hidden = !words;
    if (!words) return;
    showText(this.notice.firstChild, words.title);
    showText(this.notice.lastChild, words.detail ?? "");
    this.#say(`${words.title}. ${words.detail ?? ""}`);
  }

  #showMessage(words) {
    clearTimeout(this.waitTimer);
    if (!words) {
      this.message.hidden = true;
      showText(this.spoken, this.player.state === "playing" ? "" : this.spoken.textContent);
      return;
    }
    const show = () => {
      const { code } = this.player.problem;
      this.message.hidden = false;
      showText(this.title, words.title);
      showText(this.detail, words.detail ?? "");
      this.detail.hidden = !words.detail;
      this.spinner.hidden = words.tone !== "wait";
      const token = ["unauthorized", "forbidden", "not_granted"].includes(code);
      this.tokenForm.hidden = !token;
      this.retry.hidden = token || ["connecting", "first_picture", "first_sound", "unsupported"].includes(code);
      showText(this.retry, code === "paused" || code === "blocked_autoplay" ? "Play live" : "Try now");
      this.#say(`${words.title}. ${words.detail ?? ""}`);
    };
    const brief = words.tone === "wait" && this.message.hidden && ["connecting", "connection_lost"].includes(this.player.problem.code);
    if (brief) this.waitTimer = setTimeout(show, WAIT_SHOWN_AFTER_MS);
    else show();
  }

  #say(text) {
    showText(this.spoken, text);
  }

  /** Keep the last picture on show, for the time in which the element has none. */
  #keepStill() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height) return;
    Object.assign(this.still, { width, height });
    this.still.getContext("2d").drawImage(this.video, 0, 0, width, height);
    this.still.hidden = false;
  }

  #stir() {
    this.root.setAttribute("data-active", "");
    clearTimeout(this.idleTimer);
    this.idleTimer = setTimeout(() => this.#rest(), IDLE_AFTER_MS);
  }

  #rest() {
    const held = this.player.state !== "playing" || this.bar.querySelector(":focus-visible") || this.bar.matches(":hover");
    if (!held) this.root.removeAttribute("data-active");
  }
}

function control(name, text, key) {
  const button = element("button", { type: "button", class: "control", "aria-keyshortcuts": key }, icon(name));
  label(button, text);
  return button;
}

function label(button, text) {
  button.setAttribute("aria-label", text);
  button.title = `${text} (${button.getAttribute("aria-keyshortcuts")})`;
}

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    // Storage is denied in some embeddings.
    return null;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As above: the preference lasts as long as the page.
  }
}
