/** Cameras, microphones and screens of this machine. */

/** Height to width, frames a second and bit rate of each quality. */
export const QUALITIES = {
  480: { width: 854, height: 480, bitrateBps: 1_000_000 },
  720: { width: 1280, height: 720, bitrateBps: 2_500_000 },
  1080: { width: 1920, height: 1080, bitrateBps: 5_000_000 },
};
const FPS = 30;

/**
 * @typedef {{source: "camera"|"screen", camera: string, microphone: string, quality: string}} Wanted
 *   ids of devices, "" for the machine's own choice; a microphone "none" for no sound
 */

/**
 * @param {Wanted} wanted
 * @returns {Promise<MediaStream>}
 * @throws {Error} a sentence for people
 */
export async function capture(wanted) {
  if (!navigator.mediaDevices) throw new Error("Cameras work on secure pages only; open this page with https:// or on localhost.");
  const { width, height } = QUALITIES[wanted.quality];
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: FPS, max: FPS } };
  try {
    if (wanted.source === "screen") return await screen(wanted, size);
    return await navigator.mediaDevices.getUserMedia({
      video: { ...size, ...(wanted.camera ? { deviceId: { exact: wanted.camera } } : {}) },
      audio: microphone(wanted),
    });
  } catch (error) {
    throw new Error(inWords(error));
  }
}

/** @returns {Promise<{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}>} without names before a first use */
export async function devices() {
  const found = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const known = found.filter(({ deviceId }) => deviceId);
  return {
    cameras: known.filter(({ kind }) => kind === "videoinput"),
    microphones: known.filter(({ kind }) => kind === "audioinput"),
  };
}

/** The screen with its own sound, or with the microphone's where it has none. */
async function screen(wanted, size) {
  const media = await navigator.mediaDevices.getDisplayMedia({ video: size, audio: wanted.microphone !== "none" });
  for (const track of media.getVideoTracks()) track.contentHint = "detail";
  if (media.getAudioTracks().length === 0 && wanted.microphone !== "none") {
    try {
      const sound = await navigator.mediaDevices.getUserMedia({ audio: microphone(wanted) });
      for (const track of sound.getAudioTracks()) media.addTrack(track);
    } catch {
      // A screen without sound is what many want.
    }
  }
  return media;
}

function microphone({ microphone: id }) {
  if (id === "none") return false;
  return id ? { deviceId: { exact: id } } : true;
}

function inWords({ name, message }) {
  switch (name) {
    case "NotAllowedError":
      return "The browser, or you, did not allow it. Allow camera and microphone for this page and try again.";
    case "NotFoundError":
      return "There is no such camera or microphone here. Choose no sound, or the screen.";
    case "NotReadableError":
      return "Another program uses the camera or microphone.";
    default:
      return message;
  }
}
