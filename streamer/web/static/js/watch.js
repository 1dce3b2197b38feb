/** The page `/watch/{stream}`: the player first, everything else once the offer is on its way. */

import { streamFromPath, tokenFromAddress } from "./address.js";
import { Player } from "./player.js";

const stream = streamFromPath();
const player = new Player(document.querySelector("video"), { stream, token: tokenFromAddress() });
window.streamerPlayer = player;
player.start();
addEventListener("hashchange", () => player.useToken(tokenFromAddress()));

if (document.readyState === "loading") {
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}
const [{ dressWatchPage }, { Beacon }] = await Promise.all([import("./watch_page.js"), import("./beacon.js")]);
dressWatchPage(player);
new Beacon(player);
