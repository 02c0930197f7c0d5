/** Serves Add on node:http with the least code: Connect's unary protocol, in proto and JSON. */
import { createServer } from "node:http";
import { CODECS, errorJson, PATH, toCallError } from "./add.ts";
import { listen } from "./ready.ts";

const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on("error", () => {});
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    if (req.url !== PATH) return void res.writeHead(404).end();
    const contentType = req.headers["content-type"] ?? "";
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    try {
      const message = (contentType === "application/json" ? CODECS.json : CODECS.proto)(body);
      res.writeHead(200, { "content-type": contentType, "content-length": message.length }).end(message);
    } catch (error) {
      res.writeHead(400, { "content-type": "application/json" }).end(errorJson(toCallError(error)));
    }
  });
});
listen(server);
