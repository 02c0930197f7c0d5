/** Accepts the traces of a server, as a collector does, and drops them. The argument is its port. */
import { createServer } from "node:http";

createServer((req, res) => req.resume().on("end", () => res.end())).listen(Number(process.argv[2]), "127.0.0.1");
