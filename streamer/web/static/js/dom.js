/** Building the page's own elements, without markup in strings. */

const SVG = "http://www.w3.org/2000/svg";
const SPRITE = "/static/icons.svg";

/** Wait until every element of the page's own markup is there. */
export async function whenParsed() {
  if (document.readyState !== "loading") return;
  await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));
}

/**
 * @param {string} tag
 * @param {Record<string, string|boolean|number|null>} [attributes] true: present; false and null: absent
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/** @returns {SVGElement} as `element`, of a drawing */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @returns {SVGSVGElement} a decorative icon of the sprite */
export function icon(name) {
  const drawing = svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use"));
  showIcon(drawing, name);
  return drawing;
}

/** Make an icon another one. */
export function showIcon(svg, name) {
  const href = `${SPRITE}#${name}`;
  const use = svg.firstElementChild;
  if (use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** Set a text only when it differs, so that screen readers and selections are left alone. */
export function showText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Have a parent hold these and no others, in this order; what is in its place stays untouched, focus and all. */
export function arrange(parent, nodes) {
  nodes.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
  while (parent.children.length > nodes.length) parent.lastElementChild.remove();
}

/** Where the server's sentences lead: "sign in at /login". */
const PLACE = /\/(?:login|account)\b/;

/** Show a sentence of the server's; a page that it names becomes a link. */
export function showSentence(node, text) {
  const place = PLACE.exec(text);
  if (!place || node.textContent === text) return showText(node, text);
  const [path] = place;
  const href = path === "/login" ? `/login?next=${encodeURIComponent(location.pathname)}` : path;
  node.replaceChildren(text.slice(0, place.index), element("a", { href }, path), text.slice(place.index + path.length));
}

/** A button that says for a moment that it has copied. */
export function copyButton(button, text) {
  const label = button.querySelector("span");
  const before = label.textContent;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      showText(label, "Copied");
    } catch {
      showText(label, "Not allowed here");
    }
    setTimeout(() => showText(label, before), 1800);
  });
}
