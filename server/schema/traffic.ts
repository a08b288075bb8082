/** What is pushed while it happens. */
import type { PeerEvent as Event, PeerTraffic as Traffic, Tick } from '../events.ts';
import { resolveInterface } from '../store/interfaces.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { Peer } from './peer.ts';

const NS_PER_MS = 1_000_000n;

/** Ten thousand of them a tick: each field is a plain read. */
const PeerTraffic = builder.objectRef<Traffic>('PeerTraffic').implement({
  fields: (t) => ({
    publicKey: t.exposeString('publicKey'),
    received: t.expose('received', { type: 'BigInt' }),
    sent: t.expose('sent', { type: 'BigInt' }),
    receiveRate: t.exposeFloat('receiveRate'),
    sendRate: t.exposeFloat('sendRate'),
    transferRx: t.expose('transferRx', { type: 'BigInt' }),
    transferTx: t.expose('transferTx', { type: 'BigInt' }),
    latestHandshake: t.field({
      type: 'DateTime',
      nullable: true,
      resolve: ({ latestHandshake: ns }) => (ns === 0n ? null : Number(ns / NS_PER_MS)),
    }),
    endpoint: t.exposeString('endpoint', { nullable: true }),
    online: t.exposeBoolean('online'),
  }),
});

const TrafficTick = builder.objectRef<Tick>('TrafficTick').implement({
  fields: (t) => ({
    sequence: t.exposeInt('sequence', {
      description: 'Grows by one a tick of this interface: a gap tells the client to read `peers` again.',
    }),
    at: t.expose('at', { type: 'DateTime' }),
    intervalMs: t.exposeInt('intervalMs'),
    interface: t.exposeString('interface'),
    gateway: t.exposeString('gateway'),
    received: t.expose('received', {
      type: 'BigInt',
      description: 'Bytes since the tick before, over all peers.',
    }),
    sent: t.expose('sent', { type: 'BigInt' }),
    receiveRate: t.exposeFloat('receiveRate'),
    sendRate: t.exposeFloat('sendRate'),
    onlinePeers: t.exposeInt('onlinePeers'),
    peers: t.field({
      type: [PeerTraffic],
      description: 'Only peers whose counters, handshake, endpoint or online state changed.',
      resolve: ({ peers }) => peers,
    }),
  }),
});

const PeerEventKind = builder.enumType('PeerEventKind', {
  values: ['CONNECTED', 'DISCONNECTED', 'ADDED', 'UPDATED', 'REMOVED', 'COUNTER_RESET'] as const,
});

const PeerEvent = builder.objectRef<Event>('PeerEvent').implement({
  fields: (t) => ({
    kind: t.expose('kind', { type: PeerEventKind }),
    at: t.expose('at', { type: 'DateTime' }),
    publicKey: t.exposeString('publicKey'),
    interface: t.exposeString('interface'),
    peer: t.prismaField({
      type: Peer,
      nullable: true,
      resolve: (query, { publicKey, gateway, interface: name }, _args, { db }) =>
        db.reader.peer.findFirst({
          ...query,
          where: { publicKey, deletedAt: null, interface: { gateway, name } },
        }),
    }),
  }),
});

type OfInterface = { readonly interface: string; readonly gateway: string };

/** @throws Refusal where there is no such interface */
async function ofInterface(
  name: string | null | undefined,
  { db }: Context,
): Promise<(event: OfInterface) => boolean> {
  const of = await resolveInterface(db, name);
  return (event) => of === null || (event.interface === of.name && event.gateway === of.gateway);
}

builder.subscriptionFields((t) => ({
  traffic: t.field({
    type: TrafficTick,
    description: 'One event a tick and interface. The latest tick comes at once on subscribing.',
    args: { interface: t.arg.string(), publicKeys: t.arg.stringList() },
    subscribe: async (_root, args, context) => {
      const filter = await ofInterface(args.interface, context);
      return context.events.subscribe('traffic', {
        filter,
        first: context.events.latestTicks(),
        onOverflow: context.cutOff,
      });
    },
    resolve: (tick, { publicKeys }) => {
      if (!publicKeys) return tick;
      const keys = new Set(publicKeys);
      return { ...tick, peers: tick.peers.filter((peer) => keys.has(peer.publicKey)) };
    },
  }),
  peerEvents: t.field({
    type: PeerEvent,
    args: { interface: t.arg.string() },
    subscribe: async (_root, args, context) => {
      const filter = await ofInterface(args.interface, context);
      return context.events.subscribe('peers', { filter, onOverflow: context.cutOff });
    },
    resolve: (event) => event,
  }),
}));
