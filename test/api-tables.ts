/**
 * The export tables of docs/api.md carry what the source says: a function's signature, an interface's fields, what a type
 * is another name for. `npx tsx test/api-tables.ts` writes them; test/docs.test.ts compares.
 */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
const printer = ts.createPrinter({ removeComments: true });

/** A node as its author wrote it, on one line, without comments. */
const textOf = (node: ts.Node): string =>
  printer
    .printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
    .replace(/\s+/g, " ")
    .replace(/\breadonly (?=\w+\??:)/g, "")
    .replace(/^\((.*)\)$/, "$1");

/** A type that its author did not write. */
const typeText = (type: ts.Type, checker: ts.TypeChecker, flags = ts.TypeFormatFlags.None): string =>
  checker
    .typeToString(type, undefined, flags | ts.TypeFormatFlags.NoTruncation)
    .replaceAll("Tensor<Rank>", "Tensor")
    .replace(/import\("[^"]*"\)\./g, "")
    .replace(/\breadonly (?=\w+\??:)/g, "")
    .replace(/; }/g, " }")
    .replace(/\?: ([^;{}()]*) \| undefined/g, "?: $1")
    .replace(/(?<=\}) \| undefined(?=[; ])/g, "")
    // The compiler's own order depends on what it has met before.
    .replace(/"[^"]*"(?: \| "[^"]*")+/g, (union) => union.split(" | ").sort().join(" | "));

/** A parameter that is taken apart has no name: that of its type, `SRABatch` a batch, or options. */
function nameOf({ name, type }: ts.ParameterDeclaration): string {
  if (ts.isIdentifier(name)) return name.text;
  const words = type && ts.isTypeReferenceNode(type) ? textOf(type.typeName).match(/[A-Z]+[a-z]*$/) : null;
  return words?.[0].replace(/^[A-Z]+(?=[A-Z][a-z])/, "").toLowerCase() ?? "options";
}

function signatureText(signature: ts.Signature, checker: ts.TypeChecker): string {
  const declaration = signature.getDeclaration() as ts.FunctionLikeDeclaration;
  const inferred = (type: ts.Type): string => typeText(type, checker);
  const parameters = declaration.parameters.map((parameter) => {
    const rest = parameter.dotDotDotToken ? "..." : "";
    const optional = parameter.initializer || parameter.questionToken ? "?" : "";
    const type = parameter.type ? textOf(parameter.type) : inferred(checker.getTypeAtLocation(parameter));
    return `${rest}${nameOf(parameter)}${optional}: ${type}`;
  });
  const generics = declaration.typeParameters?.map(textOf).join(", ");
  const result = declaration.type ? textOf(declaration.type) : inferred(signature.getReturnType());
  return `${generics ? `<${generics}>` : ""}(${parameters.join(", ")}): ${result}`;
}

function membersText(declaration: ts.InterfaceDeclaration): string {
  const parents = declaration.heritageClauses?.flatMap(({ types }) => types.map(textOf)) ?? [];
  const members = declaration.members.map((member) => textOf(member).replace(/;$/, ""));
  return [...parents, `{ ${members.join("; ")} }`].join(" & ");
}

function classText(symbol: ts.Symbol, declaration: ts.ClassDeclaration, checker: ts.TypeChecker): string {
  const fields = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).flatMap((property) => {
    const own = property.valueDeclaration;
    if (!own || own.getSourceFile() !== declaration.getSourceFile()) return [];
    return [`${property.name}: ${typeText(checker.getTypeOfSymbol(property), checker)}`];
  });
  return `class { ${fields.join("; ")} }`;
}

const isSchema = (text: string): boolean => /\bz\.infer</.test(text);
/** A union of what schemas say, told apart by a field. */
const isUnion = (text: string): boolean => /^\w+Config(?: \| \w+Config)+$/.test(text);

/** The fields of a schema's type, with the names of those within it. */
function namedFields(text: string, schemas: ReadonlyMap<string, string>): string {
  return [...schemas]
    .sort(([, a], [, b]) => b.length - a.length)
    .filter(([, fields]) => fields.startsWith("{") || fields.includes("{"))
    .reduce(
      (all, [name, fields]) =>
        all === fields
          ? all
          : all.replaceAll(`: ${fields}`, `: ${name}`).replaceAll(`(${fields})[]`, `${name}[]`),
      text,
    );
}

