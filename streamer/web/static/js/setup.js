/** The page `/setup#…`: whoever has the link that the server printed becomes the first administrator. */

import { onSubmit, showProblem } from "./form.js";
import { ask } from "./session.js";

const byId = (id) => document.getElementById(id);

const token = location.hash.slice(1);
const problem = byId("problem");

addEventListener("hashchange", () => location.reload());

onSubmit(byId("form"), problem, async () => {
  const password = byId("password").value;
  if (password !== byId("repeated").value) throw new Error("the two passwords differ; type the same one twice");
  await ask("POST", "/api/v1/setup", { token, name: byId("name").value, password });
  location.replace("/account");
});

try {
  if (!token) throw new Error("open the complete link that the server printed when it started");
  await ask("POST", "/api/v1/setup/check", { token });
  byId("form").hidden = byId("nobody").hidden = false;
  byId("name").focus();
} catch (error) {
  showProblem(problem, error);
  byId("over").hidden = false;
}
