/** The other routes, in Hono. */
import { Hono } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import { HTTPException } from "hono/http-exception";
import { stream, streamSSE } from "hono/streaming";
import { people } from "./people.ts";

export const site = new Hono();

site.use(async (context, next) => {
  await next();
  context.header("x-site", "hono");
});
site.get("/", (context) => context.text("Sign up\n"));
site.get("/people/:email", (context) => {
  const person = people.get(context.req.param("email"));
  if (person === undefined) throw new HTTPException(404, { message: "not signed up" });
  return context.json({ name: person.name, age: person.age });
});
site.post("/echo", async (context) =>
  context.body(await context.req.arrayBuffer(), 200, { "x-query": context.req.query("q") ?? "" }),
);
site.get("/cookies", (context) => {
  setCookie(context, "seen", "yes", { httpOnly: true });
  deleteCookie(context, "old");
  return context.body(null, 204);
});
site.get("/letters", (context) =>
  stream(context, async (response) => {
    for (const letter of "abc") {
      await response.write(letter);
      await response.sleep(Number(context.req.query("ms") ?? 10));
    }
  }),
);
site.get("/events", (context) =>
  streamSSE(context, async (response) => {
    for (const id of ["1", "2", "3"]) {
      await response.writeSSE({ id, data: `event ${id}` });
      await response.sleep(10);
    }
  }),
);
site.get("/old", (context) => context.redirect("/", 301));
site.get("/url", (context) => context.text(context.req.url));
site.get("/broken", () => {
  throw new Error("this route always fails");
});
site.notFound((context) => context.json({ message: `${context.req.path} does not exist` }, 404));
site.onError((error, context) =>
  error instanceof HTTPException ? error.getResponse() : context.json({ message: error.message }, 500),
);
