/** Passkeys: what lies between the server's options and the browser's answer. */

/** @returns {boolean} whether this browser has them, and this page can be one that they are bound to */
export function passkeysWork() {
  const named = !/^[\d.]+$|:/.test(location.hostname);
  return named && Boolean(globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON);
}

/** @returns {Promise<object>} the answer to options of the server's, for the server */
export async function makePasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return answered(() => navigator.credentials.create({ publicKey }));
}

/** @returns {Promise<object>} the answer to options of the server's, for the server */
export async function showPasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return answered(() => navigator.credentials.get({ publicKey }));
}

async function answered(ceremony) {
  let credential;
  try {
    credential = await ceremony();
  } catch (error) {
    if (error.name === "InvalidStateError") throw new Error("this device has a passkey for this account already");
    if (error.name === "SecurityError") throw new Error("passkeys do not work under this address; see http.public_url");
    throw new Error("the passkey was not shown; try again");
  }
  return credential.toJSON();
}
