/** Assembles the schema: a file a noun. */
import './scalars.ts';
import './viewer.ts';
import './usage.ts';
import './history.ts';
import './epoch.ts';
import './peer.ts';
import './peer-list.ts';
import './interface.ts';
import './change.ts';
import './sync.ts';
import './traffic.ts';
import { builder } from './builder.ts';

export const schema = builder.toSchema();
