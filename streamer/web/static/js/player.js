/**
 * A live player that keeps playing: it connects, notices every kind of ending, and connects again.
 *
 * It owns the `<video>` element and the one session of the moment; what it looks like is controls.js. Sessions are of
 * WebRTC (whep.js), and over HTTP (hls.js) where that does not get through or the browser has none.
 */

import { liveStreams } from "./api.js";
import { Liveness } from "./liveness.js";
import { problem, problemOf } from "./messages.js";
import { Refusal } from "./refusals.js";
import { WhepSession, whepEndpoint } from "./whep.js";

const TICK_MS = 500;
const STALLED_AFTER_MS = 2000;
const DISCONNECTED_FOR_MS = 3000;
const RESTART_ICE_AFTER_MS = 1000;
/** Chrome checks a quiet pair every 2.5 s; a server that answered none since has forgotten the session. */
const SILENT_FOR_MS = 4000;
const CONNECT_TIMEOUT_MS = 10_000;
/** The same as long as HTTP has not been tried: better two seconds behind than nothing. */
const HTTP_AFTER_MS = 5000;
/** The server gives a session up 30 s after its publisher; with the picture frozen longer, ask anew. */
const FROZEN_FOR_MS = 35_000;
/**
 * The server says live, yet nothing comes: this connection is the problem. Longer than a server takes to notice
 * that its publisher is silent (5 s by default), for leaving then would give up a seat that is being kept.
 */
const STARVED_FOR_MS = 12_000;
const FIRST_ASK_WITHIN_MS = 1000;
const ASK_EVERY_MS = 2500;
const STABLE_AFTER_MS = 5000;
const BACKOFF_MS = { first: 300, most: 5000, slow: 15_000 };

/** How to go on after a refusal; everything else: backoff. */
const AFTERWARDS = {
  unauthorized: "never", forbidden: "never", not_granted: "never", factor_needed: "never", unsupported: "never", unplayable: "slow", no_such_stream: "slow",
  encryption_required: "never", insecure_page: "never", no_frame_access: "never", key_refused: "never",
};

/** WebRTC cannot be had here, whatever the server does. */
const NO_WEBRTC = new Set(["network_blocked", "loopback_only", "unsupported"]);

/** Nor HTTP: the stream is encrypted end to end, or the server offers none, or there is nothing here that plays it. */
const NO_HTTP = new Set([403, 404, "bad_answer", "unsupported"]);

/** @typedef {WhepSession|import("./hls.js").HlsSession} Session */

/**
 * `idle` paused by the viewer · `connecting` · `playing` · `stalled` connected without new pictures ·
 * `waiting` for the next attempt · `stopped` nothing to wait for.
 *
 * @typedef {"idle"|"connecting"|"playing"|"stalled"|"waiting"|"stopped"} PlayerState
 */

/**
 * Events: `state` (state or problem changed), `firstframe` (of each connection), `tracks` (hasAudio, hasVideo
 * changed), `leaving` (the picture is about to go: last chance to copy it).
 */
