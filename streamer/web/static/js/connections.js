/** The page `/connections`: which accounts on which platforms, connecting, connecting again, disconnecting. */

import { showAccount } from "./account_link.js";
import { connectionRow } from "./connections_card.js";
import { DeviceDialog } from "./connections_device.js";
import { element, showText } from "./dom.js";
import { onClick, showProblem } from "./form.js";
import { ask, Refused, session } from "./session.js";

const byId = (id) => document.getElementById(id);
const problem = byId("problem");

showAccount(byId("account"));

/** What the server says in the address after a platform has sent the browser back. */
const FAILED = {
  access_denied: "was not connected: it was not allowed there",
  not_begun: "was not connected: it was begun in another browser, or too long ago. Connect again",
  no_channel: "was not connected: this account has no channel. Make one there, then connect again",
  unavailable: "was not connected: it did not answer. Try again in a moment",
};

const device = new DeviceDialog(show);
let platforms = [];

start().catch((error) => showProblem(problem, error));

async function start() {
  const now = await session();
  if (!now.name) return location.replace("/login?next=%2Fconnections");
  ({ platforms } = await ask("GET", "/api/v1/platforms"));
  await show();
  tellWhatHappened();
}

async function show() {
  try {
    const { connections } = await ask("GET", "/api/v1/connections");
    byId("loading").hidden = true;
    byId("platforms").replaceChildren(...platforms.map((platform) => sheet(platform, connections)));
    return connections;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return location.replace("/login?next=%2Fconnections");
    throw error;
  }
}

/** Once: a reload should not tell it again. */
async function tellWhatHappened() {
  const asked = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname);
  const name = platforms.find(({ platform }) => platform === asked.get("platform"))?.name ?? "The platform";
  const failed = asked.get("failed");
  if (failed) showProblem(problem, `${name} ${FAILED[failed] ?? "was not connected. The server’s log says why"}`);
  const id = asked.get("connected");
  if (!id) return;
  const { name: account, state } = await ask("GET", `/api/v1/connections/${encodeURIComponent(id)}`);
  if (state === "connected") tell(`${account} is connected.`);
}

function tell(text) {
  byId("done").hidden = false;
  showText(byId("done"), text);
}

function sheet(platform, connections) {
  const mine = connections.filter((connection) => connection.platform === platform.platform);
  const connect = element("button", { type: "button", class: "button button-primary", "data-connect": platform.platform }, mine.length > 0 ? "Connect another" : "Connect");
  const code = element("button", { type: "button", class: "button", "data-device": platform.platform }, "With a code");
  onClick(connect, problem, () => depart(platform, ""));
  onClick(code, problem, () => device.begin(platform, ""));
  const buttons = element("div", { class: "others" }, ...(platform.device_code ? [code] : []), connect);
  return element(
    "section",
    { class: "sheet", "aria-labelledby": `platform-${platform.platform}`, "data-platform": platform.platform },
    element(
      "div",
      { class: "platform-head" },
      element("h2", { id: `platform-${platform.platform}` }, platform.name),
      ...(platform.configured ? [buttons] : []),
    ),
    ...(platform.configured ? [reasons(platform)] : [notConfigured(platform)]),
    ...mine.map((connection) => row(platform, connection)),
  );
}

function reasons({ name, scopes }) {
  return element(
    "details",
    {},
    element("summary", {}, `What ${name} will be asked for, and why`),
    element(
      "ul",
      { class: "reasons" },
      ...scopes.map(({ name: scope, reason }) => element("li", {}, element("code", {}, scope), ` ${reason}`)),
    ),
  );
}

function notConfigured({ name, platform, redirect_url: url }) {
  return element(
    "p",
    { class: "redirect" },
    `To use it, register an application with ${name}, with the redirect address `,
    element("code", {}, url),
    `, and set client_id and client_secret in [platforms.${platform}].`,
  );
}

function row(platform, connection) {
  return connectionRow(platform, connection, problem, {
    again: () => depart(platform, connection.id),
    againWithCode: platform.device_code ? () => device.begin(platform, connection.id) : null,
    pick: async (page) => {
      await ask("PATCH", `/api/v1/connections/${connection.id}`, { page });
      await show();
    },
    leave: () => disconnect(platform, connection),
  });
}

async function depart({ platform }, again) {
  const { authorization_url: url } = await ask("POST", `/api/v1/platforms/${platform}/connections`, { again });
  location.assign(url);
  // The buttons stay as they are until the browser has left.
  await new Promise((resolve) => setTimeout(resolve, 5000));
}

async function disconnect({ name }, connection) {
  const dialog = byId("leave");
  showText(byId("leave-text"), `${name} is told to forget this server, and the tokens of ${connection.name} and all that was read with them are erased here. Relays to it stop working.`);
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "yes") return;
  const { message } = await ask("DELETE", `/api/v1/connections/${connection.id}`);
  await show();
  tell(`${connection.name}: ${message}.`);
}
