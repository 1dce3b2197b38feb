/**
 * One attempt to publish over WHIP (RFC 9725): offer, answer, connection, goodbye.
 *
 * The offer leaves before ICE has gathered anything; the server learns the address from STUN. Beginning anew is the
 * business of publish.js.
 */

import { Refused, ownHeaders } from "./session.js";

const ANSWER_TIMEOUT_MS = 8000;

/** @returns {string} where the stream's WHIP endpoint is */
export function whipEndpoint(stream) {
  return `/whip/${encodeURIComponent(stream)}`;
}

/** Events: `change` whenever the state of the connection does. */
export class WhipSession extends EventTarget {
  /**
   * @param {string} endpoint URL of the stream's WHIP endpoint
   * @param {string} key publish key or token, "" for the session of whoever is signed in
   * @param {MediaStream} media what to send; at most one picture and one sound
   * @param {number} maxBitrateBps of the picture
   */
  constructor(endpoint, key, media, maxBitrateBps) {
    super();
    this.endpoint = endpoint;
    this.key = key;
    this.location = null;
    this.closed = false;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of media.getTracks()) {
      const isVideo = track.kind === "video";
      const sendEncodings = isVideo ? [{ maxBitrate: maxBitrateBps }] : [];
      this.pc.addTransceiver(track, { direction: "sendonly", streams: [media], sendEncodings });
    }
    this.pc.addEventListener("connectionstatechange", () => this.#changed());
  }

  /**
   * Offer, and put the answer in force.
   *
   * @throws {Refused} the server refused, or could not be asked (status 0)
   */
  async start() {
    const { pc } = this;
    const offer = await pc.createOffer();
    const { response, text } = await this.#post(withStereo(offer.sdp), pc.setLocalDescription(offer));
    const location = response.headers.get("Location");
    if (response.status !== 201 || !location) throw refusal(response, text);
    this.location = new URL(location, response.url).href;
    if (this.closed) return this.#farewell(); // meanwhile; close() did not know the session yet
    try {
      await pc.setRemoteDescription({ type: "answer", sdp: text });
    } catch (error) {
      throw new Refused(response.status, "bad_answer", String(error.message ?? error));
    }
    // The server's goodbye ends DTLS, which the state of the whole is slow to show.
    pc.getSenders()[0].transport?.addEventListener("statechange", () => this.#changed());
  }

  /** `new`, `connecting`, `connected`, `disconnected`, `failed` or `closed`; the server's goodbye is `closed`. */
  get state() {
    if (this.closed) return "closed";
    const dtls = this.pc.getSenders()[0]?.transport?.state;
    return dtls === "closed" || dtls === "failed" ? dtls : this.pc.connectionState;
  }

  /** End it here and tell the server, also while the page is being left. */
  close() {
    if (this.closed) return;
    this.closed = true;
    this.pc.close();
    this.#farewell();
  }

  async #post(sdp, applied) {
    try {
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const headers = { "Content-Type": "application/sdp", ...this.#authorization() };
      const response = await fetch(this.endpoint, { method: "POST", headers, body: sdp, signal });
      const [text] = await Promise.all([response.text(), applied]);
      return { response, text };
    } catch {
      throw new Refused(0, "unreachable", "the server does not answer; check your connection");
    }
  }

  #authorization() {
    return this.key ? { Authorization: `Bearer ${this.key}` } : ownHeaders();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #farewell() {
    if (!this.location) return;
    fetch(this.location, { method: "DELETE", headers: this.#authorization(), keepalive: true }).catch(() => {});
    this.location = null;
  }
}

function refusal(response, text) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // A proxy's error page; the status is all there is.
  }
  const message = body.message ?? `the server answers with status ${response.status}`;
  return new Refused(response.status, body.error ?? `http_${response.status}`, message, body.retry_after_s ?? null);
}

/** Browsers send one channel unless `stereo=1` stands in what they offered and were answered (RFC 7587). */
function withStereo(sdp) {
  return sdp.replace(/^(a=fmtp:\d+ (?!.*stereo=)[^\r\n]*useinbandfec=1[^\r\n]*)/m, "$1;stereo=1;sprop-stereo=1");
}
