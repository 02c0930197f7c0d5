/** The header fields by which replicas say who they are and who called. */

/** Response: the process ID of the replica. */
export const REPLICA_HEADER = "x-replica";
/** Response: the address of the client, as `peerKey` has it. */
export const PEER_HEADER = "x-peer";
/** Request and response: metadata whose name has the characters that proxies may drop. */
export const METADATA_HEADER = "x-with_underscore.and.dot";
/** Request: "COUNT BYTES", the fields that the response must have, and the bytes of each value. */
export const FILL_HEADER = "x-fill";
/** Response: the number of fields of the request whose names begin with `FILLER`. */
export const FILLERS_HEADER = "x-fillers";
/** Request and response: the beginning of the names of fields that only make the headers large. */
export const FILLER = "x-f";

/**
 * Fields and bytes of each value. With the other fields they are just below the replicas' limit of 16 KiB, for which HTTP/2 adds 32
 * bytes to each field (RFC 9113, 6.5.2).
 */
export const LARGE_HEADERS = { "one large field": [1, 15_600], "400 fields": [400, 1] } as const;

/** Returns `count` fields whose values have this many bytes. */
export function fillers(count: number, bytes: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`${FILLER}${i}`, "v".repeat(bytes)]));
}

/** Returns the number of fields that `fillers` made. */
export function countFillers(names: Iterable<string>): number {
  return Array.from(names).filter((name) => /^x-f\d+$/.test(name)).length;
}
