/** What can be said of a stream that comes over HTTP, in the form of stats.js. */

const CODECS = { avc1: "H.264", hvc1: "H.265", mp4a: "AAC", opus: "Opus" };

export class HlsSampler {
  /** @param {import("./hls.js").HlsSession} session */
  constructor(session) {
    this.session = session;
    this.before = null;
  }

  /** As StatsSampler's: what was shown, and signs of life from the server. */
  async counters() {
    const { video, received } = this.session;
    return { progress: Math.floor(video.currentTime * 10), responses: received.responses };
  }

  /** @returns {Promise<import("./stats.js").Statistics>} since the call before */
  async sample() {
    const { video, received, codecs, base } = this.session;
    const quality = video.getVideoPlaybackQuality?.();
    const now = { at: performance.now(), bytes: received.bytes, frames: quality?.totalVideoFrames ?? 0 };
    const { before } = this;
    this.before = now;
    const seconds = before ? (now.at - before.at) / 1000 : 0;
    const bitrateBps = seconds > 0 ? ((now.bytes - before.bytes) * 8) / seconds : null;
    const end = video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) : video.currentTime;
    const names = codecs.split(",").map((codec) => CODECS[codec.split(".")[0]] ?? codec);
    const unknown = { packetsReceived: null, packetsLost: null, lossPercent: null, nacks: null, retransmitted: null, jitterMs: null };
    const jitterBufferMs = 1000 * Math.max(0, end - video.currentTime);
    const hasVideo = /avc1|hvc1/.test(codecs);
    return {
      video: hasVideo
        ? {
            ...unknown, codec: names[0], bitrateBps, jitterBufferMs, width: video.videoWidth, height: video.videoHeight,
            fps: seconds > 0 ? (now.frames - before.frames) / seconds : null, framesDecoded: now.frames,
            framesDropped: quality?.droppedVideoFrames ?? null, freezes: null, frozenS: null, plis: null, decoder: "",
          }
        : null,
      audio: names.length > (hasVideo ? 1 : 0)
        ? { ...unknown, codec: names.at(-1), bitrateBps: hasVideo ? null : bitrateBps, jitterBufferMs, channels: null, sampleRate: null, concealedPercent: null }
        : null,
      transport: { rttMs: null, protocol: base.protocol === "https:" ? "HTTPS" : "HTTP", remote: base.host, dtls: "", srtpCipher: "", bitrateBps },
    };
  }
}
