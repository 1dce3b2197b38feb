/** The link at the top of every page: "Sign in", or the name of who is. */

import { showText } from "./dom.js";
import { session } from "./session.js";

/** @param {HTMLAnchorElement} link which leads to the login page until more is known */
export async function showAccount(link) {
  const here = location.pathname;
  link.href = here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`;
  try {
    const { name } = await session();
    if (!name) return;
    showText(link, name);
    link.title = "Your account";
    link.href = "/account";
  } catch {
    // It stays the link to the login page, which will say what is wrong.
  }
}
