/** The demo's people and what they own. */
import { hash, unit } from './simulator-random.ts';

export type DeviceKind = 'phone' | 'laptop' | 'tablet' | 'TV' | 'server' | 'backup';

export interface Person {
  /** Such as `Ada – phone`. */
  readonly name: string;
  /** Of the person: several devices share it. */
  readonly email: string;
  readonly kind: DeviceKind;
}

const FIRST_NAMES =
  'Ada Alan Amina Anton Barbara Bela Carlos Chidi Claude Donna Edsger Elif Emeka Frances Grace Hana Hedy Ines Ivan Jean ' +
  'Joan Kasia Katherine Ken Lars Leila Linus Mai Margaret Mateo Mei Niklaus Nora Olga Omar Pavel Priya Radia Ravi Rosa ' +
  'Sana Sophie Tariq Tove Uma Vera Wim Yuki Zoe';
const NAMES = FIRST_NAMES.split(' ');

/** Things that belong to the office rather than to a person. */
const SHARED: readonly Person[] = [
  { name: 'Office – server', email: 'it@example.com', kind: 'server' },
  { name: 'NAS – backup', email: 'it@example.com', kind: 'backup' },
  { name: 'Branch – server', email: 'it@example.com', kind: 'server' },
  { name: 'Studio – backup', email: 'it@example.com', kind: 'backup' },
];

/** `count` devices, the same for the same seed; one in ten is shared, most people have two or three. */
export function makePeople(seed: number, count: number): Person[] {
  const shared = Math.min(SHARED.length, Math.floor(count / 10));
  const devices: Person[] = [];
  for (let person = 0; devices.length < count - shared; person++) {
    const round = Math.floor(person / NAMES.length);
    const first = NAMES[(person * 17 + (seed >>> 0)) % NAMES.length]!;
    const name = round === 0 ? first : `${first} ${round + 1}`;
    const email = `${name.toLowerCase().replace(' ', '')}@example.com`;
    const draw = unit(hash(seed, person, 0, 61));
    const kinds: DeviceKind[] = ['phone'];
    if (draw < 0.75) kinds.push('laptop');
    if (draw < 0.25) kinds.push('TV');
    else if (draw > 0.85) kinds.push('tablet');
    for (const kind of kinds) devices.push({ name: `${name} – ${kind}`, email, kind });
  }
  return [...devices.slice(0, count - shared), ...SHARED.slice(0, shared)];
}
