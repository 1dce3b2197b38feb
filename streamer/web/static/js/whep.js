/**
 * One attempt to watch one stream over WHEP: offer, answer, connection, goodbye.
 *
 * Nothing is waited for that the server does not need: the offer leaves before ICE has gathered anything
 * (the server learns the address from STUN), and while the browser still applies it; that of a page leaves
 * before this module is there (opening.js). Retrying is the business of player.js.
 */

import { Refusal, refusalOf } from "./refusals.js";
import { StatsSampler } from "./stats.js";

const RESTART_TIMEOUT_MS = 8000;
const MOST_OFFERS = 3;
const LOOPBACK = /^(?:127\.|::1$)/;
/** Between goodbyes while the network is away: the session holds a seat until the server knows, for up to 30 s. */
const FAREWELL_PAUSES_MS = [1000, 3000, 9000];

/** session.js, once it is known that somebody is signed in. */
let signedIn = null;

/** What the last answer of each endpoint said about its content key. */
const sealedAt = new Map();

/** @returns {string} where the stream's WHEP endpoint is */
export function whepEndpoint(stream) {
  return `/whep/${encodeURIComponent(stream)}`;
}

/**
 * Follow a page's first offer while its player still loads; whoever takes the session over hears how it went.
 *
 * @returns {WhepSession|null} null in a browser without WebRTC
 */
export function offer(stream, token) {
  if (typeof RTCPeerConnection === "undefined") return null;
  const session = new WhepSession(whepEndpoint(stream), token);
  session.start().catch(() => {});
  return session;
}

/**
 * Events: `connection` whenever the state of the peer connection or of its DTLS transport changes.
 */
export class WhepSession extends EventTarget {
  /**
   * @param {string} endpoint URL of the stream's WHEP endpoint
   * @param {string} token bearer token, "" for none
   */
  constructor(endpoint, token = "") {
    super();
    this.endpoint = endpoint;
    this.token = token;
    this.location = null;
    this.pc = null;
    /** @type {import("./e2e.js").Decryption|null} of a stream that is encrypted end to end */
    this.decryption = null;
    this.closed = false;
    this.aborter = new AbortController();
    this.started = null;
    this.offer = null;
    this.beganAt = performance.now();
  }

  /** @returns {number|null} when its first picture was shown, if that was before there was a player */
  get firstFrameAt() {
    return this.offer?.firstFrameAt ?? null;
  }

  /**
   * Offer, send, apply the answer; once, however often it is called.
   *
   * @returns {Promise<MediaStream>} the tracks the server agreed to send; media follows
   * @throws {Refusal} the server refused or could not be asked
   */
  start() {
    this.started ??= this.#start();
    return this.started;
  }

  async #start() {
    const { offer, answer } = await this.#negotiate();
    let media;
    try {
      media = await offer.accept(answer);
    } catch (error) {
      throw new Refusal("bad_answer", String(error.message ?? error));
    }
    if (media.getTracks().length === 0) throw new Refusal("nothing_sent", "The server sends neither picture nor sound.");
    const [track] = media.getTracks();
    const receiver = offer.pc.getReceivers().find((each) => each.track === track);
    receiver.transport?.addEventListener("statechange", () => this.#changed());
    return media;
  }

  /** `new`, `connecting`, `connected`, `disconnected`, `failed` or `closed`; the server's goodbye is `closed`. */
  get state() {
    if (this.closed || this.pc === null) return this.closed ? "closed" : "new";
    const dtls = this.pc.getReceivers()[0]?.transport?.state;
    return dtls === "closed" || dtls === "failed" ? dtls : this.pc.connectionState;
  }

  /** Whether the server named no address but its machine's own, which Firefox does not try even there. */
  get loopbackOnly() {
    const candidates = this.pc?.remoteDescription?.sdp.match(/^a=candidate:.*$/gm) ?? [];
    return candidates.length > 0 && candidates.every((line) => LOOPBACK.test(line.split(" ")[4]));
  }

