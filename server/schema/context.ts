/** What resolvers work with: wired by main, by tests with their own parts. */
import type { Calendar } from '../accounting/calendar.ts';
import type { Collector } from '../collector.ts';
import type { EventHub } from '../events.ts';
import type { Peers } from '../peers.ts';
import type { Database } from '../store/database.ts';

export interface Services {
  readonly db: Database;
  readonly events: EventHub;
  readonly collector: Collector;
  readonly peers: Peers;
  readonly calendar: Calendar;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

export interface Viewer {
  readonly name: string;
  readonly role: 'VIEWER' | 'OPERATOR' | 'ADMIN';
}

export interface Context extends Services {
  readonly viewer: Viewer;
  /** Ends the connection of a subscriber that does not read. */
  readonly cutOff: () => void;
}
