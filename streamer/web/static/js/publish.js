/** The page `/publish/{stream}`: a camera, or the screen, becomes the stream. */

import { showAccount } from "./account_link.js";
import { streamFromPath, tokenFromAddress } from "./address.js";
import { QUALITIES, capture, devices } from "./capture.js";
import { element, showText } from "./dom.js";
import { showProblem } from "./form.js";
import { bitrate, duration, number } from "./format.js";
import { WhipSession, whipEndpoint } from "./whip.js";

/** Before trying again; whoever is silent for 2 s gives way on the server. */
const PAUSES_MS = [500, 2000, 4000, 8000];
const CONNECT_TIMEOUT_MS = 15_000;
const MEASURE_EVERY_MS = 1000;
/** An encoder that is there has begun by then. */
const FIRST_PICTURE_WITHIN_MS = 4000;
/** Refusals that another try does not change. */
const FINAL = new Set([400, 401, 403, 404, 406]);

const NO_PICTURE =
  "This browser sends no picture: it seems to have no H.264 encoder. Firefox fetches one a while after its first start; Chrome, Edge and Safari have one.";

const byId = (id) => document.getElementById(id);
const stream = streamFromPath();
const fields = ["source", "camera", "microphone", "quality", "key"].map(byId);

/**
 * What is being published; `lack` says what went missing on the way.
 *
 * @type {{media: MediaStream, isScreen: boolean, session: WhipSession|null, beganAt: number|null, lack: Error|null}|null}
 */
let broadcast = null;

showText(byId("title"), `Publish ${stream}`);
document.title = `Publish ${stream} – Streamer`;
byId("watch").href = `/watch/${encodeURIComponent(stream)}`;
byId("key").value = new URLSearchParams(location.hash.slice(1)).get("key") || tokenFromAddress();
showAccount(byId("account"));
if (!navigator.mediaDevices?.getDisplayMedia) byId("source").querySelector('[value="screen"]').remove();
showDevices();
byId("source").addEventListener("change", showDevices);
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!broadcast) start();
});
byId("stop").addEventListener("click", () => stop());
addEventListener("pagehide", () => stop());
setInterval(measure, MEASURE_EVERY_MS);

async function start() {
  const [source, camera, microphone, quality] = fields.map(({ value }) => value);
  showProblem(byId("problem"), null);
  byId("start").disabled = true;
  try {
    const media = await capture({ source, camera, microphone, quality });
    broadcast = { media, isScreen: source === "screen", session: null, beganAt: null, lack: null };
  } catch (error) {
    showProblem(byId("problem"), error);
    return;
  } finally {
    byId("start").disabled = false;
  }
  show();
  byId("stop").focus({ preventScroll: true }); // what had the focus cannot keep it
  showDevices(); // which have names now
  const own = broadcast;
  for (const track of own.media.getTracks()) track.addEventListener("ended", () => own === broadcast && lose(own, track));
  byId("preview").srcObject = own.media;
  await publish(own);
}

/** The browser's own "Stop sharing", or a device that is pulled out. A picture without sound is better than none. */
function lose({ media, isScreen }, track) {
  if (track.kind === "audio" && media.getVideoTracks().length > 0) {
    media.removeTrack(track);
    broadcast.lack = new Error("The microphone is gone; the picture goes on without sound.");
    showProblem(byId("problem"), broadcast.lack);
  } else if (isScreen) {
    stop();
  } else {
    stop(new Error(`The ${track.kind === "video" ? "camera" : "microphone"} is gone.`));
  }
}

/** Publish until it is stopped, beginning anew whenever the connection ends. */
async function publish(own) {
  for (let failures = 0; own === broadcast; failures += 1) {
    let askAgainS = null;
    try {
      await once(own);
      failures = 0;
    } catch (error) {
      if (own !== broadcast) return;
      if (FINAL.has(error.status)) return stop(error);
      showProblem(byId("problem"), error);
      askAgainS = error.retryAfterS;
    }
    if (own !== broadcast) return;
    showText(byId("state"), own.beganAt === null ? "Not live yet. Trying again." : "Connection lost. Connecting again.");
    const pauseMs = Math.max(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)], 1000 * (askAgainS ?? 0));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** One connection, until it ends. */