  /** @returns {StatsSampler} of this connection */
  newSampler() {
    return new StatsSampler(this.pc);
  }

  /**
   * Move the running session to the network the browser has now (RFC 9725 section 4.3.3).
   *
   * @returns {Promise<boolean>} false: the server does not know the session any more or will not do it
   */
  async restartIce() {
    const { pc } = this;
    if (!this.location || pc?.signalingState !== "stable") return false;
    const answered = pc.remoteDescription.sdp;
    try {
      const offer = await pc.createOffer({ iceRestart: true });
      const headers = { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" };
      const [response] = await Promise.all([
        this.#request(this.location, { method: "PATCH", headers, body: iceFragment(offer.sdp) }),
        pc.setLocalDescription(offer),
      ]);
      if (response.status !== 200) throw new Refusal("refused", response.statusText);
      await pc.setRemoteDescription({ type: "answer", sdp: withIce(answered, await response.text()) });
      return true;
    } catch {
      return false;
    }
  }

  /** End it here and tell the server, also while the page is being left. */
  close() {
    if (this.closed) return;
    const endedThere = this.state === "closed";
    this.closed = true;
    this.aborter.abort();
    this.pc?.close();
    this.decryption?.close();
    if (!endedThere) this.#farewell();
  }

  /**
   * Offer as the stream wants it. A receiver can be given a transform at its birth only, else Chromium short-circuits
   * it; so a stream that turns out to be sealed is asked for twice, the first time on this page.
   *
   * @returns {Promise<{offer: WhepOffer, answer: string}>} an answer that need not be in force yet
   */
  async #negotiate() {
    for (let round = 0; round < MOST_OFFERS; round += 1) {
      const expected = sealedAt.get(this.endpoint) ?? null;
      if (expected) await this.#prepare(expected);
      const { offer, answer, sealed } = await this.#offer();
      sealedAt.set(this.endpoint, sealed);
      if (sealed?.url === expected?.url && sealed?.format === expected?.format) {
        this.decryption?.expect(/^a=rtpmap:\d+ (H26[45])[/]/im.exec(answer)?.[1].toLowerCase());
        return { offer, answer };
      }
      this.decryption?.close();
      this.decryption = null;
      this.pc.close();
      this.#farewell();
    }
    throw new Refusal("server_error", "The server cannot decide whether the stream is encrypted.");
  }

