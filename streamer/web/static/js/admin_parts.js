/** What the pages of administration are built from: rows, forms, and asking before something is gone. */

import { copyButton, element, showText } from "./dom.js";
import { onClick, onSubmit } from "./form.js";
import { Refused } from "./session.js";

const byId = (id) => document.getElementById(id);

export const problem = byId("problem");

export const LIFETIMES = [
  ["3600", "1 hour"],
  ["28800", "8 hours"],
  ["86400", "1 day"],
  ["604800", "7 days"],
  ["2592000", "30 days"],
];

/** @returns {string} a time as people write it; "" for none */
export function when(at) {
  return at === null ? "" : new Date(at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** @returns {HTMLElement} a list's frame */
export function sheet(title, ...children) {
  return element("section", { class: "sheet" }, element("h2", {}, title), ...children);
}

/** @returns {HTMLElement} rows, or a sentence when there are none */
export function rows(entries, otherwise) {
  if (entries.length === 0) return element("p", { class: "quiet" }, otherwise);
  return element("div", { class: "rows" }, ...entries);
}

/**
 * @param {string} title
 * @param {string[]} about only what there is to say
 * @param {{tags?: Node[], buttons?: Node[], below?: Node[]}} [more]
 */
export function row(title, about, { tags = [], buttons = [], below = [] } = {}) {
  const text = element("p", {}, about.filter(Boolean).join(" · "));
  return element(
    "div",
    { class: "row" },
    element("div", {}, element("strong", {}, title), ...tags, text),
    ...(buttons.length ? [element("div", { class: "others" }, ...buttons)] : []),
    ...(below.length ? [element("div", { class: "below" }, ...below)] : []),
  );
}

export function tag(text, alarm = false) {
  return element("span", { class: alarm ? "tag tag-alarm" : "tag" }, text);
}

/** Told to the window when something was found to be gone that is still shown, the session perhaps. */
export const GONE = "streamer:gone";

/** Do something; who is not signed in any more is led to signing in, and what is gone (404) is not shown on. */
async function unlessGone(action, what = "") {
  try {
    await action();
  } catch (error) {
    const gone = what !== "" && error.status === 404;
    if (!(error instanceof Refused) || !(gone || error.status === 401)) throw error;
    dispatchEvent(new Event(GONE));
    throw gone ? new Error(`there is no '${what}' any more; it was removed elsewhere`) : error;
  }
}

/** What the button that was pressed last is about. */
let pressed = "";

/** @param {() => Promise<void>} action */
export function button(label, what, action) {
  const node = element("button", { type: "button", class: "button", "aria-label": `${label}: ${what}`, "data-about": what }, label);
  onClick(node, problem, () => {
    pressed = what;
    return unlessGone(action, what);
  });
  return node;
}

/** When a page was built anew, go on at a button for the same thing; if there is none, at `otherwise`. */
export function refocus(page, otherwise) {
  if (!pressed || document.activeElement !== document.body) return;
  const same = [...page.querySelectorAll("button")].find(({ dataset }) => dataset.about === pressed);
  (same ?? otherwise)?.focus({ preventScroll: true });
  pressed = "";
}

/** A button that asks first. @param {() => Promise<void>} action */
export function sureButton(label, what, consequence, action) {
  return button(label, what, async () => {
    if (await sure(`${label}: ${what}?`, consequence, label)) await action();
  });
}

function sure(title, text, go) {
  const dialog = byId("sure");
  showText(byId("sure-title"), title);
  showText(byId("sure-text"), text);
  showText(byId("sure-go"), go);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go"), { once: true });
  });
}

let fields = 0;

/** @returns {HTMLElement} an input with its label; `name` is what `values` calls it */
export function field(label, name, attributes = {}) {
  const id = `field-${(fields += 1)}`;
  const input = element("input", { id, name, autocomplete: "off", autocapitalize: "none", spellcheck: "false", ...attributes });
  return element("div", { class: "field" }, element("label", { for: id }, label), input);
}

/** @param {[string, string][]} options value and label */
export function choice(label, name, options) {
  const id = `field-${(fields += 1)}`;
  const select = element("select", { id, name }, ...options.map(([value, text]) => element("option", { value }, text)));
  return element("div", { class: "field" }, element("label", { for: id }, label), select);
}

export function check(label, name) {
  return element("label", { class: "check" }, element("input", { type: "checkbox", name }), label);
}

/**
 * A form that is folded away until it is needed.
 *
 * @param {string} title
 * @param {string} go the button's label
 * @param {Node[]} inputs
 * @param {(values: Record<string, string|boolean>) => Promise<void>} action
 * @param {string} [key] tells it from others of the same title
 */
export function folded(title, go, inputs, action, key = title) {
  const form = element(
    "form",
    { class: "fields" },
    element("div", { class: "grid" }, ...inputs),
    element("button", { class: "button button-primary" }, go),
  );
  onSubmit(form, problem, async () => {
    form.toggleAttribute("data-sent", true);
    try {
      await unlessGone(() => action(values(form)));
    } finally {
      form.removeAttribute("data-sent");
    }
  });
  return element("details", { class: "sheet", "data-key": key }, element("summary", {}, title), form);
}

/**
 * Leave forms as they are while what is around them is built anew: unfolded, and with what was typed into them
 * but for the one that was just sent.
 *
 * @param {ParentNode} from what is shown
 * @param {ParentNode} to what takes its place
 */
export function carryOver(from, to) {
  for (const old of from.querySelectorAll("details[data-key][open]")) {
    const next = [...to.querySelectorAll("details[data-key]")].find(({ dataset }) => dataset.key === old.dataset.key);
    if (!next) continue;
    next.open = true;
    if (old.querySelector("form[data-sent]")) continue;
    for (const { type, name, value, checked } of old.querySelectorAll("input[name], select[name]")) {
      const input = next.querySelector("form").elements[name];
      if (type === "checkbox") input.checked = checked;
      else if (!input.options || [...input.options].some((option) => option.value === value)) input.value = value;
    }
  }
}

/** @returns {Record<string, string|boolean>} a form's inputs by name */
export function values(form) {
  const inputs = [...form.querySelectorAll("input[name], select[name]")];
  return Object.fromEntries(inputs.map((input) => [input.name, input.type === "checkbox" ? input.checked : input.value.trim()]));
}

/** Show a secret that cannot be shown again. */
export function showSecret(title, text) {
  showText(byId("secret-title"), title);
  showText(byId("secret-text"), text);
  byId("secret").hidden = false;
  byId("secret").scrollIntoView({ block: "nearest" });
}

export function hideSecret() {
  byId("secret").hidden = true;
  showText(byId("secret-text"), "");
}

copyButton(byId("secret-copy"), () => byId("secret-text").textContent);
byId("secret-close").addEventListener("click", hideSecret);
