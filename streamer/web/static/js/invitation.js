/** The page `/invitation#token=…`: whoever was given the link chooses a password, once. */

import { showText } from "./dom.js";
import { onSubmit, showProblem } from "./form.js";
import { ask } from "./session.js";

const byId = (id) => document.getElementById(id);

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const problem = byId("problem");

addEventListener("hashchange", () => location.reload());

onSubmit(byId("form"), problem, async () => {
  const password = byId("password").value;
  if (password !== byId("repeated").value) throw new Error("the two passwords differ; type the same one twice");
  await ask("POST", "/api/v1/invitation/password", { token, password });
  location.replace("/login");
});

try {
  if (!token) throw new Error("open the complete link that you were given");
  const { name, forget_factors: forget } = await ask("POST", "/api/v1/invitation", { token });
  showText(byId("title"), `Welcome, ${name}`);
  showText(
    byId("about"),
    forget
      ? "Choose a new password. You are signed out everywhere then, and set up your second factor anew."
      : "Choose a password. You are signed out everywhere then.",
  );
  byId("name").value = name;
  byId("about").hidden = byId("form").hidden = false;
  byId("password").focus();
} catch (error) {
  showProblem(problem, error);
  byId("over").hidden = false;
}
