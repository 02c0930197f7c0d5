/** Constants of the HTTP/2 framing layer, and the error that ends a connection (RFC 9113, 4 to 7). */

/** Frame types (6). */
export const FrameType = {
  Data: 0x0,
  Headers: 0x1,
  Priority: 0x2,
  RstStream: 0x3,
  Settings: 0x4,
  PushPromise: 0x5,
  Ping: 0x6,
  Goaway: 0x7,
  WindowUpdate: 0x8,
  Continuation: 0x9,
} as const;

/** Frame flags (6). */
export const Flag = {
  EndStream: 0x1,
  Ack: 0x1,
  EndHeaders: 0x4,
  Padded: 0x8,
  Priority: 0x20,
} as const;

/** Error codes (7). */
export const ErrorCode = {
  NoError: 0x0,
  Protocol: 0x1,
  Internal: 0x2,
  FlowControl: 0x3,
  SettingsTimeout: 0x4,
  StreamClosed: 0x5,
  FrameSize: 0x6,
  RefusedStream: 0x7,
  Cancel: 0x8,
  Compression: 0x9,
  EnhanceYourCalm: 0xb,
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** Settings (6.5.2). */
export const SettingId = {
  HeaderTableSize: 0x1,
  EnablePush: 0x2,
  MaxConcurrentStreams: 0x3,
  InitialWindowSize: 0x4,
  MaxFrameSize: 0x5,
  MaxHeaderListSize: 0x6,
} as const;

/** The bytes that a client sends before its first frame (3.4). */
export const CLIENT_PREFACE: Uint8Array = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** The size of a frame header (4.1). */
export const FRAME_HEADER_BYTES = 9;
/**
 * The largest payload that this side sends or accepts: the initial value of SETTINGS_MAX_FRAME_SIZE (6.5.2). This side
 * does not announce another value.
 */
export const MAX_FRAME_SIZE_BYTES = 16_384;
/** The largest flow-control window in bytes (6.9.1), and the largest stream identifier (5.1.1). */
export const MAX_UINT31 = 0x7fff_ffff;
/** The initial flow-control window of a connection and of its streams (6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;

/** An error that ends the connection with GOAWAY (5.4.1). The message becomes the debug data of GOAWAY. */
export class ConnectionError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Returns the stream identifier or window increment at a position, without its reserved bit. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) &
    MAX_UINT31
  );
}
