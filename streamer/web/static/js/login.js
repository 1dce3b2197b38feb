/** The page `/login`: a password, then perhaps a second factor; or a passkey; or a provider. */

import { localPath } from "./address.js";
import { showText } from "./dom.js";
import { onClick, onSubmit, showProblem } from "./form.js";
import { passkeysWork, showPasskey } from "./passkeys.js";
import { ask, session } from "./session.js";

const byId = (id) => document.getElementById(id);

/** What the pages of a provider's login may send along; texts are here, so that no link can bring its own. */
const PROBLEMS = {
  unavailable: "the identity provider does not answer; try again in a minute",
  sso_again: "the identity provider did not let you through, or it took too long; begin again",
  sso_untrusted: "the identity provider's answer cannot be believed; tell the administrator",
  sso_no_account: "you have no account on this server; an administrator can make one",
  sso_name: "no account can be made under your name; an administrator can make one",
};

const query = new URLSearchParams(location.search);
const fragment = new URLSearchParams(location.hash.slice(1));
const next = localPath(query.get("next") ?? "/");
const problem = byId("problem");
let ticket = "";

if (fragment.has("ticket")) {
  // Out of the address, so that a reload does not show a ticket that is over.
  history.replaceState(history.state, "", location.pathname + location.search);
  showSecond(fragment.get("ticket"), (fragment.get("factors") ?? "").split(","));
} else if (Object.hasOwn(PROBLEMS, query.get("problem") ?? "")) {
  showProblem(problem, new Error(PROBLEMS[query.get("problem")]));
}

onSubmit(byId("password-form"), problem, async () => {
  const password = byId("password");
  try {
    await proceed(await ask("POST", "/api/v1/login", { name: byId("name").value, password: password.value }));
  } finally {
    password.value = "";
  }
});

onSubmit(byId("code-form"), problem, async () => {
  const code = byId("code");
  try {
    await proceed(await ask("POST", "/api/v1/login/factor", { ticket, code: code.value }));
  } finally {
    code.value = "";
    code.focus();
  }
});

onClick(byId("passkey"), problem, async () => {
  const ceremony = await ask("POST", "/api/v1/login/passkey/options", {});
  const passkey = await showPasskey(ceremony.options);
  await proceed(await ask("POST", "/api/v1/login/passkey", { ticket: ceremony.ticket, passkey }));
});

onClick(byId("second-passkey"), problem, async () => {
  const ceremony = await ask("POST", "/api/v1/login/passkey/options", { ticket });
  const passkey = await showPasskey(ceremony.options);
  await proceed(await ask("POST", "/api/v1/login/factor", { ticket, passkey_ticket: ceremony.ticket, passkey }));
});

byId("again").addEventListener("click", () => {
  byId("second").hidden = true;
  byId("first").hidden = false;
  showProblem(problem, null);
  byId("name").focus();
});

const now = await session().catch((error) => {
  showProblem(problem, error);
  return { name: "", oidc: null, passkeys: false };
});
byId("signed-in").hidden = !now.name;
showText(byId("signed-in-name"), now.name);
byId("go-on").href = next;
byId("passkey").hidden = !(now.passkeys && passkeysWork());
byId("oidc").hidden = !now.oidc;
if (now.oidc) {
  showText(byId("oidc"), now.oidc.label);
  byId("oidc").href = `${now.oidc.url}?next=${encodeURIComponent(next)}`;
}
byId("others").hidden = byId("passkey").hidden && byId("oidc").hidden;

async function proceed({ session: opened, second_step: second }) {
  if (second) showSecond(second.ticket, second.factors);
  // Until a second factor is set up there is only one page that does anything.
  else location.replace(opened.standing === "full" ? next : "/account");
}

function showSecond(given, factors) {
  ticket = given;
  byId("first").hidden = true;
  byId("second").hidden = false;
  const codes = factors.includes("totp") || factors.includes("recovery");
  byId("code-form").hidden = !codes;
  byId("second-passkey").hidden = !(factors.includes("passkey") && passkeysWork());
  showText(
    byId("second-hint"),
    factors.includes("totp")
      ? "Enter the code that your authenticator app shows, or one of your recovery codes."
      : "Show your passkey, or enter one of your recovery codes.",
  );
  if (codes) byId("code").focus();
}
