/** What the page's own address says: which stream, which token, which options. */

/** @returns {string} the stream named by `/watch/{stream}` or `/embed/{stream}` */
export function streamFromPath(pathname = location.pathname) {
  const [, , name = ""] = pathname.split("/");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * The token of `#token=…` or `?token=…`.
 *
 * One in the query moves into the fragment, so that a reload or a copied link does not hand it to logs again.
 *
 * @returns {string} "" when there is none
 */
export function tokenFromAddress() {
  const url = new URL(location.href);
  const asked = url.searchParams.get("token");
  if (asked) {
    url.searchParams.delete("token");
    url.hash = `token=${encodeURIComponent(asked)}`;
    history.replaceState(history.state, "", url);
  }
  return new URLSearchParams(url.hash.slice(1)).get("token") ?? "";
}

/** Put a token typed by the viewer into the address; `hashchange` tells whoever listens. */
export function rememberToken(token) {
  location.hash = `token=${encodeURIComponent(token)}`;
}

/** @returns {boolean} an option such as `?controls=0`; anything but 0, false, no and off is yes */
export function option(name, otherwise) {
  const value = new URLSearchParams(location.search).get(name);
  return value === null ? otherwise : !["0", "false", "no", "off"].includes(value.toLowerCase());
}

/** @returns {string} a page of this server, or "/" for everything else that an address may ask for */
export function localPath(path) {
  try {
    const url = new URL(path, location.origin);
    const local = path.startsWith("/") && url.origin === location.origin;
    return local ? url.pathname + url.search + url.hash : "/";
  } catch {
    return "/";
  }
}