  async #prepare({ url, format }) {
    const { Decryption, obstacle } = await import("./e2e.js");
    if (this.closed) throw new Refusal("closed", "The session was closed meanwhile.");
    const why = obstacle(format);
    if (why) throw new Refusal(why, "The stream is encrypted end to end.");
    this.decryption = new Decryption(url, format, this.token);
    try {
      await this.decryption.ready;
    } catch {
      throw new Refusal("unreachable", "What decrypts the stream could not be loaded.");
    }
    if (this.closed) throw new Refusal("closed", "The session was closed meanwhile.");
  }

  /** @returns {Promise<{offer: WhepOffer, answer: string, sealed: {url: string, format: string}|null}>} */
  async #offer() {
    const { decryption } = this;
    const offer =
      (decryption ? null : WhepOffer.take(this.endpoint, this.token)) ??
      new WhepOffer(this.endpoint, decryption?.configuration, (receiver) => decryption?.attach(receiver));
    this.aborter.signal.addEventListener("abort", () => offer.aborter.abort(), { once: true });
    if (offer.sent) this.beganAt = offer.beganAt;
    this.offer = offer;
    this.pc = offer.pc;
    this.pc.addEventListener("connectionstatechange", () => this.#changed());
    const [answered] = await Promise.all([this.#post(offer), offer.applied]);
    if (this.closed) throw new Refusal("closed", "The session was closed meanwhile.");
    return { offer, ...answered };
  }

  #changed() {
    if (!this.closed) this.dispatchEvent(new Event("connection"));
  }

  #farewell() {
    if (!this.location) return;
    this.#end(this.location);
    this.location = null;
  }

  async #end(location) {
    for (const pauseMs of [...FAREWELL_PAUSES_MS, 0]) {
      try {
        await fetch(location, { method: "DELETE", headers: this.#authorization(), keepalive: true });
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  #authorization() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : (signedIn?.ownHeaders() ?? {});
  }

  #request(url, { headers, ...options }) {
    const signal = AbortSignal.any
      ? AbortSignal.any([this.aborter.signal, AbortSignal.timeout(RESTART_TIMEOUT_MS)])
      : this.aborter.signal;
    return fetch(url, { ...options, signal, headers: { ...headers, ...this.#authorization() } });
  }

  async #post(offer) {
    let posted = await this.#postOnce(offer);
    if (posted.refused?.code === "csrf" && !this.token) {
      // Somebody is signed in, and it is not known here yet what goes with the cookie.
      try {
        signedIn = await import("./session.js");
        await signedIn.session();
      } catch {
        throw posted.refused;
      }
      posted = await this.#postOnce(offer);
    }
    if (posted.refused) throw posted.refused;
    return posted;
  }

  async #postOnce(offer) {
    let response;
    let text;
    try {
      const { sent } = offer;
      offer.sent = null;
      ({ response, text } = await (sent?.reply ?? offer.send(this.#authorization())));
      const location = response.headers.get("Location");
      if (response.status === 201 && location) this.location = new URL(location, response.url).href;
    } catch (error) {
      throw new Refusal("unreachable", String(error.message ?? error));
    }
    // Closed while the answer was on its way: close() did not know the session yet.
    if (this.closed) this.#farewell();
    if (response.status !== 201) return { refused: refusalOf(response, text) };
    return { answer: text, sealed: contentKey(response) };
  }
}

/** @returns {{url: string, format: string}|null} where the key is, if the answer's frames are sealed with one */
function contentKey(response) {
  const link = /<([^>]+)>\s*;([^,]*\brel="content-key"[^,]*)/.exec(response.headers.get("Link") ?? "");
  if (!link) return null;
  return { url: new URL(link[1], response.url).href, format: /\bformat="([^"]*)"/.exec(link[2])?.[1] ?? "" };
}

const ICE_LINE = /^a=ice-(?:ufrag|pwd):/;

/** @returns {string} the SDP fragment that offers new ICE credentials (RFC 8840) */
function iceFragment(sdp) {
  const lines = sdp.split(/\r?\n/);
  const credentials = new Set(lines.filter((line) => ICE_LINE.test(line)));
  const media = lines.find((line) => line.startsWith("m="));
  const mid = lines.find((line) => line.startsWith("a=mid:"));
  return [...credentials, media, mid, ""].join("\r\n");
}

/** @returns {string} an earlier answer with the credentials and candidates of a fragment */
function withIce(answer, fragment) {
  const fresh = fragment.split(/\r?\n/).filter((line) => ICE_LINE.test(line));
  const credentials = [...new Set(fresh)];
  const candidates = [...new Set(fragment.split(/\r?\n/).filter((line) => line.startsWith("a=candidate:")))];
  const [session, ...sections] = answer.split(/^(?=m=)/m);
  const kept = (part) =>
    part.split(/\r?\n/).filter(
      (line) => line && !ICE_LINE.test(line) && !(candidates.length > 0 && line.startsWith("a=candidate:")),
    );
  const parts = [
    ...kept(session),
    ...sections.flatMap((section) => {
      const [media, ...rest] = kept(section);
      // Attributes follow the c= line of their media section.
      const at = rest.findIndex((line) => line.startsWith("a="));
      return [media, ...rest.slice(0, at), ...credentials, ...candidates, ...rest.slice(at)];
    }),
  ];
  return `${parts.join("\r\n")}\r\n`;
}
