/** Attacks on a server with TLS: with the handshake, and with calls whose bytes TLS buffers. */
import type { Attack } from "../support/attack.ts";
import { pick } from "../support/pick.ts";
import { CALL_ATTACKS } from "./calls.ts";
import { HTTP1_ATTACKS } from "./http1.ts";
import { HTTP2_ATTACKS } from "./http2.ts";

const off = Infinity;
/** The begin of a handshake record of 512 bytes (RFC 8446, 5.1), with the begin of a ClientHello. */
const HALF_CLIENT_HELLO = Buffer.concat([
  Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03),
  Buffer.alloc(50),
]);

const HANDSHAKES: readonly Attack[] = [
  {
    name: "silence before the handshake",
    http: "1.1",
    limits: { firstBytesMs: 200 },
    off: { firstBytesMs: off },
    run: async ({ connectBare }) => (await connectBare()).ending(),
    cut: /^closed$/,
  },
  {
    name: "half a ClientHello",
    http: "1.1",
    limits: { handshakeMs: 200 },
    off: { handshakeMs: off },
    run: async ({ connectBare }) => (await connectBare(HALF_CLIENT_HELLO)).ending(),
    cut: /^closed$/,
  },
  {
    name: "half a ClientHello, byte by byte",
    http: "1.1",
    limits: { handshakeMs: 200 },
    off: { handshakeMs: off },
    async run({ connectBare }) {
      const peer = await connectBare();
      await peer.trickle(
        [...HALF_CLIENT_HELLO].map((byte) => Buffer.of(byte)),
        20,
      );
      return peer.ending();
    },
    cut: /^closed$/,
  },
  {
    name: "a handshake, and then silence",
    http: "1.1",
    limits: { headersMs: 200 },
    off: { headersMs: off },
    run: async ({ connect }) => (await connect()).ending(),
    cut: /^408, closed$/,
  },
  {
    name: "a handshake, and then silence",
    http: "2",
    limits: { settingsMs: 200 },
    off: { settingsMs: off },
    run: async ({ connect }) => (await connect()).ending(),
    cut: /GOAWAY SETTINGS_TIMEOUT, closed$/,
  },
  {
    name: "resets of connections that shake hands",
    http: "1.1",
    off: undefined,
    async run({ connectBare, reset }) {
      const seen = new Set<string>();
      for (let i = 0; i < 50; i++) seen.add(await reset(await connectBare(HALF_CLIENT_HELLO)));
      return [...seen].join();
    },
    cut: /^dropped$/,
  },
];

/** Attacks whose bytes go through the buffers of TLS. */
const BEHIND = [
  "a response that is not read",
  "a stream that is not read",
  "requests, and no response read",
  "a gzip bomb of 50 MB",
  "a br bomb of 50 MB",
  "a body after an error response",
  "a flood of PING (CVE-2019-9512)",
  "a flood of empty DATA (CVE-2019-9518)",
  "rapid reset (CVE-2023-44487)",
  "resets of connections during responses",
  "more connections than are allowed",
  "more connections from one address than are allowed",
];

export const TLS_ATTACKS: readonly Attack[] = [
  ...HANDSHAKES,
  ...pick([...HTTP1_ATTACKS, ...HTTP2_ATTACKS, ...CALL_ATTACKS], BEHIND),
].map((attack) => ({ ...attack, tls: true }));
