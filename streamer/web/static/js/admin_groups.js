/** `/admin/groups`: who is in which group, and which demand a second factor. */

import { button, check, choice, field, folded, row, rows, sheet, sureButton, tag } from "./admin_parts.js";
import { ask } from "./session.js";

export async function groups(show) {
  const [{ groups: all }, { users }] = await Promise.all([ask("GET", "/api/v1/groups"), ask("GET", "/api/v1/users")]);
  const add = folded(
    "Add a group",
    "Add it",
    [field("Name", "name", { required: true, maxlength: 128 }), check("Whoever is in it needs a second factor", "factor_required")],
    async ({ name, factor_required }) => {
      await ask("POST", "/api/v1/groups", { name, factor_required });
      await show();
    },
  );
  const everybody = [...users, ...all].map(({ id, name }) => [id, name]);
  if (all.length === 0) return [add, sheet("Groups", rows([], "No groups yet. What is granted to one counts for everybody in it."))];
  return [add, ...all.map((group) => frame(group, everybody, show))];
}

function frame({ id, name, disabled, factor_required: factor, members }, everybody, show) {
  const path = `/api/v1/groups/${id}`;
  const change = async (body) => {
    await ask("PATCH", path, body);
    await show();
  };
  const present = new Set([id, ...members.map((member) => member.id)]);
  const others = everybody.filter(([each]) => !present.has(each));
  const listed = members.map((member) => {
    const said = member.sources.filter(Boolean);
    return row(member.name, [member.kind, said.length ? `says ${said.join(", ")}` : ""], {
      buttons: [
        sureButton("Take out", member.name, "What only the group gave ends within a second.", async () => {
          await ask("DELETE", `${path}/members/${member.id}`);
          await show();
        }),
      ],
    });
  });
  const join = folded(
    "Put somebody in",
    "Put in",
    [choice("Who", "member", others)],
    async ({ member }) => {
      await ask("PUT", `${path}/members/${member}`);
      await show();
    },
    `into ${id}`,
  );
  const about = [factor ? "A second factor is required of everybody in it." : "A second factor is not required."];
  const head = row("", about, {
    tags: disabled ? [tag("disabled")] : [],
    buttons: [
      button(factor ? "Do not require" : "Require a second factor", name, () => change({ factor_required: !factor })),
      button(disabled ? "Enable" : "Disable", name, () => change({ disabled: !disabled })),
      sureButton("Remove", name, "What only this group gave ends within a second. This cannot be undone.", async () => {
        await ask("DELETE", path);
        await show();
      }),
    ],
  });
  return sheet(name, head, rows(listed, "Nobody is in it."), ...(others.length ? [join] : []));
}
