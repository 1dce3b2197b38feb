/**
 * The layout of encrypted frames; what the server makes of a frame is taken apart here, in a worker.
 *
 * clear | ciphertext | tag, 16 bytes | IV, 12 bytes | IV length, 1 byte: 12 | key index, 1 byte
 *
 * Clear are, of Opus, one byte; of H.264 and H.265, everything up to the first slice, its NAL unit header and two
 * bytes more. The slice's part of that is authenticated. What follows is escaped as in any NAL unit.
 */

const TAG_BYTES = 16;
const IV_BYTES = 12;
const TRAILER_BYTES = IV_BYTES + 2;
const OPUS_CLEAR_BYTES = 1;
const SLICE_CLEAR_BYTES = 2;

/** Formats by the name that the server gives them. */
export const FORMATS = { "gcm-trailer": { parse, open } };

/** How each codec names its NAL units; without an entry it has none. */
const NAL_UNITS = {
  h264: { headerBytes: 1, isSlice: (first) => (first & 0x1f) >= 1 && (first & 0x1f) <= 5 },
  h265: { headerBytes: 2, isSlice: (first) => ((first >> 1) & 0x3f) < 32 },
};

/**
 * @typedef {object} Sealed
 * @property {number} index which key
 * @property {Uint8Array} clear
 * @property {Uint8Array} bound
 * @property {Uint8Array} iv
 * @property {Uint8Array} ciphertext with the tag
 */

/**
 * @param {"h264"|"h265"|"opus"} codec
 * @param {Uint8Array} data
 * @returns {Sealed|null} null: not a frame of this format
 */
export function parse(codec, data) {
  const nalUnits = NAL_UNITS[codec];
  const from = nalUnits ? firstSlice(nalUnits, data) : 0;
  if (from < 0) return null;
  const end = from + (nalUnits ? nalUnits.headerBytes + SLICE_CLEAR_BYTES : OPUS_CLEAR_BYTES);
  const rest = nalUnits ? unescaped(data, end) : data.subarray(end);
  const ivAt = rest.length - TRAILER_BYTES;
  if (ivAt < TAG_BYTES || rest[rest.length - 2] !== IV_BYTES) return null;
  return {
    index: rest[rest.length - 1],
    clear: data.subarray(0, end),
    bound: data.subarray(from, end),
    iv: rest.subarray(ivAt, ivAt + IV_BYTES),
    ciphertext: rest.subarray(0, ivAt),
  };
}

/**
 * @param {CryptoKey} key
 * @param {Sealed} sealed
 * @returns {Promise<ArrayBuffer|null>} the frame; null: sealed with another key, or changed since
 */
export async function open(key, { clear, bound, iv, ciphertext }) {
  let plain;
  try {
    plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: bound }, key, ciphertext);
  } catch {
    return null;
  }
  const frame = new Uint8Array(clear.length + plain.byteLength);
  frame.set(clear);
  frame.set(new Uint8Array(plain), clear.length);
  return frame.buffer;
}

/** @returns {number} where the first slice's header is, -1 without one */
function firstSlice({ isSlice }, data) {
  for (let at = 0; at + 3 < data.length; at += 1) {
    if (data[at] === 0 && data[at + 1] === 0 && data[at + 2] === 1) {
      if (isSlice(data[at + 3])) return at + 3;
      at += 2;
    }
  }
  return -1;
}

/** Everything from `start`, without emulation prevention bytes (H.264 section 7.4.1). */
function unescaped(data, start) {
  const out = new Uint8Array(Math.max(0, data.length - start));
  let length = 0;
  // Zeros right before count too: no start code may arise across the seam.
  let zeros = data[start - 1] !== 0 ? 0 : data[start - 2] !== 0 ? 1 : 2;
  for (let at = start; at < data.length; at += 1) {
    const byte = data[at];
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    out[length++] = byte;
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return out.subarray(0, length);
}
