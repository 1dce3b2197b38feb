/** What is remembered of one session, to tell a quiet one from a dead one. All times: performance.now(). */
export class Liveness {
  constructor(now) {
    this.startedAt = now;
    this.lastAt = now;
    this.answeredAt = now;
    this.connectingAt = now;
    this.askAt = null;
    this.disconnectedAt = null;
    this.wasConnected = false;
    this.restarted = false;
    this.serverSays = "unknown";
    this.frames = 0;
    this.before = { progress: 0, responses: 0 };
  }

  answered(now) {
    this.startedAt = Math.min(this.startedAt, now);
    this.answeredAt = now;
    this.connectingAt = now;
  }

  connected(now) {
    if (!this.wasConnected) this.lastAt = now;
    this.wasConnected = true;
    this.restarted = false;
    this.answeredAt = now;
  }

  /** Compare with the counters of the last look; true: pictures (or sound) came since. */
  moved({ progress, responses }, now) {
    if (responses > this.before.responses) this.answeredAt = now;
    const moved = progress > this.before.progress;
    this.before = { progress, responses };
    return moved;
  }
}
