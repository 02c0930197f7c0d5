/** The header fields by which replicas say who they are and who called. */

/** Response: the process ID of the replica. */
export const REPLICA_HEADER = "x-replica";
/** Response: the address of the client, as `peerKey` has it. */
export const PEER_HEADER = "x-peer";
/** Request and response: metadata whose name has the characters that proxies may drop. */
export const METADATA_HEADER = "x-with_underscore.and.dot";
