/** The settings of the two sides (RFC 9113, 6.5). */
import type { Limits } from "../../limits/limits.ts";
import {
  ConnectionError,
  ErrorCode,
  INITIAL_WINDOW_BYTES,
  MAX_FRAME_SIZE_BYTES,
  MAX_UINT31,
  SettingId,
} from "../frames/types.ts";

/** The initial value of SETTINGS_HEADER_TABLE_SIZE (6.5.2). */
const INITIAL_TABLE_BYTES = 4096;

/** Returns the settings to announce, as pairs of identifier and value. Limits that are off are not announced. */
export function announcedSettings(limits: Limits): (readonly [id: number, value: number])[] {
  const pairs: (readonly [id: number, value: number])[] = [
    [SettingId.MaxConcurrentStreams, limits.concurrentStreams],
    [SettingId.InitialWindowSize, limits.streamWindowBytes],
    [SettingId.MaxHeaderListSize, limits.headerListBytes],
  ];
  return pairs.filter(([, value]) => Number.isFinite(value));
}

/**
 * The settings of the peer. Keeps only the initial window size, and a flag for a smaller header table. The other
 * settings are only validated: this side never pushes, and never sends a frame above the initial maximum size.
 */
export class PeerSettings {
  #initialWindowSize = INITIAL_WINDOW_BYTES;
  #hasSmallerTable = false;

  get initialWindowSize(): number {
    return this.#initialWindowSize;
  }

  /** True if the peer has ever announced a header table below the initial size (RFC 7541, 4.2). */
  get hasSmallerTable(): boolean {
    return this.#hasSmallerTable;
  }

  /**
   * Applies the settings in bytes[start] to bytes[end - 1]. Returns the growth of the streams' send windows in bytes,
   * which may be negative (6.9.2). Throws ConnectionError if the length or a value is invalid.
   */
  apply(bytes: Buffer, start: number, end: number): number {
    if ((end - start) % 6 !== 0) {
      throw new ConnectionError(ErrorCode.FrameSize, `SETTINGS of ${end - start} bytes is not a multiple of 6 bytes`);
    }
    const before = this.#initialWindowSize;
    for (let at = start; at < end; at += 6) this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    return this.#initialWindowSize - before;
  }

  /** Validates one setting, and stores it if it is used. Ignores unknown identifiers (6.5.2). */
  #set(id: number, value: number): void {
    switch (id) {
      case SettingId.HeaderTableSize:
        if (value < INITIAL_TABLE_BYTES) this.#hasSmallerTable = true;
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
        this.#initialWindowSize = value;
        return;
      case SettingId.MaxFrameSize:
        if (value < MAX_FRAME_SIZE_BYTES || value > 0xff_ffff) {
          throw new ConnectionError(ErrorCode.Protocol, `SETTINGS_MAX_FRAME_SIZE ${value} is not 16384 to 16777215`);
        }
    }
  }
}
