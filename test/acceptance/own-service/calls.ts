/** Calls of each method of the contract in files/. */
import type { DescMethod, JsonValue } from "@bufbuild/protobuf";

/** A method with the requests of a call, and the responses to it. All are in Protobuf's JSON. */
export interface MethodCall {
  readonly method: string;
  readonly kind: DescMethod["methodKind"];
  readonly requests: readonly JsonValue[];
  readonly responses: readonly JsonValue[];
}

const ELIZA = "acme.eliza.v1.ElizaService";
const APPOINTMENTS = "acme.eliza.v1.AppointmentService";

/**
 * Returns a call of each method. The service gives appointments the ids 1, 2 and so on, and none may overlap. `booking` is
 * the number of the appointment that the calls book.
 */
export function createCalls(booking: number): readonly MethodCall[] {
  const start = `2030-01-${String(booking).padStart(2, "0")}T10:00:00Z`;
  const appointment = {
    person: { name: "Ada", address: { lines: ["12 Square", "London"], country: "UK" }, born: 1815 },
    start,
    length: "1800s",
    topics: [{ text: "Engines", mood: "MOOD_CALM" }, { text: "Numbers!" }],
    labels: { room: "2" },
    facts: { "7": { text: "writes", certainty: 0.5, picture: "AQID", secret: true, told: "9007199254740993" } },
  };
  const booked = { appointment: { id: String(booking), ...appointment } };
  return [
    {
      method: `${ELIZA}/Say`,
      kind: "unary",
      requests: [{ sentence: { text: "Hello!" }, replacements: { Hello: "Good day" } }],
      responses: [{ answer: "Good day, how are you?", heard: "MOOD_EXCITED" }],
    },
    {
      method: `${ELIZA}/Introduce`,
      kind: "server_streaming",
      requests: [{ name: "Ada", sentences: 3, pause: "0.010s" }],
      responses: ["Hi Ada, I'm Eliza.", "This is sentence 2.", "This is sentence 3."].map((sentence) => ({ sentence })),
    },
    {
      method: `${ELIZA}/Summarize`,
      kind: "client_streaming",
      requests: [{ sentence: { text: "Yes." } }, { sentence: { text: "Oh yes!" } }],
      responses: [
        {
          sentences: 2,
          words: { yes: 2, oh: 1 },
          moods: ["MOOD_CALM", "MOOD_EXCITED"].map((mood) => ({ mood, sentences: 1 })),
        },
      ],
    },
    {
      method: `${ELIZA}/Converse`,
      kind: "bidi_streaming",
      requests: [{ sentence: "Hello" }, { sentence: "No" }],
      responses: [{ answer: "Hello, how are you?" }, { answer: 'Why do you say "No"?' }],
    },
    {
      method: `${APPOINTMENTS}/BookAppointment`,
      kind: "unary",
      requests: [{ appointment }],
      responses: [booked],
    },
    {
      method: `${APPOINTMENTS}/GetAppointment`,
      kind: "unary",
      requests: [{ id: String(booking) }],
      responses: [booked],
    },
    {
      method: `${APPOINTMENTS}/WatchAppointments`,
      kind: "server_streaming",
      requests: [{ since: start }],
      responses: [booked],
    },
  ];
}
