/** The page `/dashboard`: who watches now, as it changes, and the past of the stream that is chosen. */

import { showAccount } from "./account_link.js";
import { rememberToken, tokenFromAddress } from "./address.js";
import { ask, exported, listen } from "./analytics.js";
import { bars, columns, curve } from "./charts.js";
import { element, showSentence, showText } from "./dom.js";
import { bytes, duration, number, quantity, watching } from "./format.js";

const PICTURE_EVERY_MS = 5000;
const PAST_EVERY_MS = 15_000;
const AGAIN_MS = 3000;
const PAGE = 50;
/** The server answers for no longer span, seconds. */
const LONGEST = 3650 * 86_400;
const byId = (id) => document.getElementById(id);

const token = tokenFromAddress();
/** @type {Map<string, {root: HTMLElement, button: HTMLElement, picture: HTMLImageElement, now: Node, about: Node, live: boolean}>} */
const tiles = new Map();
let chosen = "";
let next = "";
/** Answers to an earlier question are not shown. */
let asked = 0;

showAccount(byId("account"));
addEventListener("hashchange", () => location.reload());
byId("home").href = token ? `/#token=${encodeURIComponent(token)}` : "/";
byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  rememberToken(byId("token").value.trim());
});
byId("range").addEventListener("submit", (event) => event.preventDefault());
byId("range").addEventListener("change", () => {
  byId("dates").hidden = byId("span").value !== "";
  showPast();
});
byId("download").addEventListener("click", download);
byId("more").addEventListener("click", () => showSessions(asked, next));
setInterval(showPictures, PICTURE_EVERY_MS);
setInterval(() => document.hidden || showPast(true), PAST_EVERY_MS);
follow();

