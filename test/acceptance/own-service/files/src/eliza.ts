/** ElizaService: talks with people. */
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type ElizaService,
  Mood,
  type SayRequest,
  type SayResponse,
  SayResponseSchema,
  type Sentence,
} from "../gen/acme/eliza/v1/eliza_pb.ts";

const MAX_SENTENCES = 100;

export const eliza: ServiceImpl<typeof ElizaService> = {
  say,
  async *introduce({ name, sentences, pause }, { signal }) {
    if (sentences > MAX_SENTENCES) {
      const message = `introduce: ${sentences} sentences are more than ${MAX_SENTENCES}`;
      throw new ConnectError(message, Code.InvalidArgument);
    }
    for (let number = 1; number <= sentences; number++) {
      if (number > 1 && pause !== undefined) await sleep(durationMs(pause), undefined, { signal });
      yield { sentence: number === 1 ? `Hi ${name}, I'm Eliza.` : `This is sentence ${number}.` };
    }
  },
  async summarize(requests) {
    const words: Record<string, number> = {};
    const moods = new Map<Mood, number>();
    let sentences = 0;
    for await (const { sentence } of requests) {
      sentences++;
      for (const word of sentence?.text.toLowerCase().match(/\w+/g) ?? []) words[word] = (words[word] ?? 0) + 1;
      const mood = moodOf(sentence);
      moods.set(mood, (moods.get(mood) ?? 0) + 1);
    }
    return { sentences, words, moods: [...moods].map(([mood, count]) => ({ mood, sentences: count })) };
  },
  async *converse(requests) {
    for await (const { sentence } of requests) yield { answer: answerTo(sentence) };
  },
};

/** Returns an answer. Throws `invalid_argument` without a sentence. */
export function say({ sentence, replacements }: SayRequest): SayResponse {
  if (sentence === undefined) throw new ConnectError("say: the sentence is missing", Code.InvalidArgument);
  const answer = Object.entries(replacements).reduce(
    (text, [word, replacement]) => text.replaceAll(word, replacement),
    answerTo(sentence.text),
  );
  return create(SayResponseSchema, { answer, heard: moodOf(sentence) });
}

function answerTo(text: string): string {
  return /^(?:hello|hi)\b/i.test(text) ? "Hello, how are you?" : `Why do you say "${text}"?`;
}

function moodOf(sentence: Sentence | undefined): Mood {
  if (sentence === undefined || sentence.mood !== Mood.UNSPECIFIED) return sentence?.mood ?? Mood.UNSPECIFIED;
  return sentence.text.endsWith("!") ? Mood.EXCITED : Mood.CALM;
}