/** A type with its fields, not its name. */
const expanded = (symbol: ts.Symbol, checker: ts.TypeChecker): string =>
  typeText(checker.getDeclaredTypeOfSymbol(symbol), checker, ts.TypeFormatFlags.InTypeAlias);

/** What the source says of an export; nothing of a constant. */
function sourceText(exported: ts.Symbol, checker: ts.TypeChecker): string {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const generic = (declaration: ts.InterfaceDeclaration | ts.TypeAliasDeclaration): string =>
    declaration.typeParameters ? `<${declaration.typeParameters.map(textOf).join(", ")}> ` : "";
  const isOwn = (declaration: ts.Declaration): boolean =>
    declaration.getSourceFile().fileName.startsWith(join(root, "lib"));
  for (const declaration of symbol.declarations?.filter(isOwn) ?? []) {
    if (ts.isInterfaceDeclaration(declaration)) return generic(declaration) + membersText(declaration);
    if (ts.isTypeAliasDeclaration(declaration)) {
      const text = textOf(declaration.type);
      // What a schema says is not in its text.
      return isSchema(text) ? expanded(symbol, checker) : generic(declaration) + text;
    }
    if (ts.isClassDeclaration(declaration)) return classText(symbol, declaration, checker);
  }
  const { valueDeclaration } = symbol;
  if (!valueDeclaration || !isOwn(valueDeclaration)) return "";
  const signatures = checker.getTypeOfSymbol(symbol).getCallSignatures();
  return signatures.map((signature) => signatureText(signature, checker)).join("; ");
}

/** Code in a cell of a table. */
function cell(text: string): string {
  if (text === "") return "";
  const code = text.replaceAll("|", "\\|");
  return text.includes("`") ? `\`\` ${code} \`\`` : `\`${code}\``;
}

/** A row of a table: the export, what the source says, what it is. */
export const ROW = /^\| `(\w+)`( \(type\))? \| (?:(.*) \| )?(\S.*?) \|$/gm;

/** The page with its tables as the source has them; names that the source does not have stay as they are. */
export function withSource(page: string, program: ts.Program): string {
  const checker = program.getTypeChecker();
  /** Those of types that are made of schemas, by name. */
  const schemas = new Map<string, string>();
  const exportsOf = (folder: string): ts.Symbol[] => {
    const file = program.getSourceFile(join(root, "lib", folder, "index.ts"));
    return file ? checker.getExportsOfModule(checker.getSymbolAtLocation(file)!) : [];
  };
  for (const [, folder] of page.matchAll(/\n## `ditlab\/([a-z]+)`/g))
    for (const exported of exportsOf(folder)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const [declaration] = symbol.declarations ?? [];
      if (declaration && ts.isTypeAliasDeclaration(declaration)) {
        const text = textOf(declaration.type);
        if (isSchema(text) || isUnion(text)) schemas.set(exported.name, expanded(symbol, checker));
      }
    }
  const sections = page.split(/(?=\n## `ditlab\/)/).map((section) => {
    const folder = /^\n## `ditlab\/([a-z]+)`/.exec(section)?.[1];
    if (folder === undefined) return section;
    const texts = new Map(
      exportsOf(folder).map((symbol) => [symbol.name, namedFields(sourceText(symbol, checker), schemas)]),
    );
    return section
      .replace(
        "| Export | What it is |\n| --- | --- |",
        "| Export | In the source | What it is |\n| --- | --- | --- |",
      )
      .replace(
        ROW,
        (_, name: string, type = "", _source, what: string) =>
          `| \`${name}\`${type} | ${cell(texts.get(name) ?? "")} | ${what} |`,
      );
  });
  return sections.join("");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folders = (await readdir(join(root, "lib"))).filter((name) =>
    existsSync(join(root, "lib", name, "index.ts")),
  );
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram(
    folders.map((folder) => join(root, "lib", folder, "index.ts")),
    options,
  );
  const path = join(root, "docs/api.md");
  await writeFile(path, withSource(await readFile(path, "utf8"), program));
}
