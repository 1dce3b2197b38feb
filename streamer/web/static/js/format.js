/** Figures as people read them. Null and undefined become a dash. */

export const NOTHING = "–";

const CODECS = { h264: "H.264", h265: "H.265", hevc: "H.265", mpeg2: "MPEG-2", mjpeg: "MJPEG", av1: "AV1", vp8: "VP8", vp9: "VP9", aac: "AAC", opus: "Opus", mp2: "MP2", mp3: "MP3", pcma: "G.711", pcmu: "G.711", g722: "G.722", g726: "G.726", "aal2-g726": "G.726", ac3: "AC-3", eac3: "E-AC-3" };
const CHANNELS = { 1: "mono", 2: "stereo", 6: "5.1" };

/** @param {number|null|undefined} bps */
export function bitrate(bps) {
  if (!Number.isFinite(bps)) return NOTHING;
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(bps >= 9_950_000 ? 0 : 1)} Mb/s`;
  return `${Math.round(bps / 1000)} kb/s`;
}

/** @param {number} seconds @returns {string} `12 s`, `3 min`, `2 h 5 min`, `4 days` */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NOTHING;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** @param {number} seconds @returns {string} `0:07`, `1:02:03`, as a player counts */
export function clock(seconds) {
  const whole = Math.floor(Math.max(0, seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** @param {number} count @returns {string} `12 kB`, `1.5 GB` */
export function bytes(count) {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  return `${number(count / 1000 ** power, power ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** @returns {string} `3 watching`, `nobody watching` */
export function watching(viewers) {
  return viewers > 0 ? `${viewers.toLocaleString("en")} watching` : "nobody watching";
}

/** @returns {string} `1280×720`, or "" while unknown */
export function size(video) {
  return video?.width && video?.height ? `${video.width}×${video.height}` : "";
}

/** @returns {string[]} `["H.264", "1280×720", "30 fps"]`, only what is known */
export function picture(video) {
  if (!video) return [];
  return [codec(video.codec), size(video), video.fps ? `${number(video.fps)} fps` : ""].filter(Boolean);
}

/** @returns {string[]} `["AAC", "48 kHz", "stereo"]`, only what is known */
export function sound(audio) {
  if (!audio) return [];
  const { sample_rate: rate, channels } = audio;
  return [codec(audio.codec), rate ? `${number(rate / 1000, 1)} kHz` : "", CHANNELS[channels] ?? ""].filter(Boolean);
}

/** @param {number|null|undefined} value @param {number} [digits] at most so many */
export function number(value, digits = 0) {
  return Number.isFinite(value) ? value.toLocaleString("en", { maximumFractionDigits: digits }) : NOTHING;
}

/** @returns {string} a number with its unit */
export function quantity(value, unit, digits = 0) {
  return Number.isFinite(value) ? `${number(value, digits)} ${unit}` : NOTHING;
}

function codec(name) {
  return CODECS[name?.toLowerCase()] ?? name ?? "";
}
