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
  /** A page whose modules got lost on the way begins again after so long; each time after twice as long. */
  const AGAIN_MS = 1000;
  const AGAIN_MOST_MS = 30_000;
  const TRIES = "streamer.opening.tries";
  /** As the makers of browsers say it. */
  const IMPORT_FAILED = /dynamically imported module|importing a module/i;

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
  let beginsAgain = false;

  async function loadTheRest() {
    if (loaded) return;
    loaded = true;
    const rest = await whenParsed(() => document.querySelector("template[data-opening]"));
    const content = rest.content.cloneNode(true);
    content.querySelector("script").addEventListener("error", beginAgain);
    for (const told of ["error", "unhandledrejection"]) {
      addEventListener(told, ({ message, reason }) => {
        if (IMPORT_FAILED.test(message ?? reason?.message)) beginAgain();
      });
    }
    addEventListener("opened", () => remember(0), { once: true });
    document.head.append(content);
  }

  /** The network changed, or the server was away: browsers do not ask a second time for a module. */
  async function beginAgain() {
    if (beginsAgain) return;
    beginsAgain = true;
    const tries = remembered();
    remember(tries + 1);
    await new Promise((resolve) => setTimeout(resolve, Math.min(AGAIN_MOST_MS, AGAIN_MS * 2 ** tries)));
    if (!navigator.onLine) await new Promise((resolve) => addEventListener("online", resolve, { once: true }));
    location.reload();
  }

  /** In a frame of another site there may be nowhere to remember anything. */
  function remembered() {
    try {
      return Number(sessionStorage.getItem(TRIES)) || 0;
    } catch {
      return 0;
    }
  }

  function remember(tries) {
    try {
      if (tries) sessionStorage.setItem(TRIES, tries);
      else sessionStorage.removeItem(TRIES);
    } catch {
      // It begins again after the shortest time then.
    }
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
