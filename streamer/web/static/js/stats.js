/** The browser's getStats, as the figures a broadcaster asks for. Rates are over the time since the last sample. */

/**
 * @typedef {object} TrackStatistics null where the browser does not say
 * @property {string} codec
 * @property {number|null} bitrateBps
 * @property {number|null} packetsReceived
 * @property {number|null} packetsLost cumulative, not repaired
 * @property {number|null} lossPercent since the last sample
 * @property {number|null} nacks
 * @property {number|null} retransmitted packets received as retransmissions
 * @property {number|null} jitterMs
 * @property {number|null} jitterBufferMs mean delay in the jitter buffer
 */

/**
 * @typedef {object} Statistics
 * @property {(TrackStatistics & {width: number|null, height: number|null, fps: number|null, framesDecoded: number|null,
 *   framesDropped: number|null, freezes: number|null, frozenS: number|null, plis: number|null, decoder: string})|null} video
 * @property {(TrackStatistics & {channels: number|null, sampleRate: number|null, concealedPercent: number|null})|null} audio
 * @property {{rttMs: number|null, protocol: string, remote: string, dtls: string, srtpCipher: string,
 *   bitrateBps: number|null}} transport
 * @property {{algorithm: string, keyIndex: number|null, failed: number}|null} [e2e] added by the player
 */

export class StatsSampler {
  /** @param {RTCPeerConnection} pc */
  constructor(pc) {
    this.pc = pc;
    this.before = new Map();
  }

  /**
   * The two counters that tell whether anything still moves.
   *
   * @returns {Promise<{progress: number, responses: number}>} decoded pictures (packets of sound if there is no
   *   video); signs of life from the server: answers to ICE checks, which Firefox makes every 5 s only, and packets
   *   or, where those are not counted, bytes
   */
  async counters() {
    const report = await this.#report();
    const { video, audio, pair } = report;
    const progress = video ? (video.framesDecoded ?? 0) : (audio?.packetsReceived ?? 0);
    return { progress, responses: (pair?.responsesReceived ?? 0) + (pair?.packetsReceived ?? pair?.bytesReceived ?? 0) };
  }

  /** @returns {Promise<Statistics>} */
  async sample() {
    const report = await this.#report();
    const sample = {
      video: report.video && this.#video(report.video, report),
      audio: report.audio && this.#audio(report.audio, report),
      transport: this.#transport(report),
    };
    const counted = [report.video, report.audio, report.transport, report.pair].filter(Boolean);
    this.before = new Map(counted.map((now) => [now.id, now]));
    return sample;
  }

  async #report() {
    const all = this.pc.signalingState === "closed" ? new Map() : await this.pc.getStats();
    const entries = [...all.values()];
    const inbound = (kind) => entries.find((entry) => entry.type === "inbound-rtp" && entry.kind === kind) ?? null;
    const transport = entries.find((entry) => entry.type === "transport") ?? null;
    const pair =
      all.get(transport?.selectedCandidatePairId) ??
      entries.find((entry) => entry.type === "candidate-pair" && entry.nominated && entry.state === "succeeded") ??
      null;
    return { all, video: inbound("video"), audio: inbound("audio"), transport, pair };
  }

  /** Growth of a counter since the last sample, and the seconds between; null at the first. */
  #since(now, key) {
    const then = this.before.get(now.id);
    if (then?.[key] === undefined || now[key] === undefined) return null;
    const seconds = (now.timestamp - then.timestamp) / 1000;
    return seconds > 0 ? { growth: now[key] - then[key], seconds } : null;
  }

  #bitrate(now) {
    const bytes = this.#since(now, "bytesReceived");
    return bytes && Math.max(0, Math.round((bytes.growth * 8) / bytes.seconds));
  }

  #track(now, { all }) {
    const lost = this.#since(now, "packetsLost")?.growth ?? 0;
    const received = this.#since(now, "packetsReceived")?.growth ?? 0;
    const emitted = this.#since(now, "jitterBufferEmittedCount");
    const delay = this.#since(now, "jitterBufferDelay");
    return {
      codec: codecName(all.get(now.codecId)),
      bitrateBps: this.#bitrate(now),
      packetsReceived: now.packetsReceived ?? null,
      packetsLost: now.packetsLost ?? null,
      lossPercent: received + lost > 0 ? (100 * Math.max(0, lost)) / (received + Math.max(0, lost)) : null,
      nacks: now.nackCount ?? null,
      retransmitted: now.retransmittedPacketsReceived ?? null,
      jitterMs: milliseconds(now.jitter),
      jitterBufferMs: emitted?.growth > 0 && delay ? (1000 * delay.growth) / emitted.growth : mean(now),
    };
  }

  #video(now, report) {
    return {
      ...this.#track(now, report),
      width: now.frameWidth ?? null,
      height: now.frameHeight ?? null,
      fps: now.framesPerSecond ?? null,
      framesDecoded: now.framesDecoded ?? null,
      framesDropped: now.framesDropped ?? null,
      freezes: now.freezeCount ?? null,
      frozenS: now.totalFreezesDuration ?? null,
      plis: now.pliCount ?? null,
      decoder: now.decoderImplementation ?? "",
    };
  }

  #audio(now, report) {
    const codec = report.all.get(now.codecId);
    const samples = this.#since(now, "totalSamplesReceived");
    const concealed = this.#since(now, "concealedSamples");
    return {
      ...this.#track(now, report),
      channels: codec?.channels ?? null,
      sampleRate: codec?.clockRate ?? null,
      concealedPercent: samples?.growth > 0 && concealed ? (100 * concealed.growth) / samples.growth : null,
    };
  }

  #transport({ all, transport, pair }) {
    const local = all.get(pair?.localCandidateId);
    const remote = all.get(pair?.remoteCandidateId);
    // Firefox counts what a connection receives with its candidate pair alone.
    const carrier = transport?.bytesReceived === undefined ? pair : transport;
    const relayed = local?.candidateType === "relay" ? `${local.relayProtocol ?? ""} relay, ` : "";
    return {
      rttMs: milliseconds(pair?.currentRoundTripTime),
      protocol: local ? (relayed + (local.protocol ?? "")).toUpperCase() : "",
      remote: remote?.address ? `${remote.address}:${remote.port}` : "",
      dtls: dtlsName(transport?.tlsVersion),
      srtpCipher: transport?.srtpCipher ?? "",
      bitrateBps: carrier && this.#bitrate(carrier),
    };
  }
}

function milliseconds(seconds) {
  return seconds === undefined ? null : seconds * 1000;
}

function mean({ jitterBufferDelay, jitterBufferEmittedCount }) {
  return jitterBufferEmittedCount > 0 ? (1000 * jitterBufferDelay) / jitterBufferEmittedCount : null;
}

/** @returns {string} `DTLS 1.2` for the version on the wire, `FEFD` (RFC 6347 section 4.1) */
function dtlsName(version) {
  if (!version) return "";
  return { FEFF: "DTLS 1.0", FEFD: "DTLS 1.2", FEFC: "DTLS 1.3" }[version.toUpperCase()] ?? version;
}

const H264_PROFILES = { 42: "Baseline", "4d": "Main", 58: "Extended", 64: "High" };

function codecName(codec) {
  if (!codec) return "";
  const name = codec.mimeType.split("/")[1];
  if (name.toUpperCase() !== "H264") return { opus: "Opus", H265: "H.265" }[name] ?? name;
  const level = /profile-level-id=(..)(..)(..)/i.exec(codec.sdpFmtpLine ?? "");
  const profile = H264_PROFILES[level?.[1].toLowerCase()];
  return profile ? `H.264 ${profile}` : "H.264";
}
