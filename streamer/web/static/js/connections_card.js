/** One connected account: whose, in which state, what it may, and what can be done with it. */

import { element } from "./dom.js";
import { onClick } from "./form.js";

const SOON_S = 14 * 86400;

/**
 * @param {object} platform as `GET /api/v1/platforms` describes it
 * @param {object} connection as `GET /api/v1/connections` describes it
 * @param {HTMLElement} problem where to say what went wrong
 * @param {{again: () => Promise<void>, againWithCode: (() => Promise<void>)|null, pick: (page: string) => Promise<void>,
 *   leave: () => Promise<void>}} actions
 * @returns {HTMLElement}
 */
export function connectionRow(platform, connection, problem, actions) {
  const works = connection.state === "connected";
  const again = element("button", { type: "button", class: works ? "button" : "button button-primary", "data-again": connection.id }, "Reconnect");
  const leave = element("button", { type: "button", class: "button", "data-leave": connection.id }, "Disconnect");
  onClick(again, problem, actions.again);
  onClick(leave, problem, actions.leave);
  return element(
    "article",
    { class: "connection", "data-connection": connection.id, "data-state": connection.state },
    element(
      "div",
      { class: "connection-head" },
      element(
        "div",
        {},
        element("strong", {}, connection.name),
        element("span", { class: works ? "state" : "state state-reconnect" }, works ? "Connected" : "Reconnect"),
        element("p", { class: "redirect" }, about(connection)),
      ),
      element("div", { class: "others" }, ...(works ? [] : [again]), ...more(works, problem, actions), leave),
    ),
    ...(works ? [] : [element("p", { class: "warning" }, sentence(connection.reason))]),
    ...(connection.pages.length > 0 ? [picker(connection, problem, actions)] : []),
    scopes(connection),
  );
}

function more(works, problem, actions) {
  if (works || !actions.againWithCode) return [];
  const code = element("button", { type: "button", class: "button" }, "With a code");
  onClick(code, problem, actions.againWithCode);
  return [code];
}

function picker(connection, problem, actions) {
  const id = `page-${connection.id}`;
  const own = connection.account_can_publish ? [["", `${connection.name} (the profile itself)`]] : [];
  const choices = [...own, ...connection.pages.map(({ id: page, name }) => [page, name])];
  const select = element(
    "select",
    { id },
    ...choices.map(([value, name]) => element("option", { value, selected: value === connection.page }, name)),
  );
  select.addEventListener("change", async () => {
    try {
      await actions.pick(select.value);
    } catch (error) {
      problem.hidden = false;
      problem.textContent = sentence(error.message);
    }
  });
  return element("div", { class: "fields" }, element("label", { for: id }, "Publish as"), select);
}

function scopes({ scopes: granted, missing_scopes: missing }) {
  return element(
    "details",
    {},
    element("summary", {}, granted.length === 1 ? "What it may" : `What it may: ${granted.length} permissions`),
    element(
      "ul",
      { class: "reasons" },
      ...granted.map(({ name, reason }) => element("li", {}, element("code", {}, name), ` ${reason}`)),
      ...missing.map((name) => element("li", {}, element("code", {}, name), " was not allowed")),
    ),
  );
}

function about({ owner, connected_at: at, expires_at: until }) {
  const day = (seconds) => new Date(seconds * 1000).toLocaleDateString([], { dateStyle: "medium" });
  const whose = owner === "account" ? "Yours alone" : "For everybody who manages this server";
  // Long before its end it is renewed by itself; what is that near to it was not, or cannot be.
  const soon = until && until - Date.now() / 1000 < SOON_S;
  return `${whose} · since ${day(at)}${soon ? ` · must be connected again by ${day(until)}` : ""}`;
}

function sentence(text) {
  const trimmed = text.trim();
  return trimmed ? trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".") : "";
}
