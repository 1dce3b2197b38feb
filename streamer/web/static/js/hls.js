/**
 * One attempt to watch one stream over HTTP (HLS with parts, RFC 8216 and 8216bis), for networks that let WebRTC not
 * through and browsers that have none. To player.js it is what a WhepSession is: start, state, a sampler, close.
 *
 * Parts are fetched as soon as they are there and given to Media Source Extensions; a browser that has none, as an
 * older iPhone's, plays the playlist itself.
 */

import { HlsSampler } from "./hls_stats.js";
import { parseIndex, parsePlaylist } from "./playlist.js";
import { Refusal, refusalOf } from "./refusals.js";

const TYPE = "application/vnd.apple.mpegurl";
/** More than so many hold-backs behind the newest part, and the rest is left out. */
const TOO_FAR_BEHIND = 4;
/** Behind the hold-back by more, and it is played a little faster until it is not. */
const LAG_S = 0.4;
const CATCHING_UP = 1.06;
/** What was shown is kept so long, for nothing but what a browser may still ask of it. */
const KEEP_S = 10;
/** The server answers a reload once there is something new, and after a few seconds anyway. */
const ASK_AGAIN_MS = 300;
/** A camera that is pulled only now may take its time. */
const ANSWER_WITHIN_MS = 30_000;
const MOST_FAILURES = 4;

/** Events: `connection` when its state changes. */
export class HlsSession extends EventTarget {
  /**
   * @param {string} stream
   * @param {string} token "" for none
   * @param {HTMLVideoElement} video
   */
  constructor(stream, token, video) {
    super();
    this.base = new URL(`/hls/${encodeURIComponent(stream)}/`, location.href);
    this.token = token;
    this.video = video;
    this.beganAt = performance.now();
    /** As a WhepSession's, for the beacon: its last part names the session. */
    this.location = null;
    this.decryption = null;
    this.firstFrameAt = null;
    this.loopbackOnly = false;
    /** @type {"new"|"connected"|"failed"|"closed"} */
    this.state = "new";
    this.codecs = "";
    this.received = { bytes: 0, responses: 0 };
    this.aborter = new AbortController();
    this.header = "";
    /** The next part: its segment's number, and its place in that. */
    this.next = null;
    this.source = null;
    this.buffer = null;
    this.url = "";
    /** A reload may wait for so long, and longer. */
    this.silentForMs = 12_000;
    this.holdBackS = 1.5;
  }

  newSampler() {
    return new HlsSampler(this);
  }

  /**
   * @returns {Promise<{hasVideo: boolean, hasAudio: boolean}>} once the stream is there and the element has it
   * @throws {Refusal} the server refused or could not be asked, or this browser plays none of it
   */
  async start() {
    const { video } = this;
    const index = parseIndex(await this.#text(new URL("index.m3u8?early=1", this.base), this.#authorization()));
    const playlist = new URL(index.uri, this.base);
    const key = playlist.searchParams.get("session");
    this.location = new URL(key, this.base).href;
    this.codecs = index.codecs;
    this.playlist = playlist;
    const Source = mediaSource();
    if (Source === null && video.canPlayType(TYPE) === "") throw new Refusal("unsupported", "It plays no HLS either.");
    if (Source === null) {
      this.#play(playlist.href);
      this.#become("connected");
    } else {
      const type = `video/mp4; codecs="${index.codecs}"`;
      if (!Source.isTypeSupported(type)) throw new Refusal("bad_answer", `This browser does not play ${index.codecs}.`);
      await this.#open(new Source(), type);
      this.#become("connected");
      this.#fetchAll();
    }
    return { hasVideo: /avc1|hvc1/.test(index.codecs), hasAudio: /mp4a|opus/.test(index.codecs) };
  }

  /** There is no address to move: a request finds its own way. */
  async restartIce() {
    return true;
  }

  close() {
    if (this.state === "closed") return;
    this.state = "closed";
    this.aborter.abort();
    if (this.url && this.video.src === this.url) {
      this.video.removeAttribute("src");
      this.video.load();
    }
    if (this.url.startsWith("blob:")) URL.revokeObjectURL(this.url);
    this.video.playbackRate = 1;
  }

  #become(state) {
    if (this.state === "closed") return;
    this.state = state;
    this.dispatchEvent(new Event("connection"));
  }

