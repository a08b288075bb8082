/** What changes peers. */
import { builder } from './builder.ts';
import { Peer } from './peer.ts';

const GeneratePeerInput = builder.inputType('GeneratePeerInput', {
  fields: (t) => ({
    name: t.string({ required: true }),
    email: t.string({ required: true }),
    interface: t.string({ description: 'Needed where there is more than one.' }),
    publicKey: t.string({ description: 'Bring your own: the server then never sees the private key.' }),
    allowedIPs: t.stringList({
      description: "Default: the next free address of each of the interface's subnets.",
    }),
    presharedKey: t.boolean({ defaultValue: true }),
    persistentKeepalive: t.int({ defaultValue: 25 }),
    dns: t.stringList(),
    clientAllowedIPs: t.stringList({ defaultValue: ['0.0.0.0/0', '::/0'] }),
    mtu: t.int(),
  }),
});

const UpdatePeerInput = builder.inputType('UpdatePeerInput', {
  fields: (t) => ({
    publicKey: t.string({ required: true }),
    interface: t.string(),
    name: t.string(),
    email: t.string(),
    enabled: t.boolean(),
    allowedIPs: t.stringList(),
    persistentKeepalive: t.int({ description: '0 is off.' }),
  }),
});

const DeletePeerInput = builder.inputType('DeletePeerInput', {
  description: 'Exactly one of publicKey and email; an email stands for all its peers.',
  fields: (t) => ({
    publicKey: t.string(),
    email: t.string(),
    interface: t.string(),
    keepUsageHistory: t.boolean({ defaultValue: false }),
  }),
});

interface Changed {
  readonly peerId: number;
}

const UpdatePeerPayload = builder.objectRef<Changed>('UpdatePeerPayload').implement({
  fields: (t) => ({
    peer: t.prismaField({
      type: Peer,
      resolve: (query, { peerId }, _args, { db }) =>
        db.reader.peer.findUniqueOrThrow({ ...query, where: { id: peerId } }),
    }),
  }),
});

const GeneratePeerPayload = builder
  .objectRef<Changed & { readonly clientConfig: string }>('GeneratePeerPayload')
  .implement({
    fields: (t) => ({
      peer: t.prismaField({
        type: Peer,
        resolve: (query, { peerId }, _args, { db }) =>
          db.reader.peer.findUniqueOrThrow({ ...query, where: { id: peerId } }),
      }),
      clientConfig: t.exposeString('clientConfig', {
        description: 'A wg-quick file for the client. Shown here once; the private key is stored nowhere.',
      }),
    }),
  });

const DeletePeerPayload = builder
  .objectRef<{ readonly deletedPublicKeys: readonly string[] }>('DeletePeerPayload')
  .implement({
    fields: (t) => ({
      deletedPublicKeys: t.stringList({ resolve: ({ deletedPublicKeys }) => deletedPublicKeys }),
    }),
  });

builder.mutationFields((t) => ({
  generatePeer: t.field({
    type: GeneratePeerPayload,
    args: { input: t.arg({ type: GeneratePeerInput, required: true }) },
    resolve: (_root, { input }, { peers }) =>
      peers.generate({
        ...input,
        presharedKey: input.presharedKey ?? true,
        persistentKeepalive: input.persistentKeepalive ?? 25,
        clientAllowedIPs: input.clientAllowedIPs ?? ['0.0.0.0/0', '::/0'],
      }),
  }),
  updatePeer: t.field({
    type: UpdatePeerPayload,
    args: { input: t.arg({ type: UpdatePeerInput, required: true }) },
    resolve: (_root, { input }, { peers }) => peers.update(input),
  }),
  deletePeer: t.field({
    type: DeletePeerPayload,
    args: { input: t.arg({ type: DeletePeerInput, required: true }) },
    resolve: (_root, { input }, { peers }) =>
      peers.delete({ ...input, keepUsageHistory: input.keepUsageHistory ?? false }),
  }),
}));
