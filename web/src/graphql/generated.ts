import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
export type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
export type MakeOptional<T, K extends keyof T> = Omit<T, K> & { [SubKey in K]?: Maybe<T[SubKey]> };
export type MakeMaybe<T, K extends keyof T> = Omit<T, K> & { [SubKey in K]: Maybe<T[SubKey]> };
export type MakeEmpty<T extends { [key: string]: unknown }, K extends keyof T> = { [_ in K]?: never };
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** A count of bytes as a decimal string: exact at any size. */
  BigInt: { input: string; output: string; }
  /** An instant, RFC 3339, UTC. */
  DateTime: { input: string; output: string; }
  /** A calendar month, YYYY-MM. */
  YearMonth: { input: string; output: string; }
};

/** Exactly one of publicKey and email; an email stands for all its peers. */
export type DeletePeerInput = {
  readonly email?: InputMaybe<Scalars['String']['input']>;
  readonly interface?: InputMaybe<Scalars['String']['input']>;
  readonly keepUsageHistory?: InputMaybe<Scalars['Boolean']['input']>;
  readonly publicKey?: InputMaybe<Scalars['String']['input']>;
};

export type EpochCause =
  | 'ADDED'
  | 'COUNTER_FELL'
  | 'DEVICE_RECREATED'
  | 'FIRST_SEEN'
  | 'HANDSHAKE_WENT_BACK'
  | 'REBOOT';

export type GeneratePeerInput = {
  /** Default: the next free address of each of the interface's subnets. */
  readonly allowedIPs?: InputMaybe<ReadonlyArray<Scalars['String']['input']>>;
  readonly clientAllowedIPs?: InputMaybe<ReadonlyArray<Scalars['String']['input']>>;
  readonly dns?: InputMaybe<ReadonlyArray<Scalars['String']['input']>>;
  readonly email: Scalars['String']['input'];
  /** Needed where there is more than one. */
  readonly interface?: InputMaybe<Scalars['String']['input']>;
  readonly mtu?: InputMaybe<Scalars['Int']['input']>;
  readonly name: Scalars['String']['input'];
  readonly persistentKeepalive?: InputMaybe<Scalars['Int']['input']>;
  readonly presharedKey?: InputMaybe<Scalars['Boolean']['input']>;
  /** Bring your own: the server then never sees the private key. */
  readonly publicKey?: InputMaybe<Scalars['String']['input']>;
};

export type InconsistencyKind =
  | 'MISSING_IN_CONFIG'
  | 'MISSING_IN_DATABASE'
  | 'MISSING_ON_INTERFACE'
  | 'SETTINGS_DIFFER';

/** UP: read at the last tick. DOWN: no such device now. UNREADABLE: it is there and may not be read. */
export type InterfaceStatus =
  | 'DOWN'
  | 'UNREADABLE'
  | 'UP';

export type OrderDirection =
  | 'ASC'
  | 'DESC';

export type PeerEventKind =
  | 'ADDED'
  | 'CONNECTED'
  | 'COUNTER_RESET'
  | 'DISCONNECTED'
  | 'REMOVED'
  | 'UPDATED';

export type PeerOrder = {
  readonly direction?: OrderDirection;
  readonly field: PeerOrderField;
};

export type PeerOrderField =
  | 'ADDED_ON'
  | 'LATEST_HANDSHAKE'
  | 'MONTH_TOTAL'
  | 'NAME'
  | 'RECEIVE_RATE'
  | 'SEND_RATE'
  | 'TOTAL';

export type Resolution =
  | 'DAY'
  | 'HOUR'
  | 'MINUTE';

export type Role =
  | 'ADMIN'
  | 'OPERATOR'
  | 'VIEWER';

/**
 * Which of the three is right; `fix` makes the others follow.
 * WIREGUARD: what runs. The database follows it (a peer that no longer runs leaves it, its usage stays); the file gains what it lacks, and what stands in the file alone stays there and is reported unfixed.
 * DATABASE: the interface and the file follow it; what it does not know leaves both.
 * CONFIG: what NAME.conf says; the interface and the database follow it, and nothing running is cut off that the file has.
 */
