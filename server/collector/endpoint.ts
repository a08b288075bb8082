/**
 * What clients dial, `host:port`.
 * @param configured a host or host:port; IPv6 addresses in brackets
 * @param listenPort the device's; stands in for a port that was not configured
 * @returns null where no host is known, or no port
 */
export function dialled(configured: string | null, listenPort: number | null): string | null {
  if (configured === null) return null;
  if (/^(\[[^\]]+\]|[^:]+):\d+$/.test(configured)) return configured;
  return listenPort === null ? null : `${configured}:${String(listenPort)}`;
}
