/** `/admin/audit`: the audit log, newest first, with filters; whether it is whole; all of it as a file. */

import { button, choice, field, problem, row, rows, sheet, tag, values, when } from "./admin_parts.js";
import { element, showText } from "./dom.js";
import { onSubmit } from "./form.js";
import { ask } from "./session.js";

const PAGE = 50;

export async function audit() {
  const list = element("div", { class: "rows entries" });
  const older = element("div", { class: "others" });
  const verdict = element("p", { class: "quiet", role: "status" });
  const download = element("a", { class: "button", download: "audit.jsonl" }, "Save as JSON lines");
  const form = element(
    "form",
    { class: "fields" },
    element(
      "div",
      { class: "grid" },
      field("What", "what", { placeholder: "login, grant, token.issue …", maxlength: 256 }),
      field("Who", "who", { placeholder: "a name or id", maxlength: 256 }),
      field("To what", "target", { placeholder: "a stream, a name or id", maxlength: 256 }),
      field("From address", "address", { maxlength: 64 }),
      field("Since", "since", { type: "datetime-local" }),
      field("Until", "until", { type: "datetime-local" }),
      choice("Outcome", "outcome", [["", "any"], ["done", "done"], ["refused", "refused"], ["failed", "failed"]]),
    ),
    element("button", { class: "button button-primary" }, "Show"),
  );
  const more = async (before) => {
    const asked = conditions(form);
    download.setAttribute("href", `/api/v1/audit/export?${asked}`);
    asked.set("limit", String(PAGE));
    if (before) asked.set("before", String(before));
    const page = await ask("GET", `/api/v1/audit?${asked}`);
    if (!before) list.replaceChildren();
    list.append(...page.entries.map(entry));
    if (list.childElementCount === 0) list.append(rows([], "There are no such entries."));
    older.replaceChildren(...(page.before ? [button("Older", "entries", () => more(page.before))] : []));
  };
  onSubmit(form, problem, () => more(0));
  const verify = button("Check the whole log", "for changes", async () => {
    const { is_whole: whole, checked, first_broken: broken, why } = await ask("GET", "/api/v1/audit/verification");
    showText(verdict, whole ? `Whole: ${checked} entries, nothing was changed, removed or cut off.` : `Broken at entry ${broken}: ${why}.`);
    verdict.className = whole ? "quiet" : "banner";
  });
  await more(0);
  return [
    element("details", { class: "sheet" }, element("summary", {}, "Filter"), form),
    sheet("Entries", element("div", { class: "others" }, verify, download), verdict, list, older),
  ];
}

function conditions(form) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(values(form))) {
    if (value) asked.set(name, name === "since" || name === "until" ? String(Date.parse(value) / 1000) : value);
  }
  return asked;
}

function entry({ seq, at, who, who_name, what, target, target_name, address, outcome, details }) {
  const about = [when(at), who_name || who || "nobody known", address, target_name || target, `entry ${seq}`];
  const said = Object.entries(details)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${name}: ${readable(name, value)}`);
  const node = row(what, about, {
    tags: outcome === "done" ? [] : [tag(outcome, true)],
    below: said.length ? [element("code", {}, said.join("  "))] : [],
  });
  node.classList.add("entry");
  return node;
}

function readable(name, value) {
  if (name.endsWith("_at") && typeof value === "number") return when(value);
  return typeof value === "object" ? JSON.stringify(value) : value;
}
