/** The page `/recordings`: what there is, the latest first, and what hinders streams from being recorded. */

import { showAccount } from "./account_link.js";
import { tokenFromAddress } from "./address.js";
import { Asker } from "./asker.js";
import { arrange, element, icon, showText } from "./dom.js";
import { onClick, showProblem } from "./form.js";
import { bytes, number } from "./format.js";
import { poll } from "./polling.js";
import { RecordingPlayer } from "./recording_player.js";
import { RecordingRow } from "./recording_row.js";

const EVERY_MS = 5000;
/** So many are asked for at once. */
const PAGE = 100;
const DAY = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
const byId = (id) => document.getElementById(id);

const api = new Asker(tokenFromAddress());
const player = new RecordingPlayer((path) => api.address(path));
/** @type {Map<string, RecordingRow>} by id, the latest first */
let rows = new Map();
let stream = new URLSearchParams(location.search).get("stream") ?? "";
let hasOlder = false;
let lastAnswerAt = null;

addEventListener("hashchange", () => location.reload());
onClick(byId("older"), byId("problem"), showOlder);
byId("stream").addEventListener("change", () => choose(byId("stream").value));
showAccount(byId("account"));
await api.begin();
poll(refresh, { everyMs: EVERY_MS, onFailure: showFailure });

async function refresh() {
  const asked = stream;
  const [found, { streams }] = await Promise.all([list(asked), api.ask("GET", "/api/v1/streams")]);
  if (asked !== stream) return; // another one was chosen meanwhile, and is asked for already
  lastAnswerAt = new Date();
  for (const id of ["unreachable", "loading", "problem"]) byId(id).hidden = true;
  document.body.removeAttribute("data-stale");
  showStreams(streams);
  showTroubles(streams);
  if (rows.size < PAGE) hasOlder = found.length === PAGE;
  // Of those before the ones that came now nothing new is known.
  const known = [...rows.values()].map(({ recording }) => recording);
  const last = found.at(-1)?.began_at ?? -Infinity;
  show([...found, ...(found.length < PAGE ? [] : known.filter(({ began_at: at }) => at < last))]);
}

async function list(stream, before = null) {
  const query = new URLSearchParams({ limit: PAGE });
  if (stream) query.set("stream", stream);
  if (before !== null) query.set("before", before);
  return (await api.ask("GET", `/api/v1/recordings?${query}`)).recordings;
}

async function showOlder() {
  const known = [...rows.values()].map(({ recording }) => recording);
  const asked = stream;
  const found = await list(asked, known.at(-1)?.began_at ?? null);
  if (asked !== stream) return;
  hasOlder = found.length === PAGE;
  show([...known, ...found]);
}

function choose(name) {
  stream = name;
  const url = new URL(location.href);
  if (name) url.searchParams.set("stream", name);
  else url.searchParams.delete("stream");
  history.replaceState(history.state, "", url);
  rows = new Map();
  byId("days").replaceChildren();
  byId("loading").hidden = false;
  byId("empty").hidden = byId("older").hidden = true;
  return refresh().catch(showFailure);
}

function show(recordings) {
  const before = rows;
  rows = new Map(recordings.map((each) => [each.id, before.get(each.id) ?? row(each)]));
  /** @type {Map<string, Element[]>} */
  const days = new Map();
  for (const each of recordings) {
    const { root } = rows.get(each.id);
    rows.get(each.id).show(each);
    const day = new Date(each.began_at * 1000).toLocaleDateString([], DAY);
    if (!days.has(day)) days.set(day, []);
    days.get(day).push(root);
  }
  const known = new Map([...byId("days").children].map((each) => [each.dataset.day, each]));
  const sections = [...days].map(([day, roots]) => {
    const found = known.get(day) ?? section(day);
    arrange(found.querySelector("ul"), roots);
    return found;
  });
  arrange(byId("days"), sections);
  byId("empty").hidden = recordings.length > 0;
  byId("older").hidden = !hasOlder;
  showSummary(recordings);
}

function row(recording) {
  const address = api.address(`/api/v1/recordings/${encodeURIComponent(recording.id)}`);
  return new RecordingRow((shown) => player.open(shown), remove, address);
}

function section(day) {
  return element("section", { class: "day", "data-day": day }, element("h2", {}, day), element("ul", { class: "recordings" }));
}

async function remove({ id }) {
  if (!confirm("Remove this recording for good?")) return;
  await api.ask("DELETE", `/api/v1/recordings/${encodeURIComponent(id)}`);
  await refresh();
}

function showSummary(recordings) {
  const size = recordings.reduce((sum, each) => sum + each.bytes, 0);
  const running = recordings.filter(({ complete }) => !complete).length;
  const count = `${number(recordings.length)} ${recordings.length === 1 ? "recording" : "recordings"}${hasOlder ? " shown" : ""}`;
  const told = [count, bytes(size), running ? `${running} being written` : ""].filter(Boolean).join(" · ");
  showText(byId("summary"), recordings.length ? told : "");
}

/** The streams to choose from; the one that is chosen stays, configured or not. */
function showStreams(streams) {
  const names = [...new Set([...streams.map(({ name }) => name), ...(stream ? [stream] : [])])].sort();
  const select = byId("stream");
  byId("filter").hidden = names.length < 2;
  if ([...select.options].slice(1).map(({ value }) => value).join("\n") !== names.join("\n")) {
    select.replaceChildren(select.options[0], ...names.map((name) => element("option", { value: name }, name)));
  }
  select.value = stream;
}

function showTroubles(streams) {
  const troubles = streams.filter(({ name, recording }) => recording?.problem && (!stream || name === stream));
  const list = byId("troubles");
  const known = new Map([...list.children].map((each) => [each.dataset.stream, each]));
  const items = troubles.map(({ name, recording }) => {
    const item = known.get(name) ?? element("li", { class: "warning", role: "status", "data-stream": name }, icon("warning"), element("span"));
    showText(item.lastChild, `${name}: ${recording.problem}`);
    return item;
  });
  arrange(list, items);
}

function showFailure(error) {
  byId("loading").hidden = true;
  if (error.status === 401 || error.status === 403) {
    showProblem(byId("problem"), new Error(`${error.message}. Sign in as somebody who manages a stream`));
    byId("problem").append(" ", element("a", { href: "/login?next=/recordings" }, "Sign in"));
    return;
  }
  const since = lastAnswerAt?.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  byId("unreachable").hidden = false;
  showText(byId("unreachable"), `Server unreachable. ${since ? `What you see is from ${since}.` : ""} Trying again.`);
  document.body.toggleAttribute("data-stale", true);
}
