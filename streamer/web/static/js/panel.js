/** The statistics panel: a table of figures, and the bit rate of the last minute as a line. */

import { liveOverview } from "./api.js";
import { element, showText } from "./dom.js";
import { NOTHING, bitrate, number, quantity } from "./format.js";

const EVERY_MS = 1000;
const HISTORY = 60;
/** What the server knows about encryption changes with the publisher, if at all. */
const ASK_SERVER_EVERY_MS = 5000;

/**
 * What is shown: group, then label and how to read it from a sample; a reading that fails is a dash.
 *
 * @type {[string, [string, (sample: import("./stats.js").Statistics, more: object) => string][]][]}
 */
const FIGURES = [
  ["Picture", [
    ["Codec", ({ video }) => video.codec],
    ["Size", ({ video }) => (video.width ? `${video.width}×${video.height}` : NOTHING)],
    ["Frame rate", ({ video }) => quantity(video.fps, "fps")],
    ["Bit rate", ({ video }) => bitrate(video.bitrateBps)],
    ["Frames dropped", ({ video }) => number(video.framesDropped)],
    ["Freezes", ({ video }) => (video.freezes ? `${video.freezes} (${number(video.frozenS, 1)} s)` : number(video.freezes))],
    ["Jitter buffer", ({ video }) => quantity(video.jitterBufferMs, "ms")],
  ]],
  ["Sound", [
    ["Codec", ({ audio }) => audio.codec],
    ["Bit rate", ({ audio }) => bitrate(audio.bitrateBps)],
    ["Jitter buffer", ({ audio }) => quantity(audio.jitterBufferMs, "ms")],
    ["Concealed", ({ audio }) => quantity(audio.concealedPercent, "%", 1)],
  ]],
  ["Network", [
    ["Round trip", ({ transport }) => quantity(transport.rttMs, "ms", transport.rttMs < 10 ? 1 : 0)],
    ["Packets lost", ({ video, audio }) => number(total(video?.packetsLost, audio?.packetsLost))],
    ["Loss now", ({ video, audio }) => quantity((video ?? audio).lossPercent, "%", 1)],
    ["NACKs sent", ({ video }) => number(video.nacks)],
    ["Retransmitted", ({ video }) => number(video.retransmitted)],
    ["Transport", ({ transport }) => transport.protocol],
  ]],
  ["Security", [
    ["Cipher", ({ transport }) => cipher(transport.srtpCipher)],
    ["Key exchange", ({ transport }) => transport.dtls],
    ["Publisher", (_, { server }) => publisher(server.stream)],
    ["Signalling", (_, { server }) => server.signalling],
    ["Demanded", (_, { server }) => server.stream.encryption.toUpperCase()],
    ["End to end", ({ e2e }) => (e2e.keyIndex ? `${e2e.algorithm}, key ${e2e.keyIndex}` : e2e.algorithm)],
    ["Not decrypted", ({ e2e }) => number(e2e.failed)],
  ]],
  ["Start", [
    ["First picture", ({ timeToFirstFrameMs }) => quantity(timeToFirstFrameMs, "ms")],
    ["Reconnections", (_, { reconnects }) => number(reconnects)],
  ]],
];

/** `SRTP_AEAD_AES_256_GCM` is for programs (RFC 7714); this is for people: `AES-256-GCM`. */
function cipher(name) {
  const gcm = /AES_(\d+)_GCM/.exec(name);
  if (gcm) return `AES-${gcm[1]}-GCM`;
  const counter = /AES_?(?:CM_)?(128|256)_.*SHA1_(\d+)/.exec(name);
  return counter ? `AES-${counter[1]}-CTR, SHA1-${counter[2]}` : name;
}

/** What the encoder's or camera's media really comes with: `AES-256, secured`. */
function publisher({ publisher_cipher: name, publisher_key_state: state }) {
  return [name, state].filter(Boolean).join(", ");
}

function total(...counters) {
  const known = counters.filter(Number.isFinite);
  return known.length > 0 ? known.reduce((sum, counter) => sum + counter, 0) : null;
}

export class StatisticsPanel {
  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.player = player;
    this.timer = 0;
    this.history = [];
    this.server = null;
    this.askedAt = -Infinity;
    this.rows = [];
    this.plot = element("canvas", { class: "plot", "aria-hidden": "true" });
    this.rate = element("strong");
    const figures = element("dl", { class: "figures" });
    for (const [group, rows] of FIGURES) {
      const list = element("div", { class: "figures-group" }, element("h3", {}, group));
      for (const [label, read] of rows) {
        const value = element("dd", {}, NOTHING);
        this.rows.push([value, read]);
        list.append(element("div", { class: "figure" }, element("dt", {}, label), value));
      }
      figures.append(list);
    }
    this.root = element(
      "section",
      { class: "panel", id: "statistics", "aria-label": "Statistics", tabindex: "0", hidden: true },
      element("header", { class: "panel-rate" }, this.rate, element("span", {}, "received, last minute")),
      this.plot,
      figures,
    );
  }

  get open() {
    return !this.root.hidden;
  }

  toggle(open = !this.open) {
    this.root.hidden = !open;
    clearInterval(this.timer);
    if (!open) return;
    this.timer = setInterval(() => this.#refresh(), EVERY_MS);
    this.#refresh();
  }

  async #refresh() {
    const sample = await this.player.stats();
    this.#askServer();
    const { reconnects } = this.player;
    for (const [cell, read] of this.rows) showText(cell, reading(read, sample, { reconnects, server: this.server }));
    const rate = sample?.transport.bitrateBps ?? null;
    showText(this.rate, bitrate(rate));
    if (rate !== null || !sample) this.history = [...this.history, rate ?? 0].slice(-HISTORY);
    this.#draw();
  }

  async #askServer() {
    if (performance.now() - this.askedAt < ASK_SERVER_EVERY_MS) return;
    this.askedAt = performance.now();
    const { stream, token } = this.player;
    try {
      const { streams, signalling } = await liveOverview(token);
      this.server = { signalling, stream: streams.find(({ name }) => name === stream) };
    } catch {
      this.server = null;
    }
  }

  #draw() {
    const { plot, history } = this;
    const scale = devicePixelRatio || 1;
    const width = Math.round(plot.clientWidth * scale);
    const height = Math.round(plot.clientHeight * scale);
    if (width === 0) return;
    if (plot.width !== width || plot.height !== height) Object.assign(plot, { width, height });
    const context = plot.getContext("2d");
    context.clearRect(0, 0, width, height);
    if (history.length < 2) return;
    const most = Math.max(...history) * 1.15 || 1;
    const x = (index) => width - ((history.length - 1 - index) * width) / (HISTORY - 1);
    const y = (rate) => height - scale - (rate / most) * (height - 2 * scale);
    context.beginPath();
    history.forEach((rate, index) => context.lineTo(x(index), y(rate)));
    context.strokeStyle = getComputedStyle(plot).color;
    context.lineWidth = 1.5 * scale;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(x(0), height);
    context.globalAlpha = 0.15;
    context.fillStyle = context.strokeStyle;
    context.fill();
    context.globalAlpha = 1;
  }
}

function reading(read, sample, more) {
  try {
    return read(sample, more) || NOTHING;
  } catch {
    // No such track, or no connection at the moment.
    return NOTHING;
  }
}