export class Player extends EventTarget {
  /**
   * @param {HTMLVideoElement} video
   * @param {{stream: string, token?: string, muted?: boolean}} options
   */
  constructor(video, { stream, token = "", muted = true }) {
    super();
    this.video = video;
    this.stream = stream;
    this.token = token;
    /** @type {PlayerState} */
    this.state = "idle";
    /** @type {import("./messages.js").Problem|null} */
    this.problem = null;
    /** Milliseconds from the beginning of the navigation to the first picture; null before it. */
    this.timeToFirstFrameMs = null;
    /** Milliseconds from the last attempt's beginning to its first picture; null before it. */
    this.joinMs = null;
    this.reconnects = 0;
    this.hasAudio = false;
    this.hasVideo = false;
    /** @type {Session|null} */
    this.session = null;
    /** Why this is watched over HTTP: what hinders WebRTC; null while nothing does. */
    this.hindrance = null;
    this.mayUseHttp = true;
    this.attempt = 0;
    this.retryTimer = 0;
    this.ticker = 0;
    video.muted = muted;
    video.playsInline = true;
    addEventListener("online", () => {
      this.hindrance = null; // it may be another network
      this.#hurry();
    });
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", (event) => {
      if (event.persisted && this.state !== "idle") this.start();
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hurry();
    });
  }

  /**
   * Connect now, whatever was before.
   *
   * @param {WhepSession} [session] one that the page has started already, for this stream and token
   */
  start(session = null) {
    clearTimeout(this.retryTimer);
    this.#drop();
    if (this.state === "idle" || this.state === "stopped") this.problem = null;
    if (typeof RTCPeerConnection === "undefined") this.hindrance = problem("unsupported");
    if (this.ticker === 0) this.ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#connect(session);
  }

  /** Pause: a live picture has nothing to come back to, so the connection ends. */
  stop() {
    clearTimeout(this.retryTimer);
    clearInterval(this.ticker);
    this.ticker = 0;
    this.attempt = 0;
    this.#drop();
    this.#become("idle", problem("paused"));
  }

  /** Try with another token. */
  useToken(token) {
    this.token = token;
    this.attempt = 0;
    this.start();
  }

  /** Start the element; browsers may refuse sound, or everything, until the viewer has done something. */
  async play() {
    try {
      await this.video.play();
    } catch (error) {
      if (error.name !== "NotAllowedError") return;
      if (!this.video.muted) {
        this.video.muted = true;
        await this.play();
      } else {
        this.#become(this.state, problem("blocked_autoplay"));
      }
    }
  }

  /** @returns {Promise<import("./stats.js").Statistics|null>} since the call before; null without a connection */
  async stats() {
    const sample = (await this.session?.sampler?.sample()) ?? null;
    if (sample) Object.assign(sample, { timeToFirstFrameMs: this.timeToFirstFrameMs, joinMs: this.joinMs, e2e: this.session?.decryption?.statistics ?? null });
    return sample;
  }

  async #connect(begun = null) {
    const isHindered = begun === null && this.hindrance !== null;
    const session = isHindered ? await this.#newSessionOverHttp() : (begun ?? new WhepSession(whepEndpoint(this.stream), this.token));
    if (session === null) return;
    this.session = session;
    session.watch = new Liveness(session.beganAt);
    session.addEventListener("connection", () => this.#connectionChanged(session));
    this.#become("connecting", this.problem ?? problem("connecting"));
    try {
      const media = await session.start();
      if (session !== this.session) return;
      session.sampler = session.newSampler();
      session.watch.answered(performance.now());
      this.#connectionChanged(session);
      if (session !== this.session) return;
      session.decryption?.addEventListener("trouble", () => this.#keyTrouble(session));
      if (media instanceof MediaStream) this.#show(media);
      else Object.assign(this, media);
      this.#awaitFrame(session);
      this.dispatchEvent(new Event("tracks"));
      this.play();
    } catch (error) {
      if (session !== this.session) return;
      this.#again(this.#trouble(error), error.retryAfterS);
    }
  }

  /** @returns {Promise<Session|null>} null: nothing is to be begun any more */
  async #newSessionOverHttp() {
    this.#become("connecting", this.problem ?? problem("connecting"));
    try {
      const { HlsSession } = await import("./hls.js");
      const isWanted = this.session === null && this.state === "connecting";
      return isWanted ? new HlsSession(this.stream, this.token, this.video) : null;
    } catch {
      this.#again(problem("unreachable"));
      return null;
    }
  }

  #show(media) {
    this.hasVideo = media.getVideoTracks().length > 0;
    this.hasAudio = media.getAudioTracks().length > 0;
    // The page shows it already, if there was time enough.
    if (this.video.srcObject !== media) this.video.srcObject = media;
  }

  #trouble(error) {
    if (!(error instanceof Refusal)) return problem("unplayable");
    if (this.hindrance !== null && NO_HTTP.has(error.status || error.code)) {
      const { hindrance } = this;
      this.hindrance = null;
      this.mayUseHttp = false;
      return hindrance;
    }
    const trouble = problemOf(error);
    if (trouble.code === "not_granted" && this.token) return problem("forbidden");
    return trouble.code === "not_live" && this.timeToFirstFrameMs !== null ? problem("ended") : trouble;
  }

  /** What else than a refusal is wrong with its key shows once no picture comes. */
  #keyTrouble(session) {
    if (session === this.session && session.decryption.trouble === "key_refused") this.#again(problem("key_refused"));
  }

  #become(state, trouble = null) {
    const same = state === this.state && trouble?.code === this.problem?.code;
    this.state = state;
    this.problem = trouble;
    if (!same) this.dispatchEvent(new Event("state"));
  }

  /** Forget the session without a word about what comes next. */
  #drop() {
    const { session } = this;
    if (!session) return;
    if (session.watch.frames > 0) this.dispatchEvent(new Event("leaving"));
    this.session = null;
    session.close();
  }

  /** Give this attempt up and plan the next. */
  #again(trouble, retryAfterS = null) {
    if (this.session?.watch.frames > 0) this.reconnects += 1;
    this.#drop();
    clearTimeout(this.retryTimer);
    if (NO_WEBRTC.has(trouble.code) && this.hindrance === null && this.mayUseHttp) {
      this.hindrance = trouble;
      this.#connect();
      return;
    }
    const how = AFTERWARDS[trouble.code] ?? "backoff";
    if (how === "never") {
      this.#become("stopped", trouble);
      return;
    }
    this.#become(how === "slow" ? "stopped" : "waiting", trouble);
    const backoff = how === "slow" ? BACKOFF_MS.slow : Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.attempt);
    this.attempt += 1;
    // Jitter: every viewer of a stream loses it in the same instant. What the server asks for is never undercut.
    const wait = retryAfterS ? retryAfterS * 1000 * (1 + Math.random() / 2) : backoff * (0.5 + Math.random());
    this.retryTimer = setTimeout(() => this.#connect(), wait);
  }

  /** The network or the viewer is back: do not sit the backoff out. */
  #hurry() {
    if (this.state === "waiting") this.start();
  }

  #connectionChanged(session) {
    if (session !== this.session) return;
    const { state, watch } = session;
    if (state === "connected") watch.connected(performance.now());
    watch.disconnectedAt = state === "disconnected" ? (watch.disconnectedAt ?? performance.now()) : null;
    if (state !== "failed" && state !== "closed") return;
    if (!watch.wasConnected) {
      this.#again(blocked(session));
      return;
    }
    this.#again(problem("connection_lost"));
  }

  #awaitFrame(session) {
    if (!this.video.requestVideoFrameCallback) return;
    this.video.requestVideoFrameCallback(() => {
      if (session !== this.session) return;
      this.#progress(session);
      this.#awaitFrame(session);
    });
  }

  /** A new picture (or, without pictures, new sound) has come. */
  #progress(session) {
    const now = performance.now();
    const { watch } = session;
    watch.frames += 1;
    watch.lastAt = now;
    watch.askAt = null;
    watch.serverSays = "unknown";
    if (watch.frames === 1) {
      const shownAt = session.firstFrameAt ?? now;
      this.timeToFirstFrameMs ??= shownAt;
      this.joinMs = shownAt - watch.startedAt;
      this.dispatchEvent(new Event("firstframe"));
    }
    if (now - watch.startedAt > STABLE_AFTER_MS) this.attempt = 0;
    const blocked = this.problem?.code === "blocked_autoplay" && this.video.paused;
    this.#become("playing", blocked ? this.problem : null);
  }

  async #tick() {
    const { session } = this;
    if (!session?.sampler) return;
    const { watch } = session;
    const counters = await session.sampler.counters();
    if (session !== this.session) return;
    const now = performance.now();
    const moved = watch.moved(counters, now);
    // Frame callbacks stop in a hidden tab and do not exist for sound: then the counters decide.
    if (moved && now - watch.lastAt > 2 * TICK_MS) {
      this.#hearAlone(session);
      this.#progress(session);
    }
    const quietMs = now - watch.lastAt;
    if (this.#isLost(session, now, quietMs)) {
      this.#again(watch.wasConnected ? problem("connection_lost") : blocked(session));
    } else if (watch.wasConnected && quietMs > STALLED_AFTER_MS) {
      this.#stalled(session, now);
    }
  }

  /**
   * Sound comes and no packet of a picture has: the publisher sends none. An element that waits for its first
   * picture would not play the sound either, so it is given that alone until there is a picture.
   */
  #hearAlone(session) {
    const media = this.video.srcObject;
    const [picture] = media?.getVideoTracks() ?? [];
    if (!picture?.muted || !this.hasAudio) return;
    const show = (shown) => {
      this.hasVideo = shown === media;
      this.video.srcObject = shown;
      this.dispatchEvent(new Event("tracks"));
      this.play();
    };
    show(new MediaStream(media.getAudioTracks()));
    picture.addEventListener("unmute", () => session === this.session && show(media), { once: true });
  }

  #isLost(session, now, quietMs) {
    const { watch } = session;
    if (!watch.wasConnected) return now - watch.connectingAt > (this.mayUseHttp ? HTTP_AFTER_MS : CONNECT_TIMEOUT_MS);
    if (watch.disconnectedAt !== null) {
      const forMs = now - watch.disconnectedAt;
      if (forMs > RESTART_ICE_AFTER_MS && !watch.restarted) {
        watch.restarted = true;
        session.restartIce().then((done) => {
          if (done || session !== this.session || watch.disconnectedAt === null) return;
          this.#again(problem("connection_lost"));
        });
      }
      return forMs > DISCONNECTED_FOR_MS;
    }
    if (quietMs < STALLED_AFTER_MS) return false;
    return now - watch.answeredAt > (session.silentForMs ?? SILENT_FOR_MS) || quietMs > (watch.serverSays === "live" ? STARVED_FOR_MS : FROZEN_FOR_MS);
  }

  /** Connected, yet nothing new to see: say why, as far as the server knows. */
  #stalled(session, now) {
    const { watch } = session;
    if (session.decryption?.trouble) {
      this.#become("stalled", problem(session.decryption.trouble));
      return;
    }
    const first = this.hasVideo ? "first_picture" : "first_sound";
    if (this.state !== "stalled") this.#become("stalled", problem(watch.frames > 0 ? "publisher_away" : first));
    // Every viewer of the stream is stalled now, and would ask in the same instant.
    watch.askAt ??= now + Math.random() * FIRST_ASK_WITHIN_MS;
    if (now < watch.askAt) return;
    watch.askAt = now + ASK_EVERY_MS * (0.75 + Math.random() * 0.5);
    this.#askServer().then((says) => {
      if (session !== this.session || this.state !== "stalled") return;
      watch.serverSays = says;
      if (says === "unreachable") this.#again(problem("unreachable"));
      else if (says === "live") this.#become("stalled", problem(watch.frames > 0 ? (this.hasVideo ? "frozen" : "silent") : first));
      else this.#become("stalled", problem(says === "offline" ? "ended" : "publisher_away"));
    });
  }

  /** @returns {Promise<"live"|"waiting"|"offline"|"unknown"|"unreachable">} */
  async #askServer() {
    try {
      const streams = await liveStreams(this.token);
      return streams.find((stream) => stream.name === this.stream)?.state ?? "unknown";
    } catch {
      return "unreachable";
    }
  }
}

/** @returns {import("./messages.js").Problem} why a session never came to be connected */
function blocked(session) {
  return problem(session.loopbackOnly ? "loopback_only" : "network_blocked");
}