  #play(url) {
    this.url = url;
    this.video.srcObject = null;
    this.video.src = url;
  }

  async #open(source, type) {
    this.source = source;
    // A source that the system manages may not be sent to another screen.
    if ("ManagedMediaSource" in globalThis) this.video.disableRemotePlayback = true;
    const opened = new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    this.#play(URL.createObjectURL(source));
    await opened;
    if (this.state === "closed") throw new Refusal("closed", "The session was closed meanwhile.");
    this.buffer = source.addSourceBuffer(type);
  }

  /** Fetch what is new, again and again, until there is no more or it cannot be had. */
  async #fetchAll() {
    let failures = 0;
    while (this.state === "connected") {
      try {
        const isOver = await this.#fetchNew();
        failures = 0;
        if (isOver) this.#become("failed");
      } catch (error) {
        if (this.state !== "connected") return;
        failures += 1;
        // Another session is needed where this one is not known any more.
        if (error.status === 404 || error.status === 401 || failures > MOST_FAILURES) this.#become("failed");
        else await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS * failures));
      }
    }
  }

  /** @returns {Promise<boolean>} whether the stream has ended */
  async #fetchNew() {
    const address = new URL(this.playlist);
    if (this.next) {
      address.searchParams.set("_HLS_msn", this.next.segment);
      address.searchParams.set("_HLS_part", this.next.part);
    }
    const playlist = parsePlaylist(await this.#text(address));
    this.holdBackS = playlist.holdBackS;
    for (const part of this.#wanted(playlist.parts)) {
      if (part.header !== this.header) {
        await this.#append(await this.#bytes(new URL(part.header, this.base)));
        this.header = part.header;
      }
      await this.#append(await this.#bytes(new URL(part.uri, this.base)));
      this.next = { segment: part.segment, part: part.part + 1 };
      this.#follow();
    }
    return playlist.isOver;
  }

  /** What comes after what is here; the last part that can be begun with where there is nothing, or a hole. */
  #wanted(parts) {
    const { next } = this;
    const at = next ? parts.findIndex(({ segment, part }) => segment > next.segment || (segment === next.segment && part >= next.part)) : -1;
    const isHole = at === 0 && !(parts[0].segment === next.segment && parts[0].part === next.part) && !isFirstAfter(parts[0], next);
    if (next && at < 0) return [];
    if (next && !isHole) return parts.slice(at);
    return parts.slice(Math.max(0, parts.findLastIndex(({ isIndependent }) => isIndependent)));
  }

  /** Keep the picture near the newest part: jump over holes and what is too old, hurry a little where that is enough. */
  #follow() {
    const { video } = this;
    const { buffered } = video;
    if (buffered.length === 0) return;
    const end = buffered.end(buffered.length - 1);
    const start = buffered.start(buffered.length - 1);
    const behind = end - video.currentTime;
    if (video.currentTime < start || behind > TOO_FAR_BEHIND * this.holdBackS) {
      video.currentTime = Math.max(start, end - this.holdBackS);
    }
    video.playbackRate = behind > this.holdBackS + LAG_S ? CATCHING_UP : 1;
    const oldest = video.currentTime - KEEP_S;
    if (!this.buffer.updating && buffered.start(0) < oldest - KEEP_S) this.buffer.remove(0, oldest);
  }

  async #append(bytes) {
    const { buffer } = this;
    while (buffer.updating) await new Promise((resolve) => buffer.addEventListener("updateend", resolve, { once: true }));
    if (this.state !== "connected") throw new Refusal("closed", "The session was closed meanwhile.");
    const done = new Promise((resolve, reject) => {
      buffer.addEventListener("updateend", resolve, { once: true });
      buffer.addEventListener("error", () => reject(new Refusal("bad_answer", "A part could not be read.")), { once: true });
    });
    buffer.appendBuffer(bytes);
    await done;
  }

  #authorization() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  async #text(url, headers = {}) {
    return new TextDecoder().decode(await this.#bytes(url, headers));
  }

  async #bytes(url, headers = {}) {
    let response;
    try {
      const signals = [this.aborter.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)];
      response = await fetch(url, { headers, signal: AbortSignal.any ? AbortSignal.any(signals) : signals[0] });
      if (response.ok) {
        const bytes = await response.arrayBuffer();
        this.received.bytes += bytes.byteLength;
        this.received.responses += 1;
        return bytes;
      }
    } catch (error) {
      throw new Refusal("unreachable", String(error.message ?? error));
    }
    throw refusalOf(response, await response.text());
  }
}

/** What takes fragments; null in a browser that has nothing of the kind. */
function mediaSource() {
  return globalThis.ManagedMediaSource ?? globalThis.MediaSource ?? null;
}

function isFirstAfter({ segment, part }, next) {
  return segment === next.segment + 1 && part === 0;
}
