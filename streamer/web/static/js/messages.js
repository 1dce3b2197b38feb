/** The player's words: what is wrong, for a person who only wants to watch. */

/**
 * @typedef {object} Words
 * @property {string} title one line
 * @property {string} [detail] what it means or what helps
 * @property {"notice"|"wait"|"stop"} tone notice: beside the picture; wait: it goes on by itself; stop: it does not
 */

/** @type {Record<string, Words>} */
const WORDS = {
  connecting: { title: "Connecting", tone: "wait" },
  paused: { title: "Paused", detail: "Play continues live.", tone: "stop" },
  blocked_autoplay: { title: "Ready to play", detail: "This browser waits for you to start it.", tone: "stop" },
  not_live: { title: "Not live yet", detail: "The picture appears here as soon as the stream starts.", tone: "wait" },
  ended: { title: "The stream has ended", detail: "If it starts again, the picture appears here.", tone: "wait" },
  no_such_stream: { title: "No such stream", detail: "Nothing with this name is set up on this server. Check the address.", tone: "stop" },
  unauthorized: { title: "This stream needs a viewing token", detail: "Sign in, open the complete link you were given, or enter the token.", tone: "stop" },
  forbidden: { title: "This token does not open this stream", detail: "It may have expired or belong to another stream.", tone: "stop" },
  not_granted: { title: "You may not watch this stream", detail: "Your account, or the token in the address, is for other streams. An administrator can let you.", tone: "stop" },
  factor_needed: { title: "A second factor is needed", detail: "Open your account at the top of this page, and set one up or show it.", tone: "stop" },
  encryption_required: { title: "This stream is only for encrypted connections", detail: "Open this page with https:// in its address.", tone: "stop" },
  unplayable: { title: "This browser cannot play the stream", detail: "Another browser or device may be able to.", tone: "stop" },
  unsupported: { title: "This browser cannot play live video", detail: "Use a current version of Chrome, Edge, Firefox or Safari.", tone: "stop" },
  rate_limited: { title: "Too many at once from this network", detail: "Trying again.", tone: "wait" },
  seats_taken: { title: "All places of this link are taken", detail: "Trying again.", tone: "wait" },
  busy: { title: "The server is full", detail: "The picture appears here as soon as there is room.", tone: "wait" },
  server_error: { title: "The server had a problem", detail: "Trying again.", tone: "wait" },
  unreachable: { title: "Server unreachable", detail: "Check your connection. Trying again.", tone: "wait" },
  network_blocked: {
    title: "This network blocks the video",
    detail: "Neither UDP nor TCP gets through to the server’s media port. A firewall or VPN may be in the way.",
    tone: "wait",
  },
  loopback_only: {
    title: "The video does not leave the server’s machine",
    detail: "Its media port is at 127.0.0.1, which no other machine reaches, and Firefox never uses. Whoever runs the server can change [webrtc] listen.",
    tone: "wait",
  },
  connection_lost: { title: "Connection lost", detail: "Reconnecting.", tone: "wait" },
  publisher_away: { title: "The publisher is away", detail: "The picture continues when it returns.", tone: "notice" },
  insecure_page: { title: "This stream plays on secure pages only", detail: "It is encrypted end to end. Open this page with https:// in front of its address.", tone: "stop" },
  no_frame_access: { title: "This browser cannot decrypt the stream", detail: "It is encrypted end to end. Use a current version of Chrome, Edge, Firefox or Safari.", tone: "stop" },
  key_refused: { title: "You may not have the key to this stream", detail: "It is encrypted end to end, and the server refused its key. Your right to watch may have ended.", tone: "stop" },
  key_unreachable: { title: "The key to this stream cannot be fetched", detail: "It is encrypted end to end. Trying again.", tone: "wait" },
  undecryptable: { title: "This stream cannot be decrypted", detail: "Its key does not fit what arrives. Trying again.", tone: "wait" },
  first_picture: { title: "Connected", detail: "Waiting for the first picture.", tone: "wait" },
  frozen: { title: "No new picture", detail: "Waiting for the next one.", tone: "notice" },
  first_sound: { title: "Connected", detail: "There is no sound in this stream now. It is heard here as soon as it comes.", tone: "wait" },
  silent: { title: "No sound now", detail: "It goes on here when it returns.", tone: "notice" },
};

/** What an HTTP status from the WHEP endpoint means. */
const BY_STATUS = {
  0: "unreachable",
  401: "unauthorized",
  403: "not_granted",
  404: "no_such_stream",
  406: "unplayable",
  409: "not_live",
  429: "busy",
  502: "unreachable",
  503: "busy",
  504: "unreachable",
};

/** Errors of the server's that say more than their status. */
const OWN_WORDS = { rate_limited: "rate_limited", seats_taken: "seats_taken", encryption_required: "encryption_required", factor_needed: "factor_needed", token_expired: "forbidden", token_invalid: "forbidden" };
/** Found out here, without a status. */
const BY_CODE = { bad_answer: "unplayable", nothing_sent: "unplayable", insecure_page: "insecure_page", no_frame_access: "no_frame_access", unsupported: "unsupported" };

/** Statuses where the server knows more than this table, so that its own sentence is shown. */
const SERVER_KNOWS = new Set(["encryption_required", "unplayable", "busy", "server_error"]);

/**
 * @typedef {object} Problem
 * @property {string} code a key of the table above
 * @property {Words} words
 */

/** @returns {Problem} */
export function problem(code, detail = "") {
  const words = WORDS[code] ?? WORDS.server_error;
  return { code, words: detail ? { ...words, detail } : words };
}

/**
 * @param {{status: number, code: string, message: string}} error see refusals.js
 * @returns {Problem}
 */
export function problemOf(error) {
  if (BY_CODE[error.code]) return problem(BY_CODE[error.code]);
  const code = OWN_WORDS[error.code] ?? BY_STATUS[error.status] ?? "server_error";
  return problem(code, SERVER_KNOWS.has(code) ? sentence(error.message) : "");
}

function sentence(text) {
  const trimmed = (text ?? "").trim();
  if (!trimmed) return "";
  return trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}
