/** Chance as a function: the same arguments give the same number, in any order and at any time. */

/** 32 bits out of a few integers (of any size up to 2^53), mixed as MurmurHash3 ends. */
export function hash(seed: number, a: number, b: number, salt: number): number {
  let value = mix((seed ^ 0x9e3779b9) | 0);
  value = mix(value ^ Math.imul(a + 1, 0x85ebca6b));
  value = mix(value ^ (b | 0));
  value = mix(value ^ (Math.floor(b / 4_294_967_296) | 0));
  return mix(value ^ Math.imul(salt + 1, 0xc2b2ae35)) >>> 0;
}

/** 32 bits → [0, 1). */
export function unit(bits: number): number {
  return bits / 4_294_967_296;
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return value ^ (value >>> 16);
}
