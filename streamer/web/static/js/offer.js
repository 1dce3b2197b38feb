/**
 * One offer to a WHEP endpoint.
 *
 * A classic script: opening.js needs it before there are modules.
 */
(() => {
  "use strict";

  /** The server waits up to 12 s for a source that it fetches (_PULL_PATIENCE_S in egress/webrtc/endpoint.py). */
  const ANSWER_TIMEOUT_MS = 15_000;

  class WhepOffer {
    /** @type {WhepOffer|null} what this page has sent already, until somebody takes it */
    static first = null;

    /**
     * @param {string} endpoint URL of the stream's WHEP endpoint
     * @param {RTCConfiguration} [configuration] besides what every connection has
     * @param {(receiver: RTCRtpReceiver) => void} [attach] given each receiver at its birth
     */
    constructor(endpoint, configuration = {}, attach = () => {}) {
      this.endpoint = endpoint;
      this.beganAt = performance.now();
      /** When its first picture was shown, where that is known before there is a player. */
      this.firstFrameAt = null;
      this.aborter = new AbortController();
      this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
      for (const kind of ["video", "audio"]) {
        attach(this.pc.addTransceiver(kind, { direction: "recvonly" }).receiver);
      }
      this.created = this.pc.createOffer().then(({ type, sdp }) => ({ type, sdp: withStereo(sdp) }));
      /** Settled when the browser has applied it, which nothing need wait for that only sends it. */
      this.applied = this.created.then((offer) => this.pc.setLocalDescription(offer));
      this.applied.catch(() => {});
      /** @type {{token: string, reply: Promise<Reply>}|null} what came of the first sending */
      this.sent = null;
      this.accepted = null;
    }

    /**
     * The page's first offer, if it is what would be sent now. Whoever takes it owns it.
     *
     * @returns {WhepOffer|null}
     */
    static take(endpoint, token) {
      const { first } = WhepOffer;
      WhepOffer.first = null;
      if (!first || (first.endpoint === endpoint && first.sent.token === token)) return first;
      first.abandon();
      return null;
    }

    /**
     * @typedef {{response: Response, text: string}} Reply
     * @returns {Promise<Reply>} the server's
     */
    async send(headers) {
      const { sdp } = await this.created;
      const { signal } = this.aborter;
      const response = await fetch(this.endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/sdp", ...headers },
        body: sdp,
        signal: AbortSignal.any ? AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) : signal,
      });
      return { response, text: await response.text() };
    }

    /**
     * Put an answer in force; once, however often it is called.
     *
     * @returns {Promise<MediaStream>} the tracks the server agreed to send; media follows
     */
    accept(sdp) {
      this.accepted ??= this.#accept(sdp);
      this.accepted.catch(() => {});
      return this.accepted;
    }

    async #accept(sdp) {
      await this.applied;
      await this.pc.setRemoteDescription({ type: "answer", sdp });
      const agreed = this.pc.getTransceivers().filter(({ currentDirection }) => currentDirection === "recvonly");
      return new MediaStream(agreed.map(({ receiver }) => receiver.track));
    }

    /** Nobody wants it any more. */
    abandon() {
      this.aborter.abort();
      this.pc.close();
    }
  }

  /** Browsers offer Opus without `stereo=1` and then fold what they receive into one channel (RFC 7587). */
  function withStereo(sdp) {
    const opus = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/m.exec(sdp);
    if (!opus) return sdp;
    return sdp.replace(new RegExp(`^(a=fmtp:${opus[1]} (?!.*stereo=)[^\\r\\n]*)`, "m"), "$1;stereo=1");
  }

  globalThis.WhepOffer = WhepOffer;
})();
