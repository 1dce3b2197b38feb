/** What surrounds the player on `/watch/{stream}`: the title, who watches, what is sent, how to share it. */

import { showAccount } from "./account_link.js";
import { liveStreams, watchPage } from "./api.js";
import { Controls } from "./controls.js";
import { copyButton, element, icon, showText } from "./dom.js";
import { bitrate, duration, picture, sound, watching } from "./format.js";
import { poll } from "./polling.js";

const EVERY_MS = 5000;
const byId = (id) => document.getElementById(id);

/** @param {import("./player.js").Player} player already connecting */
export function dressWatchPage(player) {
  const controls = new Controls(byId("player"), player);
  showTitle(player.stream);
  showAccount(byId("account")).then((actions) => {
    byId("publish").href = `/publish/${encodeURIComponent(player.stream)}`;
    byId("publish").hidden = !actions.includes("publish");
  });
  player.addEventListener("state", () => showTitle(byId("title").textContent, player.state));
  // Without the token: who passes a link on does not mean to pass on their own right to watch.
  copyButton(byId("copy-link"), () => new URL(watchPage(player.stream), location.href).href);
  copyButton(byId("copy-embed"), () => embedCode(player.stream));
  byId("home").href = player.token ? `/#token=${encodeURIComponent(player.token)}` : "/";
  poll(
    async () => {
      const streams = await liveStreams(player.token);
      const about = streams.find(({ name }) => name === player.stream);
      showAbout(about, player);
      controls.showViewers(about && about.state !== "offline" ? about.viewers : null);
    },
    {
      everyMs: EVERY_MS,
      onFailure: () => {
        showText(byId("facts"), "");
        controls.showViewers(null);
      },
    },
  );
}

function showTitle(title, state = "") {
  showText(byId("title"), title);
  document.title = `${state === "playing" ? "● " : ""}${title} – Streamer`;
}

/** @param {import("./api.js").LiveStream|undefined} about undefined: not a public stream */
function showAbout(about, player) {
  if (about) showTitle(about.title || about.name, player.state);
  const on = about && about.state !== "offline";
  const facts = on ? [`Live for ${duration(about.uptime_s)}`, watching(about.viewers)] : [];
  if (about?.state === "waiting") facts[0] = "Publisher away";
  showText(byId("facts"), facts.join(" · "));
  const media = on
    ? [["Picture", picture(about.video).join(" · ")], ["Sound", sound(about.audio).join(" · ") || "none"], ["Bit rate", bitrate(about.bitrate_bps)]]
    : [];
  byId("media").replaceChildren(
    ...media.filter(([, value]) => value).map(([label, value]) => element("div", {}, element("dt", {}, label), element("dd", {}, value))),
  );
  byId("warnings").replaceChildren(
    ...(about?.warnings ?? []).map((warning) => element("p", { class: "warning" }, icon("warning"), element("span", {}, warning))),
  );
}

function embedCode(stream) {
  const frame = element("iframe", {
    src: new URL(watchPage(stream).replace("/watch/", "/embed/"), location.href).href,
    width: 640,
    height: 360,
    allow: "autoplay; fullscreen; picture-in-picture",
    title: byId("title").textContent,
  });
  return frame.outerHTML;
}
