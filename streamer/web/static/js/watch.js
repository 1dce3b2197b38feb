/** The page `/watch/{stream}`: the offer first, then the player that takes it over, then everything else. */

import { streamFromPath, tokenFromAddress } from "./address.js";
import { offer } from "./whep.js";

const stream = streamFromPath();
const token = tokenFromAddress();
const session = offer(stream, token);
const [{ Player }, { whenParsed }] = await Promise.all([import("./player.js"), import("./dom.js")]);
await whenParsed();
const player = new Player(document.querySelector("video"), { stream, token });
window.streamerPlayer = player;
player.start(session);
addEventListener("hashchange", () => player.useToken(tokenFromAddress()));

const [{ dressWatchPage }, { Beacon }] = await Promise.all([import("./watch_page.js"), import("./beacon.js")]);
dressWatchPage(player);
new Beacon(player);
dispatchEvent(new Event("opened")); // opening.js waits for it
