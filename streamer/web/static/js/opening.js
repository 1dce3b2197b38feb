/**
 * The first moments of a page that plays a stream: nothing comes before its picture.
 *
 * A classic script, and with offer.js the first of its page: it makes the offer and shows what comes, before there is
 * a player. The server puts both into the page itself. What only waits for a picture stands in the page's
 * `<template data-opening>`, its modules above all, and is loaded after it: earlier it would be in the picture's way.
 */
(() => {
  "use strict";

  /** No picture by then, and the page goes on to say so. */
  const PICTURE_WITHIN_MS = 1000;

  function open() {
    const name = location.pathname.split("/")[2];
    if (!name || typeof RTCPeerConnection === "undefined") {
      loadTheRest();
      return;
    }
    const first = new WhepOffer(endpointOf(name));
    const token = givenToken();
    const reply = first.send(token ? { Authorization: `Bearer ${token}` } : {});
    first.sent = { token, reply };
    WhepOffer.first = first;
    show(first, reply).catch(loadTheRest);
    setTimeout(loadTheRest, PICTURE_WITHIN_MS);
  }

  async function show(first, reply) {
    const { response, text } = await reply;
    // A stream that is encrypted end to end is asked for anew.
    if (response.status !== 201 || response.headers.has("Link")) throw new Error("the player's business");
    const media = await first.accept(text);
    const video = await whenParsed(() => document.querySelector("video"));
    if (!video.requestVideoFrameCallback) throw new Error("it will not say when it shows a picture");
    video.requestVideoFrameCallback(() => {
      first.firstFrameAt = performance.now();
      loadTheRest();
    });
    video.srcObject ??= media;
  }

  let loaded = false;

  async function loadTheRest() {
    if (loaded) return;
    loaded = true;
    const rest = await whenParsed(() => document.querySelector("template[data-opening]"));
    document.head.append(rest.content.cloneNode(true));
  }

  /** What `find` finds, once all of the page's markup is there. */
  async function whenParsed(find) {
    if (document.readyState === "loading") {
      await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
    }
    return find();
  }

  /** The address as whep.js has it. */
  function endpointOf(name) {
    try {
      return `/whep/${encodeURIComponent(decodeURIComponent(name))}`;
    } catch {
      return `/whep/${encodeURIComponent(name)}`;
    }
  }

  /** As address.js finds it, which also moves one in the query out of sight. */
  function givenToken() {
    const query = new URLSearchParams(location.search).get("token");
    return query || (new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
  }

  open();
})();
