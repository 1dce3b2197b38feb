/** What the pages ask the server besides media: the list of live streams, and where things are. */

const TIMEOUT_MS = 5000;

/**
 * @typedef {object} LiveStream one entry of `GET /api/v1/live`
 * @property {string} name
 * @property {string} title "" when the operator gave none
 * @property {"live"|"waiting"|"offline"} state `waiting`: the publisher is away, but expected back
 * @property {{codec: string, width: number, height: number, fps: number}|null} video
 * @property {{codec: string, sample_rate: number, channels: number}|null} audio
 * @property {number} bitrate_bps
 * @property {number} viewers
 * @property {number} uptime_s
 * @property {string|null} thumbnail
 * @property {string} encryption the floor: "none", "aes-128" or "aes-256"
 * @property {string} publisher_cipher what its media really comes with, "" while unknown
 * @property {string} publisher_key_state in SRT's words
 * @property {string[]} warnings
 */

/**
 * The streams this page may know about, and where encoders call.
 *
 * A viewer's token says nothing about the list, so a refused token is not an error: the public list is.
 *
 * @param {string} [token]
 * @returns {Promise<{streams: LiveStream[], srt_port: number, signalling: string}>} signalling: how this request travelled
 * @throws {Error} the server did not answer, or not with a list
 */
export async function liveOverview(token = "") {
  let response = await request("/api/v1/live", token);
  if (token && (response.status === 401 || response.status === 403)) response = await request("/api/v1/live", "");
  if (!response.ok) throw new Error(`/api/v1/live: HTTP ${response.status}`);
  return response.json();
}

/** Only the streams of `liveOverview`. */
export async function liveStreams(token = "") {
  return (await liveOverview(token)).streams;
}

/**
 * One picture, as bytes: an `<img>` could not send the token.
 *
 * @param {string} path
 * @param {string} [token]
 * @returns {Promise<Blob|null>} null while there is none
 */
export async function picture(path, token = "") {
  const response = await request(path, token);
  return response.ok ? response.blob() : null;
}

/**
 * The keys of an end-to-end encrypted stream; see `GET /api/v1/streams/{name}/content-key`.
 *
 * @returns {Promise<{status: number, answer: {algorithm: string, ask_again_s: number,
 *   keys: {index: number, key: string}[]}|null}>} answer null: refused, or not to be had now
 */
export async function contentKeys(url, token = "") {
  const response = await request(url, token);
  return { status: response.status, answer: response.ok ? await response.json() : null };
}

/** @returns {string} the page that plays a stream; the token travels in the fragment, which no server sees */
export function watchPage(stream, token = "") {
  return `/watch/${encodeURIComponent(stream)}${token ? `#token=${encodeURIComponent(token)}` : ""}`;
}

function request(path, token) {
  return fetch(path, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout?.(TIMEOUT_MS),
  });
}