export type SyncSource =
  | 'CONFIG'
  | 'DATABASE'
  | 'WIREGUARD';

export type UpdatePeerInput = {
  readonly allowedIPs?: InputMaybe<ReadonlyArray<Scalars['String']['input']>>;
  readonly email?: InputMaybe<Scalars['String']['input']>;
  readonly enabled?: InputMaybe<Scalars['Boolean']['input']>;
  readonly interface?: InputMaybe<Scalars['String']['input']>;
  readonly name?: InputMaybe<Scalars['String']['input']>;
  /** 0 is off. */
  readonly persistentKeepalive?: InputMaybe<Scalars['Int']['input']>;
  readonly publicKey: Scalars['String']['input'];
};

export type InterfacesQueryVariables = Exact<{ [key: string]: never; }>;


export type InterfacesQuery = { readonly interfaces: ReadonlyArray<{ readonly id: string, readonly name: string, readonly gateway: string, readonly addresses: ReadonlyArray<string>, readonly endpoint: string | null, readonly listenPort: number | null, readonly status: InterfaceStatus, readonly statusReason: string | null, readonly lastCollectedAt: string | null, readonly simulated: boolean }> };

export type InterfaceLineFragment = { readonly id: string, readonly name: string, readonly gateway: string, readonly addresses: ReadonlyArray<string>, readonly endpoint: string | null, readonly listenPort: number | null, readonly status: InterfaceStatus, readonly statusReason: string | null, readonly lastCollectedAt: string | null, readonly simulated: boolean };

export type OverviewQueryVariables = Exact<{
  first: Scalars['Int']['input'];
}>;


export type OverviewQuery = { readonly interfaces: ReadonlyArray<{ readonly id: string, readonly name: string, readonly gateway: string, readonly addresses: ReadonlyArray<string>, readonly endpoint: string | null, readonly listenPort: number | null, readonly status: InterfaceStatus, readonly statusReason: string | null, readonly lastCollectedAt: string | null, readonly simulated: boolean }>, readonly monthlyTotals: ReadonlyArray<{ readonly month: string, readonly received: string, readonly sent: string }>, readonly peers: { readonly totalCount: number, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null }, readonly nodes: ReadonlyArray<{ readonly id: string, readonly publicKey: string, readonly name: string | null, readonly email: string | null, readonly allowedIPs: ReadonlyArray<string>, readonly endpoint: string | null, readonly enabled: boolean, readonly online: boolean, readonly latestHandshake: string | null, readonly receiveRate: number, readonly sendRate: number, readonly transferRx: string, readonly transferTx: string, readonly interface: { readonly name: string, readonly gateway: string }, readonly currentMonth: { readonly month: string, readonly received: string, readonly sent: string } }> } };

export type PeerEventsSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type PeerEventsSubscription = { readonly peerEvents: { readonly kind: PeerEventKind, readonly publicKey: string, readonly interface: string } };

export type PeersQueryVariables = Exact<{
  first: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['String']['input']>;
}>;


export type PeersQuery = { readonly peers: { readonly totalCount: number, readonly pageInfo: { readonly hasNextPage: boolean, readonly endCursor: string | null }, readonly nodes: ReadonlyArray<{ readonly id: string, readonly publicKey: string, readonly name: string | null, readonly email: string | null, readonly allowedIPs: ReadonlyArray<string>, readonly endpoint: string | null, readonly enabled: boolean, readonly online: boolean, readonly latestHandshake: string | null, readonly receiveRate: number, readonly sendRate: number, readonly transferRx: string, readonly transferTx: string, readonly interface: { readonly name: string, readonly gateway: string }, readonly currentMonth: { readonly month: string, readonly received: string, readonly sent: string } }> } };

export type PeerLineFragment = { readonly id: string, readonly publicKey: string, readonly name: string | null, readonly email: string | null, readonly allowedIPs: ReadonlyArray<string>, readonly endpoint: string | null, readonly enabled: boolean, readonly online: boolean, readonly latestHandshake: string | null, readonly receiveRate: number, readonly sendRate: number, readonly transferRx: string, readonly transferTx: string, readonly interface: { readonly name: string, readonly gateway: string }, readonly currentMonth: { readonly month: string, readonly received: string, readonly sent: string } };

