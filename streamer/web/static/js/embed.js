/** The page `/embed/{stream}`: nothing but the player. Options: `?controls=0`, `?muted=0`. */

import { option, streamFromPath, tokenFromAddress } from "./address.js";
import { offer } from "./whep.js";

const EVERY_MS = 10_000;

const stream = streamFromPath();
const token = tokenFromAddress();
const session = offer(stream, token);
const [{ Player }, { whenParsed }] = await Promise.all([import("./player.js"), import("./dom.js")]);
await whenParsed();
const player = new Player(document.querySelector("video"), { stream, token, muted: option("muted", true) });
window.streamerPlayer = player;
player.start(session);
addEventListener("hashchange", () => player.useToken(tokenFromAddress()));
document.title = `${stream} – Streamer`;

const [{ Controls }, { poll }, { liveStreams }, { Beacon }] = await Promise.all([
  import("./controls.js"),
  import("./polling.js"),
  import("./api.js"),
  import("./beacon.js"),
]);
new Beacon(player);
const bar = option("controls", true);
const controls = new Controls(document.getElementById("player"), player, { bar });
if (bar) {
  const showViewers = async () => {
    const streams = await liveStreams(player.token);
    const about = streams.find(({ name }) => name === stream);
    controls.showViewers(about && about.state !== "offline" ? about.viewers : null);
  };
  poll(showViewers, { everyMs: EVERY_MS, onFailure: () => controls.showViewers(null) });
}
dispatchEvent(new Event("opened")); // opening.js waits for it
