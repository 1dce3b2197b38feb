/**
 * One offer to a WHEP endpoint, and the first one of a page that plays a stream.
 *
 * A classic script, and the first of its page: it runs before there are styles, modules or a layout, which would hold
 * it up, so that the server answers while all of that still loads. The server puts it into the page itself. whep.js
 * takes the offer over.
 */
(() => {
  "use strict";

  const ANSWER_TIMEOUT_MS = 8000;
  const PAGES = ["watch", "embed"];

  class WhepOffer {
    /** @type {WhepOffer|null} what this page has sent already, until somebody takes it */
    static #first = null;

    /**
     * @param {string} endpoint URL of the stream's WHEP endpoint
     * @param {RTCConfiguration} [configuration] besides what every connection has
     * @param {(receiver: RTCRtpReceiver) => void} [attach] given each receiver at its birth
     */
    constructor(endpoint, configuration = {}, attach = () => {}) {
      this.endpoint = endpoint;
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
      const first = WhepOffer.#first;
      WhepOffer.#first = null;
      if (!first || (first.endpoint === endpoint && first.sent.token === token)) return first;
      first.abandon();
      return null;
    }

    static begin() {
      const [, page, name] = location.pathname.split("/");
      if (!PAGES.includes(page) || !name || typeof RTCPeerConnection === "undefined") return;
      const first = new WhepOffer(endpointOf(name));
      const token = givenToken();
      const reply = first.send(token ? { Authorization: `Bearer ${token}` } : {});
      first.sent = { token, reply };
      WhepOffer.#first = first;
      reply
        .then(({ response, text }) => {
          // A stream that is encrypted end to end is asked for anew.
          if (response.status === 201 && !response.headers.has("Link")) first.accept(text);
        })
        .catch(() => {});
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
     * @returns {Promise<void>}
     */
    accept(sdp) {
      this.accepted ??= this.applied.then(() => this.pc.setRemoteDescription({ type: "answer", sdp }));
      this.accepted.catch(() => {});
      return this.accepted;
    }

    /** Nobody wants it any more. */
    abandon() {
      this.aborter.abort();
      this.pc.close();
    }
  }

  /** The address as whep.js has it. */
  function endpointOf(name) {
    try {
      return `/whep/${encodeURIComponent(decodeURIComponent(name))}`;
    } catch {
      return `/whep/${encodeURIComponent(name)}`;
    }
  }

  /** As address.js finds it, which also moves one in the query out of sight. */
  function givenToken() {
    const query = new URLSearchParams(location.search).get("token");
    return query || (new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
  }

  /** Browsers offer Opus without `stereo=1` and then fold what they receive into one channel (RFC 7587). */
  function withStereo(sdp) {
    const opus = /^a=rtpmap:(\d+) opus\/48000\/2\r?$/m.exec(sdp);
    if (!opus) return sdp;
    return sdp.replace(new RegExp(`^(a=fmtp:${opus[1]} (?!.*stereo=)[^\\r\\n]*)`, "m"), "$1;stereo=1");
  }

  globalThis.WhepOffer = WhepOffer;
  WhepOffer.begin();
})();
