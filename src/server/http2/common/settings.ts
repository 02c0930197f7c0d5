/** SETTINGS (RFC 9113, 6.5): what this side announces, and what the peer did. */

import type { Limits } from "../../limits/limits.ts";
import {
  ConnectionError,
  ErrorCode,
  INITIAL_WINDOW_BYTES,
  MAX_FRAME_SIZE_BYTES,
  MAX_UINT31,
  SettingId,
} from "../frames/types.ts";

const FIRST_TABLE_SIZE = 4096;

/** What this side announces, as pairs of identifier and value; a bound that is off is not announced. */
export function announcedSettings(limits: Limits): (readonly [id: number, value: number])[] {
  const pairs: (readonly [id: number, value: number])[] = [
    [SettingId.MaxConcurrentStreams, limits.concurrentStreams],
    [SettingId.InitialWindowSize, limits.streamWindowBytes],
    [SettingId.MaxHeaderListSize, limits.headerListBytes],
  ];
  return pairs.filter(([, value]) => Number.isFinite(value));
}

/** What the peer announced, where it matters to a server that neither pushes nor sends frames over the first size. */
export class PeerSettings {
  /** Whether they came, and whether the peer acknowledged ours. */
  came = false;
  acknowledged = false;
  initialWindowSize = INITIAL_WINDOW_BYTES;
  /** It wants a smaller header table than the first, which the next field block has to acknowledge (RFC 7541, 4.2). */
  smallerTable = false;

  /** Takes the pairs in bytes[start] to bytes[end - 1]; gives by how much the streams' windows grow (6.9.2). */
  apply(bytes: Buffer, start: number, end: number): number {
    if ((end - start) % 6 !== 0) {
      throw new ConnectionError(ErrorCode.FrameSize, `SETTINGS of ${end - start} bytes is no multiple of 6 bytes`);
    }
    this.came = true;
    const before = this.initialWindowSize;
    for (let at = start; at < end; at += 6) this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    return this.initialWindowSize - before;
  }

  /** 6.5.2; identifiers that are not known are ignored. */
  #set(id: number, value: number): void {
    switch (id) {
      case SettingId.HeaderTableSize:
        if (value < FIRST_TABLE_SIZE) this.smallerTable = true;
        return;
      case SettingId.EnablePush:
        if (value > 1) throw new ConnectionError(ErrorCode.Protocol, `SETTINGS_ENABLE_PUSH ${value} is not 0 or 1`);
        return;
      case SettingId.InitialWindowSize:
        if (value > MAX_UINT31) {
          throw new ConnectionError(
            ErrorCode.FlowControl,
            `SETTINGS_INITIAL_WINDOW_SIZE ${value} exceeds ${MAX_UINT31} bytes`,
          );
        }
        this.initialWindowSize = value;
        return;
      case SettingId.MaxFrameSize:
        if (value < MAX_FRAME_SIZE_BYTES || value > 0xff_ffff) {
          throw new ConnectionError(ErrorCode.Protocol, `SETTINGS_MAX_FRAME_SIZE ${value} is not 16384 to 16777215`);
        }
    }
  }
}
