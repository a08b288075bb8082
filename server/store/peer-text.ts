/** What peers are sorted and searched by: lower-case, since SQLite folds ASCII only. */

/** Unnamed peers come after all named ones, by key. */
export function sortNameOf(peer: { name: string | null; publicKey: string }): string {
  return peer.name === null || peer.name === '' ? `\uffff${peer.publicKey}` : peer.name.toLowerCase();
}

export function searchTextOf(peer: {
  name: string | null;
  email: string | null;
  publicKey: string;
  allowedIPs: string;
}): string {
  return [peer.name ?? '', peer.email ?? '', peer.publicKey, peer.allowedIPs].join('\n').toLowerCase();
}
