/** What a server that was asked for a stream says instead, whichever way it was asked. */

/** The server refused, or could not be asked. */
export class Refusal extends Error {
  /**
   * @param {string} code the server's own word (`not_live`, …), or `unreachable`, `bad_answer`, `nothing_sent`,
   *   `insecure_page`, `no_frame_access`, `unsupported`
   * @param {string} message for people
   * @param {{status?: number, retryAfterS?: number|null}} [details] HTTP status, 0 without an answer
   */
  constructor(code, message, { status = 0, retryAfterS = null } = {}) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** @returns {Refusal} what the server's error body and headers say */
export function refusalOf(response, text) {
  let body = {};
  try {
    body = JSON.parse(text) ?? {};
  } catch {
    // A proxy's error page; the status is all there is.
  }
  const seconds = Number(body.retry_after_s ?? response.headers.get("Retry-After") ?? NaN);
  const details = { status: response.status, retryAfterS: Number.isFinite(seconds) ? seconds : null };
  return new Refusal(body.error ?? `http_${response.status}`, body.message ?? response.statusText, details);
}
