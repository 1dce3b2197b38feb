/** `/admin/tokens`: links to share, and tokens for programs. */

import { check, choice, field, folded, LIFETIMES, row, rows, sheet, showSecret, sureButton, tag, when } from "./admin_parts.js";
import { ask } from "./session.js";

const LINKS = { watch: "page to watch", embed: "player for an iframe", publish: "page to publish", whep: "WHEP address", whip: "WHIP address, for OBS" };
const HOW_LONG = choice.bind(null, "How long", "lifetime", LIFETIMES);

export async function tokens(show) {
  const { tokens: all } = await ask("GET", "/api/v1/tokens");
  const links = all.filter(({ link }) => link);
  const others = all.filter(({ link }) => !link);
  const share = folded(
    "Make a link",
    "Make it",
    [
      field("Stream", "stream", { required: true, maxlength: 64 }),
      choice("What it opens", "target", Object.entries(LINKS)),
      HOW_LONG(),
      field("Sessions at once", "viewers", { type: "number", min: 1, placeholder: "any number" }),
      field("From addresses", "networks", { placeholder: "anywhere, or 192.0.2.0/24" }),
      field("For your list", "note", { maxlength: 256 }),
      check("Opens one session and no other after it", "once"),
    ],
    async ({ stream, target, ...rest }) => {
      const made = await ask("POST", "/api/v1/links", { stream, target, ...common(rest) });
      await show();
      showSecret(`The link to ${stream}.`, made.link);
    },
  );
  const issue = folded(
    "Issue a token",
    "Issue it",
    [
      choice("What it allows", "action", [["publish", "to publish"], ["watch", "to watch and listen"], ["manage", "to manage"]]),
      field("Streams", "streams", { required: true, maxlength: 65, placeholder: "cam, studio-* or *" }),
      HOW_LONG(),
      field("Sessions at once", "viewers", { type: "number", min: 1, placeholder: "any number" }),
      field("From addresses", "networks", { placeholder: "anywhere, or 192.0.2.0/24" }),
      field("For your list", "note", { maxlength: 256 }),
      check("Opens one session and no other after it", "once"),
    ],
    async ({ action, streams, ...rest }) => {
      const made = await ask("POST", "/api/v1/tokens", { actions: [action], streams: [streams], ...common(rest) });
      await show();
      showSecret(`The token to ${action}.`, made.token);
    },
  );
  return [
    share,
    sheet("Links", rows(links.map((each) => line(each, show)), "No links.")),
    issue,
    sheet("Tokens", rows(others.map((each) => line(each, show)), "No tokens.")),
  ];
}

function common({ lifetime, viewers, networks, once, note }) {
  const limits = { viewers: viewers ? Number(viewers) : null, networks: networks.split(/[\s,]+/).filter(Boolean), once };
  return { lifetime_s: Number(lifetime), limits, note };
}

function line(token, show) {
  const { id, link, actions, streams, note, limits, issued_by_name: by, expires_at: until, revoked_at: revoked, used_at: used } = token;
  const title = link ? `${streams.join(", ")}: ${LINKS[link] ?? link}` : `${streams.join(", ")}: ${actions.join(", ")}`;
  const about = [
    note,
    revoked ? `withdrawn ${when(revoked)}` : `until ${when(until)}`,
    by ? `by ${by}` : "",
    limits.viewers ? `${limits.viewers} at once` : "",
    limits.networks.length ? `from ${limits.networks.join(", ")}` : "",
    limits.once ? (used ? "used" : "once") : "",
  ];
  const withdraw = sureButton("Withdraw", title, "Who came in by it leaves within a second.", async () => {
    await ask("DELETE", `/api/v1/tokens/${id}`);
    await show();
  });
  const node = row(title, about, { tags: revoked ? [tag("withdrawn")] : [], buttons: revoked ? [] : [withdraw] });
  node.classList.toggle("faded", revoked !== null);
  return node;
}
