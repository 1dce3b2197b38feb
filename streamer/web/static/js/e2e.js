/** Decryption of an end-to-end encrypted stream: fetches its keys in time, and has e2e_worker.js use them. */

import { contentKeys } from "./api.js";
import { FORMATS } from "./e2e_frame.js";

const WORKER = "/static/js/e2e_worker.js";
const RETRY_MS = { first: 500, most: 5000 };
/** Frames in a row; single ones fail when a sender is changed under way. */
const FAILURES = 5;

/** How this browser lets a page at frames: `script`, `streams` (older Chromium), or "" not at all. */
export function frameAccess() {
  if (typeof RTCRtpScriptTransform !== "undefined") return "script";
  return typeof RTCRtpReceiver !== "undefined" && "createEncodedStreams" in RTCRtpReceiver.prototype ? "streams" : "";
}

/** @returns {""|"insecure_page"|"no_frame_access"} why this browser cannot play such a stream here */
export function obstacle(format) {
  if (!globalThis.crypto?.subtle) return "insecure_page";
  return frameAccess() && FORMATS[format] ? "" : "no_frame_access";
}

/** Events: `trouble` when that changes. */
export class Decryption extends EventTarget {
  /**
   * @param {string} url where the keys are
   * @param {string} format of the frames
   * @param {string} token
   */
  constructor(url, format, token) {
    super();
    this.url = url;
    this.token = token;
    /** @type {""|"key_refused"|"key_unreachable"|"undecryptable"} */
    this.trouble = "";
    this.algorithm = "";
    this.counts = { opened: 0, failed: 0, index: null };
    this.closed = false;
    this.failures = 0;
    this.timer = 0;
    this.asking = false;
    this.worker = new Worker(WORKER, { type: "module" });
    this.ready = new Promise((resolve, reject) => {
      this.worker.addEventListener("error", reject, { once: true });
      this.worker.addEventListener("message", ({ data }) => {
        if (data.type === "ready") resolve();
        if (data.type === "wanted") this.#ask();
        if (data.type === "counts") this.#counted(data);
      });
    });
    this.worker.postMessage({ type: "format", format });
    this.#ask();
  }

  /** What the peer connection must be made with. */
  get configuration() {
    return frameAccess() === "streams" ? { encodedInsertableStreams: true } : {};
  }

  /**
   * Put the worker between a receiver and its decoder, in the same turn in which the receiver is made; after
   * `ready`, for a worker that still loads misses the event.
   *
   * @param {RTCRtpReceiver} receiver
   */
  attach(receiver) {
    const { kind } = receiver.track;
    if (frameAccess() === "script") {
      receiver.transform = new RTCRtpScriptTransform(this.worker, { kind });
      return;
    }
    const { readable, writable } = receiver.createEncodedStreams();
    this.worker.postMessage({ type: "streams", readable, writable, kind }, [readable, writable]);
  }

  /** @param {"h264"|"h265"|undefined} video what the picture turned out to be coded in */
  expect(video) {
    if (video) this.worker.postMessage({ type: "codec", video });
  }

  /** For the panel. */
  get statistics() {
    return { algorithm: this.algorithm, keyIndex: this.counts.index, failed: this.counts.failed };
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.worker.terminate();
  }

  async #ask() {
    if (this.asking || this.closed) return;
    this.asking = true;
    clearTimeout(this.timer);
    let againMs;
    try {
      againMs = await this.#fetch();
      this.failures = 0;
    } catch {
      againMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.failures) * (0.75 + Math.random() / 2);
      this.failures += 1;
      this.#become("key_unreachable");
    }
    this.asking = false;
    if (againMs !== null && !this.closed) this.timer = setTimeout(() => this.#ask(), againMs);
  }

  /** @returns {Promise<number|null>} when to ask again, in ms; null: never */
  async #fetch() {
    const { status, answer } = await contentKeys(this.url, this.token);
    if (this.closed) return null;
    if (status === 401 || status === 403) {
      this.worker.postMessage({ type: "refused" });
      this.#become("key_refused");
      return null;
    }
    if (!answer) throw new Error(`${this.url}: HTTP ${status}`);
    const keys = await Promise.all(answer.keys.map(async ({ index, key }) => [index, await imported(key)]));
    if (this.closed) return null;
    this.algorithm = answer.algorithm;
    this.worker.postMessage({ type: "keys", keys });
    if (this.trouble === "key_unreachable") this.#become("");
    return Math.max(1000, answer.ask_again_s * 1000);
  }

  #counted(counts) {
    const opened = counts.opened > this.counts.opened;
    if (opened) this.failedBefore = counts.failed;
    this.counts = counts;
    const failing = counts.failed - (this.failedBefore ?? 0) >= FAILURES;
    if (opened && this.trouble === "undecryptable") this.#become("");
    else if (failing && this.trouble === "") this.#become("undecryptable");
  }

  #become(trouble) {
    if (this.closed || trouble === this.trouble) return;
    this.trouble = trouble;
    this.dispatchEvent(new Event("trouble"));
  }
}

/** The bytes leave this function as a key that no script can read again. */
function imported(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["decrypt"]);
}
