/** ElizaService, and the text at "/". Both servers use this file as it is. */
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { AdviceSchema, ElizaService } from "./gen/eliza/v1/eliza_pb.ts";

/** The number of introductions and conversations in progress. */
let talks = 0;

export function routes(router: ConnectRouter): void {
  router.service(ElizaService, {
    say({ sentence }, { requestHeader, responseHeader, responseTrailer }) {
      if (sentence === "") {
        const advice = { desc: AdviceSchema, value: { sentence: "Tell me how you feel." } };
        throw new ConnectError("say: the sentence is empty", Code.InvalidArgument, { "eliza-mood": "patient" }, [
          advice,
        ]);
      }
      responseHeader.set("eliza-room", requestHeader.get("eliza-room") ?? "none");
      responseTrailer.set("eliza-mood", sentence.endsWith("!") ? "excited" : "calm");
      return { sentence: answer(sentence) };
    },
    async *introduce({ name, pauseMs }, { signal }) {
      talks++;
      try {
        yield { sentence: `Hi ${name}, I'm Eliza.` };
        for (const sentence of ["I listen to people.", "How are you feeling today?"]) {
          await pause(pauseMs, signal);
          yield { sentence };
        }
      } finally {
        talks--;
      }
    },
    async reflect(requests) {
      let sentences = 0;
      let last = "";
      for await (const { sentence } of requests) {
        sentences++;
        last = sentence;
      }
      return { sentences, sentence: `You began to talk, and ended with "${last}".` };
    },
    async *converse(requests) {
      talks++;
      try {
        for await (const { sentence } of requests) yield { sentence: answer(sentence) };
      } finally {
        talks--;
      }
    },
  });
}

/** The parts of a response of node:http and of node:http2 that `page` needs. */
interface PageResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(text: string): unknown;
}

/** Serves the other paths: "/" tells how many talks are in progress. */
export function page({ url }: { url?: string | undefined }, response: PageResponse): void {
  response.statusCode = url === "/" ? 200 : 404;
  response.setHeader("content-type", "text/plain");
  response.end(url === "/" ? `Eliza is in ${talks} talks\n` : "not found\n");
}

function answer(sentence: string): string {
  return /^(hello|hi)\b/i.test(sentence) ? "Hello, how are you?" : `Why do you say "${sentence}"?`;
}

/** Waits. Throws the reason of the signal if the call ends before that, such as deadline_exceeded. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
