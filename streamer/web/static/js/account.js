/** The page `/account`: who one is, second factors, the password, the sessions. */

import { FactorsSection } from "./account_factors.js";
import { showAccount } from "./account_link.js";
import { SessionsSection } from "./account_sessions.js";
import { Confirmation, UNTIL_PROVEN } from "./confirm.js";
import { showText } from "./dom.js";
import { onClick, onSubmit, showProblem } from "./form.js";
import { ask, Refused, session } from "./session.js";

const byId = (id) => document.getElementById(id);

const problem = byId("problem");
showAccount(byId("account"));
let account = null;
/** What is under way meanwhile is told that nobody is signed in, and must not lead elsewhere. */
let signingOut = false;

const confirmation = new Confirmation(() => account);
const factors = new FactorsSection(confirmation, problem, show);
const sessions = new SessionsSection(problem, show);

onClick(byId("sign-out"), problem, async () => {
  signingOut = true;
  try {
    await ask("POST", "/api/v1/logout");
  } catch (error) {
    signingOut = false;
    throw error;
  }
  location.replace("/");
});

onClick(byId("prove"), problem, async () => {
  if (await confirmation.ask(true)) await show();
});

onSubmit(byId("password-form"), problem, async () => {
  const body = { old: byId("old").value, new: byId("new").value };
  byId("password-changed").hidden = true;
  await changePassword(body);
  byId("password-form").reset();
  byId("password-changed").hidden = false;
  await show();
});

/** The present password proves who is there, too, should that be asked for again. */
async function changePassword(body) {
  try {
    return await ask("POST", "/api/v1/account/password", body);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== UNTIL_PROVEN) throw error;
  }
  await ask("POST", "/api/v1/account/confirm", { password: body.old });
  return ask("POST", "/api/v1/account/password", body);
}

show().catch((error) => showProblem(problem, error));

async function show() {
  try {
    const now = await session();
    if (!now.name) return leave();
    account = await ask("GET", "/api/v1/account");
    showAbout(now);
    factors.show(account, now);
    byId("password").hidden = !(account.has_password && now.standing === "full");
    showText(byId("new-hint"), `At least ${account.password_min_characters} characters. Four or five words that do not belong together are good.`);
    byId("password-name").value = account.name;
    if (now.standing === "full") await sessions.show();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return leave();
    throw error;
  }
}

/** Not signed in any more: ended elsewhere, or over. */
function leave() {
  if (signingOut) return;
  location.replace("/login?next=%2Faccount");
}

function showAbout(now) {
  showText(byId("name"), account.full_name || account.name);
  const about = [
    account.full_name ? account.name : "",
    account.email,
    account.groups.length > 0 ? `in ${account.groups.join(", ")}` : "",
    account.providers.includes("ldap") ? "from the directory" : account.providers.length > 0 ? "by single sign-on" : "",
  ];
  showText(byId("about"), about.filter(Boolean).join(" · "));
  byId("confined").hidden = now.standing === "full";
  byId("prove").hidden = now.standing !== "prove";
  showText(
    byId("confined-text"),
    now.standing === "prove"
      ? "A second factor has come to be required. Show yours to go on."
      : "A group of yours requires a second factor. Until you have set one up, nothing else is open to you.",
  );
}
