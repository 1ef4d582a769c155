// Finds the ditlab package and starts its kernel; Jupyter runs this file from the kernelspec's folder. It depends on
// nothing, so that it works wherever the project has been moved.
"use strict";
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { pathToFileURL } = require("node:url");

const record = join(__dirname, "ditlab.json");
const read = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
};
const program = (root) => join(root, "dist", "kernel", "main.js");
const isPackage = (folder) => read(join(folder, "package.json")).name === "ditlab";

const recorded = read(record).path;
const places = [];
for (let folder = process.cwd(); ; folder = dirname(folder)) {
  places.push(folder, join(folder, "node_modules", "ditlab"));
  if (dirname(folder) === folder) break;
}
if (recorded) places.push(recorded);
// Where npm installs globally, on Windows for each user.
const beside = dirname(process.execPath);
for (const folder of [join(dirname(beside), "lib"), beside, join(process.env.APPDATA ?? beside, "npm")])
  places.push(join(folder, "node_modules", "ditlab"));

const found = places.filter(isPackage);
const root = found.find((folder) => existsSync(program(folder)));
if (root) {
  if (root !== recorded && !(recorded && existsSync(program(recorded)))) {
    // The recorded place is gone: the project was moved, and here it is.
    try {
      writeFileSync(record, `${JSON.stringify({ ...read(record), path: root }, null, 2)}\n`);
    } catch {
      // A folder that this user cannot write to.
    }
  }
  import(pathToFileURL(program(root)).href).catch((error) => {
    console.error(`ditlab kernel: ${error.stack}`);
    process.exit(1);
  });
} else {
  console.error(
    found.length > 0
      ? `ditlab kernel: ${found[0]} has no build; run "npm run build" there.`
      : `ditlab kernel: the ditlab package is neither above ${process.cwd()} nor at ${recorded} nor among npm's global packages; run "npx ditlab kernel install" in the project that has it.`,
  );
  process.exit(1);
}