export type TrafficSubscriptionVariables = Exact<{ [key: string]: never; }>;


export type TrafficSubscription = { readonly traffic: { readonly sequence: number, readonly at: string, readonly intervalMs: number, readonly interface: string, readonly gateway: string, readonly received: string, readonly sent: string, readonly receiveRate: number, readonly sendRate: number, readonly onlinePeers: number, readonly peers: ReadonlyArray<{ readonly publicKey: string, readonly received: string, readonly sent: string, readonly receiveRate: number, readonly sendRate: number, readonly transferRx: string, readonly transferTx: string, readonly latestHandshake: string | null, readonly endpoint: string | null, readonly online: boolean }> } };

export type ViewerQueryVariables = Exact<{ [key: string]: never; }>;


export type ViewerQuery = { readonly viewer: { readonly name: string, readonly role: Role } };

export const InterfaceLineFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"InterfaceLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Interface"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}},{"kind":"Field","name":{"kind":"Name","value":"addresses"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"listenPort"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"statusReason"}},{"kind":"Field","name":{"kind":"Name","value":"lastCollectedAt"}},{"kind":"Field","name":{"kind":"Name","value":"simulated"}}]}}]} as unknown as DocumentNode<InterfaceLineFragment, unknown>;
export const PeerLineFragmentDoc = {"kind":"Document","definitions":[{"kind":"FragmentDefinition","name":{"kind":"Name","value":"PeerLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Peer"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"publicKey"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"allowedIPs"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"enabled"}},{"kind":"Field","name":{"kind":"Name","value":"online"}},{"kind":"Field","name":{"kind":"Name","value":"latestHandshake"}},{"kind":"Field","name":{"kind":"Name","value":"receiveRate"}},{"kind":"Field","name":{"kind":"Name","value":"sendRate"}},{"kind":"Field","name":{"kind":"Name","value":"transferRx"}},{"kind":"Field","name":{"kind":"Name","value":"transferTx"}},{"kind":"Field","name":{"kind":"Name","value":"interface"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}}]}},{"kind":"Field","name":{"kind":"Name","value":"currentMonth"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"month"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}}]}}]}}]} as unknown as DocumentNode<PeerLineFragment, unknown>;
export const InterfacesDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Interfaces"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"interfaces"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"InterfaceLine"}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"InterfaceLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Interface"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}},{"kind":"Field","name":{"kind":"Name","value":"addresses"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"listenPort"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"statusReason"}},{"kind":"Field","name":{"kind":"Name","value":"lastCollectedAt"}},{"kind":"Field","name":{"kind":"Name","value":"simulated"}}]}}]} as unknown as DocumentNode<InterfacesQuery, InterfacesQueryVariables>;
export const OverviewDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Overview"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"interfaces"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"InterfaceLine"}}]}},{"kind":"Field","name":{"kind":"Name","value":"monthlyTotals"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"month"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}}]}},{"kind":"Field","name":{"kind":"Name","value":"peers"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"totalCount"}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}},{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"PeerLine"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"InterfaceLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Interface"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}},{"kind":"Field","name":{"kind":"Name","value":"addresses"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"listenPort"}},{"kind":"Field","name":{"kind":"Name","value":"status"}},{"kind":"Field","name":{"kind":"Name","value":"statusReason"}},{"kind":"Field","name":{"kind":"Name","value":"lastCollectedAt"}},{"kind":"Field","name":{"kind":"Name","value":"simulated"}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"PeerLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Peer"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"publicKey"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"allowedIPs"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"enabled"}},{"kind":"Field","name":{"kind":"Name","value":"online"}},{"kind":"Field","name":{"kind":"Name","value":"latestHandshake"}},{"kind":"Field","name":{"kind":"Name","value":"receiveRate"}},{"kind":"Field","name":{"kind":"Name","value":"sendRate"}},{"kind":"Field","name":{"kind":"Name","value":"transferRx"}},{"kind":"Field","name":{"kind":"Name","value":"transferTx"}},{"kind":"Field","name":{"kind":"Name","value":"interface"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}}]}},{"kind":"Field","name":{"kind":"Name","value":"currentMonth"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"month"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}}]}}]}}]} as unknown as DocumentNode<OverviewQuery, OverviewQueryVariables>;
export const PeerEventsDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"PeerEvents"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"peerEvents"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"kind"}},{"kind":"Field","name":{"kind":"Name","value":"publicKey"}},{"kind":"Field","name":{"kind":"Name","value":"interface"}}]}}]}}]} as unknown as DocumentNode<PeerEventsSubscription, PeerEventsSubscriptionVariables>;
export const PeersDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Peers"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"first"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"Int"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"peers"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"first"},"value":{"kind":"Variable","name":{"kind":"Name","value":"first"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"totalCount"}},{"kind":"Field","name":{"kind":"Name","value":"pageInfo"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"hasNextPage"}},{"kind":"Field","name":{"kind":"Name","value":"endCursor"}}]}},{"kind":"Field","name":{"kind":"Name","value":"nodes"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"FragmentSpread","name":{"kind":"Name","value":"PeerLine"}}]}}]}}]}},{"kind":"FragmentDefinition","name":{"kind":"Name","value":"PeerLine"},"typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"Peer"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}},{"kind":"Field","name":{"kind":"Name","value":"publicKey"}},{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"email"}},{"kind":"Field","name":{"kind":"Name","value":"allowedIPs"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"enabled"}},{"kind":"Field","name":{"kind":"Name","value":"online"}},{"kind":"Field","name":{"kind":"Name","value":"latestHandshake"}},{"kind":"Field","name":{"kind":"Name","value":"receiveRate"}},{"kind":"Field","name":{"kind":"Name","value":"sendRate"}},{"kind":"Field","name":{"kind":"Name","value":"transferRx"}},{"kind":"Field","name":{"kind":"Name","value":"transferTx"}},{"kind":"Field","name":{"kind":"Name","value":"interface"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}}]}},{"kind":"Field","name":{"kind":"Name","value":"currentMonth"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"month"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}}]}}]}}]} as unknown as DocumentNode<PeersQuery, PeersQueryVariables>;
export const TrafficDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Traffic"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"traffic"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"sequence"}},{"kind":"Field","name":{"kind":"Name","value":"at"}},{"kind":"Field","name":{"kind":"Name","value":"intervalMs"}},{"kind":"Field","name":{"kind":"Name","value":"interface"}},{"kind":"Field","name":{"kind":"Name","value":"gateway"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}},{"kind":"Field","name":{"kind":"Name","value":"receiveRate"}},{"kind":"Field","name":{"kind":"Name","value":"sendRate"}},{"kind":"Field","name":{"kind":"Name","value":"onlinePeers"}},{"kind":"Field","name":{"kind":"Name","value":"peers"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"publicKey"}},{"kind":"Field","name":{"kind":"Name","value":"received"}},{"kind":"Field","name":{"kind":"Name","value":"sent"}},{"kind":"Field","name":{"kind":"Name","value":"receiveRate"}},{"kind":"Field","name":{"kind":"Name","value":"sendRate"}},{"kind":"Field","name":{"kind":"Name","value":"transferRx"}},{"kind":"Field","name":{"kind":"Name","value":"transferTx"}},{"kind":"Field","name":{"kind":"Name","value":"latestHandshake"}},{"kind":"Field","name":{"kind":"Name","value":"endpoint"}},{"kind":"Field","name":{"kind":"Name","value":"online"}}]}}]}}]}}]} as unknown as DocumentNode<TrafficSubscription, TrafficSubscriptionVariables>;
export const ViewerDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"query","name":{"kind":"Name","value":"Viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"viewer"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"name"}},{"kind":"Field","name":{"kind":"Name","value":"role"}}]}}]}}]} as unknown as DocumentNode<ViewerQuery, ViewerQueryVariables>;