/**
 * `/metrics`, in Prometheus' text format. Peers' series have the names and labels of MindFlavor's
 * prometheus_wireguard_exporter, so that its dashboards go on; the counters are Wiremeter's totals, which no
 * reset brings back to zero. They are written here and not through prom-client: whole, and in one pass.
 */
import type { Services } from '../schema/context.ts';
import type { Metrics } from './metrics.ts';

const NS_PER_S = 1_000_000_000n;

type Label = readonly [name: string, value: string];

export async function exposition(services: Services, metrics: Metrics): Promise<string> {
  const own = await metrics.registry.metrics();
  return `${own}\n${interfaceLines(services)}\n${await peerLines(services)}\n`;
}

function interfaceLines({ collector }: Services): string {
  const lines = family('wiremeter_interface_up', 'gauge', '1 where the interface was read at its last tick.');
  for (const { interface: name, gateway, status } of collector.health()) {
    const labels: Label[] = [
      ['interface', name],
      ['gateway', gateway],
    ];
    lines.push(`wiremeter_interface_up${write(labels)} ${status === 'UP' ? '1' : '0'}`);
  }
  return lines.join('\n');
}

async function peerLines({ db }: Services): Promise<string> {
  const peers = await db.reader.peer.findMany({
    where: { deletedAt: null },
    select: {
      publicKey: true,
      name: true,
      allowedIPs: true,
      interface: { select: { name: true, gateway: true } },
      counters: { select: { totalReceived: true, totalSent: true, handshake: true } },
    },
    orderBy: { id: 'asc' },
  });
  const gateways = new Set(peers.map((peer) => peer.interface.gateway));
  const sent = family('wireguard_sent_bytes_total', 'counter', 'Bytes sent to the peer');
  const received = family('wireguard_received_bytes_total', 'counter', 'Bytes received from the peer');
  const handshakes = family(
    'wireguard_latest_handshake_seconds',
    'gauge',
    'UNIX timestamp seconds of the last handshake',
  );
  for (const { publicKey, name, allowedIPs, interface: of, counters } of peers) {
    const labels: Label[] = [
      ['interface', of.name],
      ['public_key', publicKey],
      ['allowed_ips', allowedIPs.replaceAll(' ', '')],
      ['friendly_name', name ?? ''],
    ];
    // Two hosts may have the same interface and peer.
    if (gateways.size > 1) labels.push(['gateway', of.gateway]);
    const written = write(labels);
    sent.push(`wireguard_sent_bytes_total${written} ${String(counters?.totalSent ?? 0n)}`);
    received.push(`wireguard_received_bytes_total${written} ${String(counters?.totalReceived ?? 0n)}`);
    const handshake = (counters?.handshake ?? 0n) / NS_PER_S;
    handshakes.push(`wireguard_latest_handshake_seconds${written} ${String(handshake)}`);
  }
  return [...sent, ...received, ...handshakes].join('\n');
}

function family(name: string, type: 'counter' | 'gauge', help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function write(labels: readonly Label[]): string {
  return `{${labels.map(([label, text]) => `${label}="${escape(text)}"`).join(',')}}`;
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
