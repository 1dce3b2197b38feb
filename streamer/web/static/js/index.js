/** The page `/`: the live streams as cards, the others as a quiet list. */

import { showAccount } from "./account_link.js";
import { tokenFromAddress } from "./address.js";
import { liveOverview, watchPage } from "./api.js";
import { Card } from "./card.js";
import { element, showText } from "./dom.js";
import { watching } from "./format.js";
import { poll } from "./polling.js";

const EVERY_MS = 3000;
const byId = (id) => document.getElementById(id);

const token = tokenFromAddress();
/** @type {Map<string, Card>} */
const cards = new Map();
let lastAnswerAt = null;

addEventListener("hashchange", () => location.reload());
showAccount(byId("account"));
showText(byId("watch-url"), `${location.origin}/watch/NAME`);
poll(refresh, { everyMs: EVERY_MS, onFailure: showUnreachable });

async function refresh() {
  const { streams, srt_port: port } = await liveOverview(token);
  lastAnswerAt = new Date();
  showText(byId("publish-url"), `srt://${location.hostname}:${port}?streamid=publish:NAME:KEY`);
  byId("unreachable").hidden = true;
  byId("loading").hidden = true;
  document.body.removeAttribute("data-stale");
  const byTitle = (a, b) => label(a).localeCompare(label(b), undefined, { numeric: true });
  const on = streams.filter(({ state }) => state !== "offline").sort(byTitle);
  const off = streams.filter(({ state }) => state === "offline").sort(byTitle);
  showCards(on);
  showOffline(off);
  byId("empty").hidden = on.length > 0;
  showSummary(on);
}

function showCards(streams) {
  const grid = byId("cards");
  const names = new Set(streams.map(({ name }) => name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    card.remove();
    cards.delete(name);
  }
  streams.forEach((stream, index) => {
    const card = cards.get(stream.name) ?? new Card(stream.name, token);
    cards.set(stream.name, card);
    card.show(stream);
    if (grid.children[index] !== card.root) grid.insertBefore(card.root, grid.children[index] ?? null);
  });
  grid.hidden = streams.length === 0;
}

function showOffline(streams) {
  byId("offline").hidden = streams.length === 0;
  const list = byId("offline-list");
  const now = streams.map(({ name }) => name).join("\n");
  if (list.dataset.names === now) return;
  list.dataset.names = now;
  list.replaceChildren(
    ...streams.map((stream) => element("li", {}, element("a", { href: watchPage(stream.name, token) }, label(stream)))),
  );
}

function showSummary(on) {
  const live = on.filter(({ state }) => state === "live").length;
  const viewers = on.reduce((sum, stream) => sum + stream.viewers, 0);
  showText(byId("summary"), on.length > 0 ? `${live} live · ${watching(viewers)}` : "");
  document.title = live > 0 ? `(${live}) Live – Streamer` : "Streamer";
}

function showUnreachable() {
  const since = lastAnswerAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  byId("loading").hidden = true;
  byId("unreachable").hidden = false;
  showText(byId("unreachable-detail"), since ? `What you see is from ${since}. Trying again.` : "Trying again.");
  document.body.toggleAttribute("data-stale", true);
}

function label({ title, name }) {
  return title || name;
}
