/** The page `/relays`: where the streams go besides their viewers. */

import { showAccount } from "./account_link.js";
import { tokenFromAddress } from "./address.js";
import { liveStreams } from "./api.js";
import { element, showText } from "./dom.js";
import { onClick, showProblem } from "./form.js";
import { poll } from "./polling.js";
import { RelayApi } from "./relay_api.js";
import { RelayCard } from "./relay_card.js";
import { DestinationForm } from "./relay_form.js";

const EVERY_MS = 1500;
const byId = (id) => document.getElementById(id);

const token = tokenFromAddress();
const api = new RelayApi(token);
const form = new DestinationForm(save);
/** @type {Map<string, RelayCard>} */
const cards = new Map();
let lastAnswerAt = null;

addEventListener("hashchange", () => location.reload());
onClick(byId("add"), byId("problem"), () => edit(null));
showAccount(byId("account"));
await api.begin();
poll(refresh, { everyMs: EVERY_MS, onFailure: showFailure });

async function refresh() {
  const { relays } = await api.relays();
  lastAnswerAt = new Date();
  byId("unreachable").hidden = true;
  byId("loading").hidden = true;
  byId("add").hidden = false;
  document.body.removeAttribute("data-stale");
  show(relays);
}

function show(relays) {
  const ids = new Set(relays.map(({ id }) => id));
  for (const [id, card] of cards) {
    if (ids.has(id)) continue;
    card.root.remove();
    cards.delete(id);
  }
  for (const relay of relays) {
    const known = cards.get(relay.id);
    const card = known ?? new RelayCard(relay.id, actions);
    cards.set(relay.id, card);
    card.show(relay);
    if (!known) section(relay.stream).append(card.root);
  }
  for (const each of byId("streams").children) each.hidden = !each.querySelector(".relay");
  byId("empty").hidden = relays.length > 0;
  const count = (...states) => relays.filter(({ state }) => states.includes(state)).length;
  const live = count("live", "degraded");
  const failed = count("failed");
  const told = [`${live} live`, failed ? `${failed} failed` : ""].filter(Boolean).join(" · ");
  showText(byId("summary"), relays.length ? told : "");
  document.title = failed ? `(!) Relays – Streamer` : live ? `(${live}) Relays – Streamer` : "Relays – Streamer";
}

function section(stream) {
  const found = [...byId("streams").children].find(({ dataset }) => dataset.stream === stream);
  if (found) return found.querySelector("ul");
  const list = element("ul", { class: "relays", "aria-label": `Relays of ${stream}` });
  byId("streams").append(element("section", { class: "stream", "data-stream": stream }, element("h2", {}, stream), list));
  return list;
}

const actions = {
  start: (id) => api.start(id).then(refresh),
  stop: (id) => api.stop(id).then(refresh),
  edit,
  remove: async (id) => {
    if (confirm("Remove this destination?")) await api.remove(id).then(refresh);
  },
};

async function edit(id) {
  const [streams, connections, { destinations }] = await Promise.all([
    liveStreams(token),
    api.connections(),
    api.destinations(),
  ]);
  const names = new Set([...streams, ...destinations.map(({ stream }) => ({ name: stream }))].map(({ name }) => name));
  form.open([...names].sort(), connections, destinations.find((each) => each.id === id) ?? null);
}

async function save(id, destination) {
  await (id === null ? api.add(destination) : api.change(id, destination));
  await refresh();
}

function showFailure(error) {
  byId("loading").hidden = true;
  if (error.status === 401 || error.status === 403) {
    showProblem(byId("problem"), new Error(`${error.message}. Sign in as somebody who manages a stream`));
    const link = element("a", { href: "/login?next=/relays" }, "Sign in");
    byId("problem").append(" ", link);
    return;
  }
  const since = lastAnswerAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  byId("unreachable").hidden = false;
  showText(byId("unreachable"), `Server unreachable. ${since ? `What you see is from ${since}.` : ""} Trying again.`);
  document.body.toggleAttribute("data-stale", true);
}
