/** The top of every page: where else to go, for whom it is open, and "Sign in" or the name of who is. */

import { element, showText } from "./dom.js";
import { session } from "./session.js";

/** Pages for those who run the server, and the actions any of which opens one. */
const PAGES = [
  { href: "/", label: "Streams", opens: ["manage", "admin", "audit"] },
  { href: "/relays", label: "Relays", opens: ["manage"] },
  { href: "/recordings", label: "Recordings", opens: ["manage"] },
  { href: "/connections", label: "Connections", opens: ["manage"] },
  { href: "/dashboard", label: "Audience", opens: ["manage"] },
  { href: "/admin", label: "Administration", opens: ["admin", "manage", "audit"] },
];

/**
 * @param {HTMLAnchorElement} link which leads to the login page until more is known
 * @returns {Promise<string[]>} what whoever is signed in may do with every stream
 */
export async function showAccount(link) {
  const here = location.pathname;
  link.href = here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`;
  try {
    const { name, actions } = await session();
    if (!name) return [];
    showText(link, name);
    link.title = "Your account";
    link.href = "/account";
    showPages(link, actions);
    return actions;
  } catch {
    // It stays the link to the login page, which will say what is wrong.
    return [];
  }
}

function showPages(link, actions) {
  const open = PAGES.filter(({ opens }) => opens.some((action) => actions.includes(action)));
  if (open.length === 0) return;
  const links = open.map(({ href, label }) => {
    const here = href === "/" ? location.pathname === "/" : location.pathname.startsWith(href);
    return element("a", { href, "aria-current": here ? "page" : null }, label);
  });
  const rooms = element("nav", { class: "rooms", "aria-label": "Pages" }, ...links);
  link.before(rooms);
  // A phone is narrower than all of them.
  rooms.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}