/** Listen for ever; a server that is gone is asked again. */
async function follow() {
  for (;;) {
    try {
      await listen(token, showLive);
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        byId("ask").hidden = false;
        showText(byId("refused"), token ? error.message : "");
        return;
      }
      showTrouble(error);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function showLive({ streams, viewers }) {
  byId("trouble").hidden = true;
  showText(byId("summary"), watching(viewers));
  for (const [name, tile] of tiles) {
    if (streams.some((stream) => stream.name === name)) continue;
    tile.root.remove();
    tiles.delete(name);
  }
  for (const stream of streams) {
    const tile = tiles.get(stream.name) ?? newTile(stream);
    const fresh = stream.live && !tile.live;
    tile.live = stream.live;
    showText(tile.now, number(stream.viewers));
    const elsewhere = Object.values(stream.platform_viewers).reduce((sum, each) => sum + each, 0);
    const about = [
      stream.live ? "live" : "offline",
      stream.quality === null ? "" : `quality ${number(stream.quality)}`,
      elsewhere ? `${number(elsewhere)} elsewhere` : "",
      `peak ${number(stream.peak_viewers)}`,
    ];
    showText(tile.about, about.filter(Boolean).join(" · "));
    if (fresh) showPicture(stream.name, tile);
  }
  if (!chosen && streams.length > 0) choose(streams.toSorted((a, b) => b.viewers - a.viewers)[0].name);
}

function newTile({ name, title }) {
  const picture = element("img", { alt: "", hidden: true });
  const now = element("span", { class: "now" });
  const about = element("span", {});
  const text = element("span", { class: "tile-text" }, element("strong", {}, title || name), now, about);
  const stage = element("span", { class: "tile-stage" }, picture);
  const button = element("button", { type: "button", class: "tile", "aria-pressed": "false" }, stage, text);
  const root = element("li", {}, button);
  button.addEventListener("click", () => {
    choose(name);
    // Below many tiles nobody would see that anything came of it.
    const past = byId("past");
    if (past.getBoundingClientRect().top > innerHeight / 2) past.scrollIntoView();
  });
  byId("wall").append(root);
  const tile = { root, button, picture, now, about, live: false };
  tiles.set(name, tile);
  return tile;
}

function showPictures() {
  if (document.hidden) return;
  for (const [name, tile] of tiles) if (tile.live) showPicture(name, tile);
}

async function showPicture(name, { picture }) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(`/thumbnails/${encodeURIComponent(name)}.jpg`, { headers }).catch(() => null);
  if (!response?.ok) return;
  const before = picture.src;
  picture.src = URL.createObjectURL(await response.blob());
  picture.hidden = false;
  if (before) URL.revokeObjectURL(before);
}

function choose(name) {
  chosen = name;
  for (const [each, { button }] of tiles) button.setAttribute("aria-pressed", String(each === name));
  byId("past").hidden = false;
  showText(byId("stream"), name);
  showPast();
}

/** @returns {{from: number, to: number}} the span that is chosen, seconds; days are those of the clock on the wall */
function span() {
  const seconds = Number(byId("span").value);
  const now = Date.now() / 1000;
  if (seconds) return { from: now - seconds, to: now };
  const today = new Date();
  const [first, last] = ["from", "to"]
    .map((id) => byId(id).value.split("-").map(Number))
    .map(([year, month, day]) => (day ? new Date(year, month - 1, day) : today))
    // Whichever was entered first.
    .toSorted((a, b) => a - b);
  const midnight = (date, days) => new Date(date.getFullYear(), date.getMonth(), date.getDate() + days) / 1000;
  const to = Math.max(60, Math.min(midnight(last, 1), midnight(today, 1)));
  return { from: Math.max(0, to - LONGEST, Math.min(midnight(first, 0), to - 60)), to };
}

/** @param {boolean} [again] what is shown already, as it is now */
async function showPast(again = false) {
  if (!chosen) return;
  asked += 1;
  const question = asked;
  const about = `streams/${encodeURIComponent(chosen)}`;
  const between = span();
  try {
    const [summary, series, countries, devices] = await Promise.all([
      ask(about, token, between),
      ask(`${about}/series`, token, between),
      ask(`${about}/breakdown`, token, { ...between, by: "country" }),
      ask(`${about}/breakdown`, token, { ...between, by: "device" }),
    ]);
    if (question !== asked) return;
    showFigures(summary);
    showConcurrent(series, between);
    showRetention(summary.retention);
    byId("quality").replaceChildren(
      columns({
        values: summary.quality_histogram,
        labels: summary.quality_histogram.map((_, i) => `${(i + 1) * 10}`),
        label: "Sessions by quality, in tens",
      }),
    );
    showShares("countries", countries, between);
    showShares("devices", devices, between);
    byId("trouble").hidden = true;
    // Who has leafed on reads there.
    if (!again || byId("sessions").childElementCount <= PAGE) await showSessions(question, "");
  } catch (error) {
    if (question === asked) showTrouble(error);
  }
}

function showFigures(summary) {
  const figures = {
    Plays: number(summary.plays),
    "Unique viewers": number(summary.unique_viewers),
    Peak: number(summary.peak_viewers),
    Watched: duration(summary.watch_seconds),
    "Per play": duration(summary.average_watch_seconds),
    Start: quantity(summary.join_ms_p50, "ms"),
    Quality: number(summary.quality),
    Frozen: duration(summary.frozen_seconds),
    Loss: `${number(summary.loss_ratio * 100, 2)} %`,
    Traffic: bytes(summary.bytes),
  };
  byId("figures").replaceChildren(
    ...Object.entries(figures).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

function showConcurrent({ points, step_seconds: step }, { from, to }) {
  const filled = [];
  let before = from - step;
  for (const { at, viewers, peak_viewers: top } of points) {
    // Where there is no point nobody watched.
    if (at - before > step) filled.push({ x: Math.max(from, before + step), y: 0, top: 0 }, { x: at - 1, y: 0, top: 0 });
    filled.push({ x: Math.max(from, at), y: viewers, top });
    before = at;
  }
  const seconds = to - from;
  const form = seconds <= 2 * 86_400 ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const ticks = [0.1, 0.37, 0.63, 0.9].map((share) => {
    const at = from + share * seconds;
    return { at, label: new Date(at * 1000).toLocaleString([], form) };
  });
  const width = innerWidth < 600 ? 360 : 1200;
  byId("concurrent").replaceChildren(
    curve({ points: filled, from, to, ticks, width, value: (y) => number(y), label: "Concurrent viewers over time" }),
  );
}

function showRetention(points) {
  const last = points.at(-1)?.seconds ?? 60;
  // Minutes are far apart at the end, and close together at the beginning.
  const scale = (seconds) => Math.sqrt(seconds / Math.max(1, last));
  const ticks = points.filter((_, i) => i > 0 && (points.length < 7 || i % Math.ceil(points.length / 5) === 0));
  byId("retention").replaceChildren(
    curve({
      points: points.map(({ seconds, share }) => ({ x: scale(seconds), y: share * 100 })),
      from: 0,
      to: 1,
      most: 100,
      width: 400,
      ticks: ticks.map(({ seconds }) => ({ at: scale(seconds), label: duration(seconds) })),
      value: (y) => `${number(y)} %`,
      label: "Share of viewers still watching",
    }),
  );
}

function showShares(id, { shares, withheld, threshold, from, to }, wanted) {
  const rows = shares.slice(0, 8).map(({ value, watch_seconds: seconds, viewers }) => ({
    label: value || "unknown",
    value: seconds,
    text: `${number(viewers)} · ${duration(seconds)}`,
  }));
  const hidden = `Fewer than ${threshold} viewers each; not shown.`;
  const parts = [bars(rows, withheld ? hidden : "Nobody yet.")];
  if (withheld && rows.length > 0) parts.push(element("p", { class: "quiet" }, `Others: fewer than ${threshold} viewers each.`));
  if (from < wanted.from - 1 || to > wanted.to + 1) parts.push(element("p", { class: "quiet" }, `Of whole days (UTC): ${days(from, to)}.`));
  byId(id).replaceChildren(...parts);
}

async function showSessions(question, before) {
  const query = { ...span(), limit: PAGE, before };
  const answer = await ask(`streams/${encodeURIComponent(chosen)}/sessions`, token, query);
  if (question !== asked) return;
  next = answer.next;
  byId("more").hidden = next === "";
  const rows = answer.sessions.map((each) =>
    element(
      "tr",
      {},
      ...[
        new Date(each.started_at * 1000).toLocaleString([], { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
        duration(each.watch_s),
        number(each.quality),
        quantity(each.start_ms, "ms"),
        each.frozen_s ? `${number(each.frozen_s, 1)} s` : "–",
        each.packets ? `${number((100 * each.lost) / each.packets, 2)} %` : "–",
        [each.device, each.browser].filter(Boolean).join(", ") || "–",
        each.region || each.country || "–",
        each.reason,
      ].map((text) => element("td", {}, text)),
    ),
  );
  if (before) byId("sessions").append(...rows);
  else byId("sessions").replaceChildren(...rows);
}

async function download() {
  try {
    const file = await exported(chosen, token, { ...span(), format: "csv" });
    const link = element("a", { href: URL.createObjectURL(file), download: `${chosen}-sessions.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (error) {
    showTrouble(error);
  }
}

function showTrouble(error) {
  byId("trouble").hidden = false;
  showSentence(byId("trouble"), error.status ? error.message : "The server cannot be reached. Trying again.");
}

/** @returns {string} `Nov 20` or `Nov 20 – Nov 22`, of spans that begin and end at midnight UTC */
function days(from, to) {
  const form = { day: "numeric", month: "short", timeZone: "UTC" };
  const [first, last] = [from, to - 86_400].map((at) => new Date(at * 1000).toLocaleDateString([], form));
  return first === last ? first : `${first} – ${last}`;
}
