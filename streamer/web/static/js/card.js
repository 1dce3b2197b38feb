/** One stream on the index page. It is changed in place, so that nothing flickers and focus stays. */

import { picture as fetchPicture, watchPage } from "./api.js";
import { element, icon, showText } from "./dom.js";
import { bitrate, duration, picture, sound, watching } from "./format.js";

const THUMBNAIL_EVERY_MS = 10_000;

export class Card {
  constructor(name, token) {
    this.token = token;
    this.loadedAt = -Infinity;
    this.loadedFrom = null;
    this.objectUrl = null;
    this.image = element("img", { class: "card-picture", alt: "", hidden: true });
    this.badge = element("span", { class: "live-badge" }, element("i"), element("span"));
    this.viewers = element("span");
    this.title = element("h2", { class: "card-title" });
    this.since = element("p", { class: "card-since" });
    this.media = element("p", { class: "card-media" });
    this.warning = element("p", { class: "warning", hidden: true }, icon("warning"), element("span"));
    this.root = element(
      "li",
      { class: "card" },
      element(
        "a",
        { href: watchPage(name, token) },
        element(
          "div",
          { class: "card-stage" },
          icon("mark"),
          this.image,
          this.badge,
          element("span", { class: "card-viewers" }, icon("eye"), this.viewers),
        ),
        element("div", { class: "card-text" }, this.title, this.since, this.media),
      ),
      this.warning,
    );
  }

  /** @param {import("./api.js").LiveStream} stream */
  show(stream) {
    const live = stream.state === "live";
    this.root.dataset.state = stream.state;
    showText(this.badge.lastChild, live ? "Live" : "Away");
    showText(this.viewers, stream.viewers.toLocaleString("en"));
    this.viewers.parentElement.title = watching(stream.viewers);
    showText(this.title, stream.title || stream.name);
    showText(this.since, live ? `Live for ${duration(stream.uptime_s)}` : "The publisher is away");
    const [audioCodec] = sound(stream.audio);
    const facts = [...picture(stream.video), audioCodec, stream.bitrate_bps > 0 ? bitrate(stream.bitrate_bps) : ""];
    showText(this.media, facts.filter(Boolean).join(" · "));
    const [first, ...more] = stream.warnings ?? [];
    this.warning.hidden = !first;
    showText(this.warning.lastChild, first ? first + (more.length > 0 ? ` (and ${more.length} more)` : "") : "");
    this.#showThumbnail(stream.thumbnail);
  }

  remove() {
    this.root.remove();
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
  }

  async #showThumbnail(path) {
    if (!path || path === this.loadedFrom || performance.now() - this.loadedAt < THUMBNAIL_EVERY_MS) return;
    this.loadedAt = performance.now();
    let next = null;
    try {
      const blob = await fetchPicture(path, this.token);
      if (!blob) return;
      next = URL.createObjectURL(blob);
      // Decoded before it is shown: the old picture stays until the new one can replace it in one step.
      const image = element("img", { class: "card-picture", alt: "", src: next });
      await image.decode();
      this.image.replaceWith(image);
      this.image = image;
      this.loadedFrom = path.includes("?") ? path : null;
      [this.objectUrl, next] = [next, this.objectUrl];
    } catch {
      // No picture, or not one; the old one stays and the next round asks again.
    } finally {
      if (next) URL.revokeObjectURL(next);
    }
  }
}
