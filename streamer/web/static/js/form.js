/** What the forms of the pages around signing in have in common. */

import { showSentence } from "./dom.js";
import { said } from "./session.js";

/** Show what went wrong, or nothing. */
export function showProblem(node, error) {
  node.hidden = error === null;
  showSentence(node, error === null ? "" : said(error));
}

/**
 * Have a form do something instead of being sent; meanwhile it cannot be sent again.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLElement} problem where to say what went wrong
 * @param {() => Promise<void>} action
 */
export function onSubmit(form, problem, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(form, problem, action);
  });
}

/** Have a button do something, in the same way. */
export function onClick(button, problem, action) {
  button.addEventListener("click", () => attempt(button, problem, action));
}

async function attempt(node, problem, action) {
  const buttons = node.matches("button") ? [node] : [...node.querySelectorAll("button")];
  if (buttons.some(({ disabled }) => disabled)) return;
  const active = document.activeElement;
  for (const button of buttons) button.disabled = true;
  showProblem(problem, null);
  try {
    await action();
  } catch (error) {
    showProblem(problem, error);
  }
  for (const button of buttons) button.disabled = false;
  // A button that cannot be pressed loses the focus, and with it whoever works with the keyboard his place.
  if (document.activeElement === document.body && active?.isConnected) active.focus({ preventScroll: true });
}
