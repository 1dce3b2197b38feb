/** Asking for audiences; see `/openapi.json`. */

const ROOT = "/api/v1/analytics";

/** The server refused. */
export class Refused extends Error {
  /** @param {number} status @param {string} message for people */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Promise<object>} */
export async function ask(path, token, query = {}) {
  const response = await request(path, token, query);
  return response.json();
}

/** @returns {Promise<Blob>} all sessions of a stream as a file */
export async function exported(stream, token, query) {
  const response = await request(`streams/${encodeURIComponent(stream)}/export`, token, query);
  return response.blob();
}

/**
 * Audiences now, whenever they change. EventSource cannot send a token, so the events are read by hand.
 *
 * @param {(live: object) => void} tell
 * @returns {Promise<void>} resolves when the server ends it; rejects when it refuses or is gone
 */
export async function listen(token, tell) {
  const response = await request("live/events", token, {});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) tell(JSON.parse(data.slice(6)));
    }
  }
}

async function request(path, token, query) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(`${ROOT}/${path}?${new URLSearchParams(query)}`, { headers });
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(response.status, body.message ?? response.statusText);
}
