/** `/admin/grants`: who may do what to which streams, until when; support access among them. */

import { check, choice, field, folded, LIFETIMES, row, rows, sheet, sureButton, tag, when } from "./admin_parts.js";
import { ask } from "./session.js";

const ROLES = [
  ["viewer", "viewer: watch and listen"],
  ["publisher", "publisher: push into it"],
  ["operator", "operator: both, and manage"],
  ["administrator", "administrator: everything"],
  ["auditor", "auditor: read the audit log"],
];
const ACTIONS = ["watch", "listen", "publish", "manage", "admin", "audit"].map((action) => [action, `only to ${action}`]);

export async function grants(show) {
  const { grants: all } = await ask("GET", "/api/v1/grants");
  const give = folded(
    "Give a grant",
    "Give it",
    [
      field("Account or group", "to", { required: true, maxlength: 128 }),
      choice("What", "what", [...ROLES, ...ACTIONS]),
      field("Streams", "stream", { required: true, maxlength: 65, placeholder: "cam, studio-* or *" }),
      choice("How long", "lifetime", [["", "for good"], ...LIFETIMES]),
      field("Why", "reason", { maxlength: 512 }),
      check("Support access: for somebody from outside, 3 days at most", "support"),
    ],
    async ({ to, what, stream, lifetime, reason, support }) => {
      const kind = support ? "support" : "normal";
      await ask("POST", "/api/v1/grants", { to, what, stream, reason, kind, lifetime_s: lifetime ? Number(lifetime) : null });
      await show();
    },
  );
  const inForce = all.filter((grant) => !grant.is_over).reverse();
  const over = all.filter((grant) => grant.is_over).reverse();
  return [
    give,
    sheet("In force", rows(inForce.map((grant) => line(grant, show)), "Nothing is granted.")),
    ...(over.length ? [sheet("Ended", rows(over.map((grant) => line(grant, show)), ""))] : []),
  ];
}

function line(grant, show) {
  const { id, to, what, stream, kind, reason, granted_by_name: by, created_at: at, expires_at: until, is_over: over } = grant;
  const name = to?.name ?? "an account that is gone";
  const title = `${name}: ${what} on ${stream === "*" ? "everything" : stream}`;
  const about = [
    until === null ? "for good" : `${over ? "ended" : "until"} ${when(until)}`,
    `given ${when(at)}${by ? ` by ${by}` : ""}`,
    reason,
  ];
  const node = row(title, about, {
    tags: kind === "support" ? [tag("support")] : [],
    buttons: [
      sureButton(over ? "Forget" : "Take back", title, "What it opened ends within a second.", async () => {
        await ask("DELETE", `/api/v1/grants/${id}`);
        await show();
      }),
    ],
  });
  node.classList.toggle("faded", over);
  return node;
}
