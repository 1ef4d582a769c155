// Imported before a process's script: the packages that HIDE names are not installed, for `require` and `import` alike.
import Module, { register } from "node:module";

const hidden = (process.env.HIDE ?? "").split(",").filter(Boolean);
const isHidden = (specifier) => hidden.some((name) => specifier === name || specifier.startsWith(`${name}/`));
const missing = (specifier) =>
  Object.assign(new Error(`Cannot find package '${specifier}'`), { code: "MODULE_NOT_FOUND" });

const resolveFilename = Module._resolveFilename;
Module._resolveFilename = (specifier, ...rest) => {
  if (isHidden(specifier)) throw missing(specifier);
  return resolveFilename.call(Module, specifier, ...rest);
};
register(
  `data:text/javascript,${encodeURIComponent(`
    const hidden = ${JSON.stringify(hidden)};
    export async function resolve(specifier, context, next) {
      if (hidden.some((name) => specifier === name || specifier.startsWith(name + "/")))
        throw Object.assign(new Error("Cannot find package '" + specifier + "'"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(specifier, context);
    }`)}`,
);
