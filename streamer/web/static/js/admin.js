/** The page `/admin`: one section at a time, of those that are open to whoever is signed in. */

import { showAccount } from "./account_link.js";
import { audit } from "./admin_audit.js";
import { grants } from "./admin_grants.js";
import { groups } from "./admin_groups.js";
import { carryOver, GONE, hideSecret, problem, refocus } from "./admin_parts.js";
import { tokens } from "./admin_tokens.js";
import { users } from "./admin_users.js";
import { element } from "./dom.js";
import { showProblem } from "./form.js";
import { Refused, session } from "./session.js";

const byId = (id) => document.getElementById(id);

/** By the path's last part: label, what one must be allowed, and what builds it. */
const SECTIONS = {
  users: ["Users", "admin", users],
  groups: ["Groups", "admin", groups],
  grants: ["Grants", "admin", grants],
  tokens: ["Tokens and links", "manage", tokens],
  audit: ["Audit log", "audit", audit],
};

/** Which showing is the latest; one that was overtaken shows nothing. */
let turn = 0;

addEventListener("popstate", () => show());
addEventListener(GONE, () => show());
showAccount(byId("account"));
show();

async function show() {
  const mine = (turn += 1);
  try {
    const { name, actions } = await session();
    if (!name) return leave();
    const open = Object.entries(SECTIONS).filter(([, [, action]]) => actions.includes(action));
    if (open.length === 0) throw new Error("this account administers nothing on this server");
    const asked = location.pathname.split("/")[2];
    const [present, [, , build]] = open.find(([key]) => key === asked) ?? open[0];
    byId("sections").replaceChildren(...open.map(([key, [label]]) => link(key, label, key === present)));
    const built = new DocumentFragment();
    built.append(...(await build(show)));
    if (mine !== turn) return;
    if (byId("content").dataset.section === present) carryOver(byId("content"), built);
    byId("content").replaceChildren(built);
    byId("content").dataset.section = present;
    refocus(byId("content"), byId("sections").querySelector("[aria-current]"));
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return leave();
    if (mine === turn) showProblem(problem, error);
  }
}

function link(key, label, current) {
  const node = element("a", { href: `/admin/${key}`, "aria-current": current ? "page" : null }, label);
  node.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", node.href);
    hideSecret();
    showProblem(problem, null);
    show();
  });
  return node;
}

/** Not signed in any more: ended elsewhere, or over. */
function leave() {
  location.replace(`/login?next=${encodeURIComponent(location.pathname)}`);
}
