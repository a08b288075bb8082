/** GraphiQL as one page with everything in it: no other host is asked for anything. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { GRAPHIQL_CSP } from './headers.ts';

const PEERS = `# Peers with the most traffic this month.
query Peers {
  peers(first: 10, orderBy: { field: MONTH_TOTAL, direction: DESC }) {
    totalCount
    nodes {
      name
      publicKey
      allowedIPs
      online
      latestHandshake
      currentMonth { received sent total }
    }
  }
}
`;

const LIVE = `# One event a tick, over the WebSocket.
subscription Live {
  traffic {
    sequence
    at
    interface
    receiveRate
    sendRate
    onlinePeers
    peers { publicKey receiveRate sendRate online }
  }
}
`;

const MONTHS = `# The last twelve months, and who used most in this one.
query Months {
  monthlyTotals { month received sent total peers }
  monthlyUsage(first: 10) {
    nodes { name email month received sent total }
  }
}
`;

interface Page {
  readonly plain: Buffer;
  readonly zipped: Buffer;
}

let page: Promise<Page> | null = null;

const SIMULATED = '# The demo: a SIMULATED device, no real traffic.\n';

/** True for a browser that opens `/graphql` as a page. */
export function wantsGraphiQL(req: IncomingMessage): boolean {
  return (req.method === 'GET' || req.method === 'HEAD') && (req.headers.accept ?? '').includes('text/html');
}

export async function sendGraphiQL(
  req: IncomingMessage,
  res: ServerResponse,
  simulated: boolean,
): Promise<void> {
  const { plain, zipped } = await (page ??= render(simulated));
  const zip = /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  const body = zip ? zipped : plain;
  res.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': body.length,
    ...(zip ? { 'Content-Encoding': 'gzip' } : {}),
    Vary: 'Accept-Encoding, Cookie',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': GRAPHIQL_CSP,
  });
  res.end(req.method === 'HEAD' ? undefined : body);
}

/** Nine megabytes: imported, written and compressed once, when somebody first asks. */
async function render(simulated: boolean): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const label = simulated ? SIMULATED : '';
  const html = renderGraphiQL({
    title: simulated ? 'Wiremeter API – simulated device' : 'Wiremeter API',
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',
    defaultQuery: label + PEERS,
    defaultTabs: [PEERS, LIVE, MONTHS].map((query) => ({ query: label + query })),
    favicon: '/favicon.svg',
  });
  const plain = Buffer.from(html.trimStart());
  return { plain, zipped: await promisify(gzip)(plain) };
}
