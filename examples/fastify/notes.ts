/** NotesService. Both servers use this file as it is. */
import { EventEmitter, on } from "node:events";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import type { FastifyRequest } from "fastify";
import { NotesService } from "./gen/notes/v1/notes_pb.ts";

const USER = createContextKey<string | undefined>(undefined, { description: "user who has logged in" });

const notes = new Map<string, string[]>();
const added = new EventEmitter();

const STOPPING = new ConnectError("the server is stopping", Code.Unavailable);

/** Reads the user of a call from the session that Fastify has loaded. */
function contextValues({ session }: FastifyRequest): ContextValues {
  return createContextValues().set(USER, session.user);
}

function routes(router: ConnectRouter): void {
  router.service(NotesService, {
    addNote({ text }, { values }) {
      const user = requireUser(values);
      const texts = [...(notes.get(user) ?? []), text];
      notes.set(user, texts);
      added.emit(user, text);
      return { count: texts.length };
    },
    listNotes({ limit }, { values }) {
      return { texts: notes.get(requireUser(values))?.slice(-limit) ?? [] };
    },
    async *watchNotes(_, { values, signal }) {
      const user = requireUser(values);
      const news = on(added, user, { signal });
      for (const text of notes.get(user) ?? []) yield { text };
      try {
        for await (const [text] of news) yield { text };
      } catch {
        signal.throwIfAborted(); // the reason for which the call ends, such as STOPPING
      }
    },
  });
}

/** The options of either plugin. Streams that are open half a second after the application began to close are ended. */
export const options = { routes, contextValues, shutdownTimeoutMs: 500, shutdownError: STOPPING };

/** Returns the user. Throws `unauthenticated` without a login. */
function requireUser(values: ContextValues): string {
  const user = values.get(USER);
  if (user === undefined) throw new ConnectError("log in first", Code.Unauthenticated);
  return user;
}
