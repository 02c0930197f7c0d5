/** The state of a connection. ARCHITECTURE.md has a diagram of it. */

export const ConnectionPhase = {
  /** The peer has not sent SETTINGS, or has not acknowledged those of this side (RFC 9113, 3.4). */
  Opening: 0,
  Open: 1,
  /** This side or the peer has sent GOAWAY (6.8). Open streams continue to their end. */
  Draining: 2,
  /** Received bytes are ignored. Only the remaining output is still sent. */
  Closed: 3,
} as const;
export type ConnectionPhase = (typeof ConnectionPhase)[keyof typeof ConnectionPhase];

export class ConnectionState {
  #phase: ConnectionPhase = ConnectionPhase.Opening;
  #settingsReceived = false;
  #settingsAcknowledged = false;
  #goawayReceived = false;

  get phase(): ConnectionPhase {
    return this.#phase;
  }

  get isClosed(): boolean {
    return this.#phase === ConnectionPhase.Closed;
  }

  /** True if the peer has sent SETTINGS, which must be its first frame. */
  get settingsReceived(): boolean {
    return this.#settingsReceived;
  }

  /** True if the peer has acknowledged the SETTINGS of this side. */
  get settingsAcknowledged(): boolean {
    return this.#settingsAcknowledged;
  }

  /** True if the peer has sent SETTINGS, and has acknowledged those of this side. */
  get isSettled(): boolean {
    return this.#settingsReceived && this.#settingsAcknowledged;
  }

  get goawayReceived(): boolean {
    return this.#goawayReceived;
  }

  receiveSettings(): void {
    this.#settingsReceived = true;
    this.#openIfSettled();
  }

  receiveSettingsAck(): void {
    this.#settingsAcknowledged = true;
    this.#openIfSettled();
  }

  receiveGoaway(): void {
    this.#goawayReceived = true;
    this.#drain();
  }

  sendGoaway(): void {
    this.#drain();
  }

  close(): void {
    this.#phase = ConnectionPhase.Closed;
  }

  #openIfSettled(): void {
    if (this.#phase === ConnectionPhase.Opening && this.isSettled) this.#phase = ConnectionPhase.Open;
  }

  #drain(): void {
    if (this.#phase !== ConnectionPhase.Closed) this.#phase = ConnectionPhase.Draining;
  }
}