async function once(own) {
  const { bitrateBps } = QUALITIES[byId("quality").value];
  const session = new WhipSession(whipEndpoint(stream), byId("key").value.trim(), own.media, bitrateBps);
  own.session = session;
  showText(byId("state"), "Connecting");
  try {
    await session.start();
    const wasConnected = await ended(session, () => {
      own.beganAt ??= performance.now();
      showProblem(byId("problem"), own.lack);
      show();
    });
    if (!wasConnected && own === broadcast) throw new Error("The server answers, but media does not reach it. A firewall may be in the way.");
  } finally {
    session.close();
    own.session = null;
    show();
  }
}

/** @returns {Promise<boolean>} when it has, or was not connected in time; whether it ever was */
function ended(session, onConnected) {
  return new Promise((resolve) => {
    let wasConnected = false;
    const look = () => {
      if (session.state === "connected") {
        wasConnected = true;
        onConnected();
      }
      if (["closed", "failed", "disconnected"].includes(session.state)) resolve(wasConnected);
    };
    session.addEventListener("change", look);
    setTimeout(() => wasConnected || resolve(false), CONNECT_TIMEOUT_MS);
    look();
  });
}

function stop(error = null) {
  if (!broadcast) return;
  const { media, session } = broadcast;
  const hadFocus = document.activeElement === byId("stop");
  broadcast = null;
  session?.close();
  for (const track of media.getTracks()) track.stop();
  byId("preview").srcObject = null;
  showText(byId("state"), "Not live");
  showProblem(byId("problem"), error);
  show();
  if (hadFocus) byId("start").focus({ preventScroll: true });
}

function show() {
  const isOn = broadcast !== null;
  byId("live").hidden = broadcast?.session?.state !== "connected";
  byId("empty").hidden = isOn;
  byId("start").hidden = isOn;
  byId("stop").hidden = !isOn;
  for (const field of fields) field.disabled = isOn;
}

async function showDevices() {
  byId("camera-row").hidden = byId("source").value !== "camera";
  const { cameras, microphones } = await devices();
  offer(byId("camera"), [["", "Default camera"], ...cameras.map(named)]);
  offer(byId("microphone"), [["", "Default microphone"], ...microphones.map(named), ["none", "None"]]);
}

/** @returns {[string, string]} */
function named({ deviceId, label }, place) {
  return [deviceId, label || `Device ${place + 1}`];
}

function offer(select, options) {
  const { value } = select;
  select.replaceChildren(...options.map(([id, label]) => element("option", { value: id }, label)));
  select.value = options.some(([id]) => id === value) ? value : "";
}

/** What is sent, once a second. */
async function measure() {
  const own = broadcast;
  const session = own?.session;
  if (session?.state !== "connected") return;
  const picture = { width: 0, height: 0, framesPerSecond: NaN, framesSent: 0 };
  let bytes = 0;
  for (const report of (await session.pc.getStats()).values()) {
    if (report.type !== "outbound-rtp") continue;
    bytes += report.bytesSent;
    if (report.kind === "video") Object.assign(picture, { width: report.frameWidth, height: report.frameHeight, framesPerSecond: report.framesPerSecond, framesSent: report.framesSent });
  }
  if (own !== broadcast || own.session !== session) return;
  const now = performance.now();
  const { before } = session;
  session.before = { bytes, now };
  session.measuredAt ??= now;
  const isBlind = own.media.getVideoTracks().length > 0 && !picture.framesSent && now - session.measuredAt > FIRST_PICTURE_WITHIN_MS;
  if (isBlind) showProblem(byId("problem"), new Error(NO_PICTURE));
  else if (picture.framesSent) showProblem(byId("problem"), own.lack);
  const words = [`Live for ${duration((now - own.beganAt) / 1000)}`];
  if (before) words.push(bitrate((8000 * (bytes - before.bytes)) / (now - before.now)));
  if (picture.width) words.push(`${picture.width}×${picture.height}`, `${number(picture.framesPerSecond)} fps`);
  showText(byId("state"), words.join(" · "));
}
