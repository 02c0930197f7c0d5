/** Makes PROXY protocol headers, as a proxy sends them. */

export const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n");

/** Returns a header of version 2, valid or not. `command` has the version in its upper half. */
export function proxyV2(command: number, family: number, rest: readonly number[]): Buffer {
  return Buffer.concat([
    V2_SIGNATURE,
    Buffer.of(command, family, rest.length >> 8, rest.length & 255),
    Buffer.from(rest),
  ]);
}

/** Returns a header of version 1 that names a client, and a server at 198.51.100.1 or 2001:db8::1. */
export function proxyV1(address: string, port: number): Buffer {
  const [version, server] = address.includes(":") ? [6, "2001:db8::1"] : [4, "198.51.100.1"];
  return Buffer.from(`PROXY TCP${version} ${address} ${server} ${port} 443\r\n`);
}
