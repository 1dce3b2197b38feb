/** Asking the server again and again, but only while somebody looks. */

/**
 * Call `ask` now and then every `everyMs` while the page is visible; slower while it fails.
 *
 * @param {() => Promise<void>} ask rejects when the server could not be asked
 * @param {{everyMs: number, mostMs?: number, onFailure?: (error: Error) => void}} options
 */
export function poll(ask, { everyMs, mostMs = 10_000, onFailure = () => {} }) {
  let failures = 0;
  let timer = 0;
  let asking = false;

  async function round() {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      await ask();
      failures = 0;
    } catch (error) {
      failures += 1;
      onFailure(error);
    }
    asking = false;
    const backoff = Math.min(mostMs, everyMs * 1.5 ** failures);
    if (!document.hidden) timer = setTimeout(round, Math.max(everyMs, backoff) * (0.9 + Math.random() * 0.2));
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) round();
  });
  addEventListener("online", round);
  round();
}
