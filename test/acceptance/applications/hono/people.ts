/** SignupService, with interceptors that validate requests and time calls. Both servers use this file as it is. */
import { Code, ConnectError, type ConnectRouter, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { type Person, SignupService } from "./gen/signup/v1/signup_pb.ts";

/** The people by their email, whom the RPCs and Hono's routes share. */
export const people = new Map<string, Person>();

const timing: Interceptor = (next) => async (request) => {
  const start = performance.now();
  const response = await next(request);
  response.header.set("server-timing", `rpc;dur=${(performance.now() - start).toFixed(1)}`);
  return response;
};

export const interceptors: Interceptor[] = [timing, createValidateInterceptor()];

export function routes(router: ConnectRouter): void {
  router.service(SignupService, {
    signUp({ person }) {
      add(person);
      return { count: people.size };
    },
    async importPeople(requests) {
      for await (const { person } of requests) add(person);
      return { count: people.size };
    },
    async *findPeople({ prefix }) {
      for (const person of people.values()) if (person.name.startsWith(prefix)) yield { person };
    },
    getPerson({ email }) {
      const person = people.get(email);
      if (person === undefined) throw new ConnectError(`${email} has not signed up`, Code.NotFound);
      return { person };
    },
  });
}

function add(person: Person | undefined): void {
  if (person !== undefined) people.set(person.email, person);
}
