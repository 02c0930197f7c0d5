/** Prints the exported names, and the members of exported types, that have no documentation in the declarations. */
import { readFileSync } from "node:fs";
import ts from "typescript";

const PACKAGE = "node_modules/@connect-sum/server";
const { exports } = JSON.parse(readFileSync(`${PACKAGE}/package.json`, "utf8"));
const entries = Object.values(exports).flatMap((each) => each.import?.types ?? []);
const files = entries.map((entry) => `${PACKAGE}/${entry}`);
const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
const program = ts.createProgram(files, { ...options, target: ts.ScriptTarget.ES2022, types: ["node"] });
const checker = program.getTypeChecker();

for (const file of files) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(file));
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    for (const each of [symbol, ...membersOf(symbol)]) {
      if (each.getDocumentationComment(checker).length > 0) continue;
      console.log(each === symbol ? exported.name : `${exported.name}.${each.name}`);
    }
  }
}

/** Returns the members that the package itself declares. */
function membersOf(symbol) {
  if (!(symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class))) return [];
  return checker
    .getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol))
    .filter(({ declarations = [] }) => declarations.some((each) => each.getSourceFile().fileName.includes(PACKAGE)));
}
