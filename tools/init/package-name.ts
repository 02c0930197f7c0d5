/** The rules for the package name of a new service, and the names that follow from it. */

/** The names of a service, such as those of acme.order_book.v1. */
export interface Names {
  /** acme.order_book.v1 */
  readonly package: string;
  /** acme/order_book/v1/order_book: the path of the contract without the ending of its name. */
  readonly path: string;
  /** OrderBookService */
  readonly service: string;
  /** order-book: the name of the source file and of the npm package. */
  readonly file: string;
}

const RULE =
  "must be at least two names in lower_snake_case with dots between them, the last one a version like v1 or v1beta1, such as acme.eliza.v1";
const PART = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/;
/** The versions that buf's rule PACKAGE_VERSION_SUFFIX accepts. */
const VERSION = /^v[1-9]\d*(?:test[a-z0-9_]*|(?:p[1-9]\d*)?(?:alpha|beta)(?:[1-9]\d*)?)?$/;
/** The packages of the repository, and those that Protobuf and gRPC keep for themselves. */
const TAKEN = [/^google\./, /^grpc\./, /^health\.v1$/, /^calls\.v1$/];
/** The files of other contents that would have the name of the service, by that name. */
const TAKEN_FILES: ReadonlyMap<string, string> = new Map([
  ["main", "src/main.ts"],
  ["routes", "src/routes.ts"],
  ["documents", "test/service/documents.test.ts"],
]);

/** Returns the names that follow from a package, or a sentence that says why the package is invalid. */
export function readPackage(name: string): Names | string {
  const parts = name.split(".");
  const [last = "", word = ""] = parts.toReversed();
  if (parts.length < 2 || !parts.every((part) => PART.test(part)) || !VERSION.test(last)) return quoted(name, RULE);
  if (TAKEN.some((taken) => taken.test(name))) return quoted(name, "is taken; choose another, such as acme.eliza.v1");
  const file = word.replaceAll("_", "-");
  const taken = TAKEN_FILES.get(file);
  if (taken !== undefined) return quoted(name, `would replace ${taken}; choose another, such as acme.eliza.v1`);
  const pascal = word.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return {
    package: name,
    path: `${parts.join("/")}/${word}`,
    service: pascal.endsWith("Service") ? pascal : `${pascal}Service`,
    file,
  };
}

function quoted(name: string, problem: string): string {
  return `the package ${JSON.stringify(name)} ${problem}`;
}
