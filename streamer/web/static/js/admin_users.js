/** `/admin/users`: people, and service accounts with their keys. */

import { button, choice, field, folded, LIFETIMES, row, rows, sheet, showSecret, sureButton, tag, when } from "./admin_parts.js";
import { ask } from "./session.js";

const FACTORS = { totp: "authenticator app", passkey: "passkey" };

export async function users(show) {
  const { users: accounts } = await ask("GET", "/api/v1/users");
  const add = folded(
    "Add an account",
    "Add it",
    [
      field("Name", "name", { required: true, maxlength: 128 }),
      choice("Kind", "kind", [["user", "A person"], ["service", "An encoder or integration"]]),
      field("Full name", "full_name", { maxlength: 256 }),
      field("Email", "email", { maxlength: 320, type: "email" }),
    ],
    async ({ name, kind, full_name, email }) => {
      await ask("POST", "/api/v1/users", { name, kind, full_name, email });
      await show();
    },
  );
  const people = accounts.filter(({ kind }) => kind === "user");
  const services = accounts.filter(({ kind }) => kind === "service");
  const keys = new Map(
    await Promise.all(services.map(async ({ id }) => [id, (await ask("GET", `/api/v1/users/${id}/keys`)).keys])),
  );
  return [
    add,
    sheet("People", rows(people.map((each) => person(each, show)), "Nobody yet.")),
    sheet("Service accounts", rows(services.map((each) => service(each, keys.get(each.id), show)), "None yet.")),
  ];
}

function person(account, show) {
  const { id, name, full_name, email, has_password: password, second_factors: factors, sessions, groups } = account;
  const about = [
    full_name,
    email,
    groups.length ? `in ${groups.map((group) => group.name).join(", ")}` : "",
    password ? "" : "no password yet",
    factors.length ? `second factor: ${factors.map((each) => FACTORS[each] ?? each).join(", ")}` : "no second factor",
    sessions ? `${sessions} ${sessions === 1 ? "session" : "sessions"}` : "",
  ];
  const invite = async (forget_factors) => {
    const { link } = await ask("POST", `/api/v1/users/${id}/invitation`, { forget_factors });
    showSecret(`Give this link to ${name}: it sets a new password, once, within a day.`, link);
  };
  const buttons = [button(password ? "Reset password" : "Invite", name, () => invite(false))];
  if (factors.length) buttons.push(button("Reset everything", `password and second factor of ${name}`, () => invite(true)));
  if (sessions) {
    buttons.push(
      sureButton("Sign out", name, "All sessions of this account end within a second.", async () => {
        await ask("DELETE", `/api/v1/users/${id}/sessions`);
        await show();
      }),
    );
  }
  return entry(account, about, [...buttons, ...common(account, show)]);
}

function service(account, keys, show) {
  const { id, name, full_name, email, groups } = account;
  const about = [full_name, email, groups.length ? `in ${groups.map((group) => group.name).join(", ")}` : ""];
  const listed = keys.map((key) =>
    row(
      key.label || key.prefix,
      [`sk_${key.prefix}_…`, key.expires_at ? `until ${when(key.expires_at)}` : "", key.used_at ? `last used ${when(key.used_at)}` : "never used"],
      {
        buttons: [
          sureButton("Revoke", `key ${key.label || key.prefix}`, "What it opened ends within a second.", async () => {
            await ask("DELETE", `/api/v1/users/${id}/keys/${key.prefix}`);
            await show();
          }),
        ],
      },
    ),
  );
  const make = folded(
    "New API key",
    "Make it",
    [field("What it is for", "label", { maxlength: 128 }), choice("How long", "lifetime", [["", "for good"], ...LIFETIMES])],
    async ({ label, lifetime }) => {
      const made = await ask("POST", `/api/v1/users/${id}/keys`, { label, lifetime_s: lifetime ? Number(lifetime) : null });
      await show();
      showSecret(`The new API key of ${name}.`, made.key);
    },
    `key of ${id}`,
  );
  return entry(account, about, common(account, show), [rows(listed, "No API keys."), make]);
}

function entry(account, about, buttons, below = []) {
  const node = row(account.name, about, { tags: account.disabled ? [tag("disabled")] : [], buttons, below });
  node.classList.toggle("faded", account.disabled);
  return node;
}

function common({ id, name, disabled }, show) {
  const change = async (body) => {
    await ask("PATCH", `/api/v1/users/${id}`, body);
    await show();
  };
  return [
    disabled
      ? button("Enable", name, () => change({ disabled: false }))
      : sureButton("Disable", name, "All that is open to this account ends within a second. Nothing is lost.", () => change({ disabled: true })),
    sureButton("Remove", name, "The account goes with its grants, keys and sessions. This cannot be undone.", async () => {
      await ask("DELETE", `/api/v1/users/${id}`);
      await show();
    }),
  ];
}
