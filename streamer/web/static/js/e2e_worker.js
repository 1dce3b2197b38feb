/**
 * Decrypts frames between network and decoder. A frame whose key is not here yet is held for a moment while e2e.js
 * fetches it; what cannot be decrypted is never shown.
 *
 * In: `{type: "format", format}`, `{type: "keys", keys: [[index, CryptoKey]]}`, `{type: "refused"}`,
 * `{type: "codec", video}`, `{type: "streams", readable, writable, kind}` (browsers without RTCRtpScriptTransform).
 * Out: `{type: "ready"}`, `{type: "wanted", index}`, `{type: "counts", opened, failed, index}`.
 */

import { FORMATS } from "./e2e_frame.js";

const HOLD_MS = 3000;
const ASK_AGAIN_MS = 1000;
const TELL_EVERY_MS = 250;

let format = FORMATS["gcm-trailer"];
const codecs = { video: "h264", audio: "opus" };
let keys = new Map();
let refused = false;
let asked = { index: 0, at: -Infinity };
let waiting = [];
let toldAt = -Infinity;
const counts = { opened: 0, failed: 0, index: null };

self.onmessage = ({ data }) => {
  if (data.type === "format") format = FORMATS[data.format];
  if (data.type === "streams") decrypt(data.readable, data.writable, data.kind);
  if (data.type === "codec") codecs.video = data.video;
  if (data.type === "refused") refused = true;
  if (data.type === "keys") keys = new Map(data.keys);
  if (data.type === "keys" || data.type === "refused") answered();
};

self.onrtctransform = ({ transformer }) => decrypt(transformer.readable, transformer.writable, transformer.options.kind);

self.postMessage({ type: "ready" });

function decrypt(readable, writable, kind) {
  const transform = async (frame, controller) => {
    if (frame.data.byteLength > 0) {
      const opened = await open(codecs[kind], new Uint8Array(frame.data));
      tell(opened !== null);
      if (opened === null) return;
      frame.data = opened;
    }
    controller.enqueue(frame);
  };
  // Fails when the connection ends under it; then there is nothing left to do.
  readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable).catch(() => {});
}

async function open(codec, data) {
  const sealed = format.parse(codec, data);
  if (!sealed) return null;
  const known = keys.get(sealed.index);
  const opened = known ? await format.open(known, sealed) : null;
  if (opened) {
    counts.index = sealed.index;
    return opened;
  }
  // A key we lack, or another that is called the same: names come back.
  await fresh(sealed.index);
  const other = keys.get(sealed.index);
  if (!other || other === known) return null;
  counts.index = sealed.index;
  return format.open(other, sealed);
}

/** Until there are other keys, or no hope of them. */
function fresh(index) {
  const now = performance.now();
  const asking = waiting.length > 0;
  if (refused || (!asking && index === asked.index && now - asked.at < ASK_AGAIN_MS)) return Promise.resolve();
  if (!asking) {
    asked = { index, at: now };
    self.postMessage({ type: "wanted", index });
  }
  return new Promise((resolve) => {
    waiting.push(resolve);
    setTimeout(resolve, HOLD_MS);
  });
}

function answered() {
  for (const resolve of waiting) resolve();
  waiting = [];
}

function tell(opened) {
  counts[opened ? "opened" : "failed"] += 1;
  const now = performance.now();
  if (now - toldAt < TELL_EVERY_MS) return;
  toldAt = now;
  self.postMessage({ type: "counts", ...counts });
}
