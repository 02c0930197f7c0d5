/** Whether a Host or :authority is one. */

const HOST_AND_PORT = /^(\[[0-9a-f:.]+\]|[\w\-.~%!$&'()*+,;=]+)(:\d{0,5})?$/i;

/** True for `host[:port]` of an http URL (RFC 9110, 4.2.1), which has no userinfo. */
export function isAuthority(text: string): boolean {
  return HOST_AND_PORT.test(text) && URL.canParse(`http://${text}/`);
}
