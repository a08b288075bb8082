import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatNetwork, networkOf, overlaps, parseNetwork } from '../wireguard/config-file-network.ts';
import { AddressesExhausted, findOverlap, nextFreeAddresses } from './addresses.ts';

/** Milliseconds of this process's own CPU time: what else the machine does must fail no test. */
const cpu = () => process.cpuUsage().user / 1000;

describe('nextFreeAddresses', () => {
  test.each([
    [['10.8.0.1/24'], [], ['10.8.0.2/32']],
    [['10.8.0.1/24', 'fd00::1/64'], [], ['10.8.0.2/32', 'fd00::2/128']],
    [['10.8.0.5/24'], [], ['10.8.0.1/32']],
    [['10.8.0.1/24'], ['10.8.0.2/32', '10.8.0.3/32', '10.8.0.5/32'], ['10.8.0.4/32']],
    [['10.8.0.1/24'], ['10.8.0.0/25', '10.8.0.128/32'], ['10.8.0.129/32']],
    [['10.8.0.1/24'], ['0.0.0.0/0', '::/0'], ['10.8.0.2/32']],
    [['10.8.0.1/24'], ['fd00::/64', 'junk'], ['10.8.0.2/32']],
    [['10.8.0.0/31'], [], ['10.8.0.1/32']],
    [['10.8.0.1/31'], [], ['10.8.0.0/32']],
    [['fd00::/127'], [], ['fd00::1/128']],
    [['fd00::5/126'], [], ['fd00::6/128']],
    [['10.8.0.1/24', '10.8.0.2/24'], [], ['10.8.0.3/32']],
    [['10.8.0.1/24', '10.8.0.9/16'], [], ['10.8.0.2/32', '10.8.0.3/32']],
    [['10.8.0.1/24', 'fd00::1/128'], [], ['10.8.0.2/32']],
    [['0.0.0.1/0'], [], ['0.0.0.2/32']],
  ])('%j with %j used gives %j', (own, used, wanted) => expect(nextFreeAddresses(own, used)).toEqual(wanted));

  test.each([
    [['10.8.0.1/30'], ['10.8.0.2/32'], /^10\.8\.0\.0\/30 has no free address: all 2 are in use\./],
    [['10.8.0.1/24'], ['10.0.0.0/8'], /10\.8\.0\.0\/24 has no free address: all 254/],
    [['10.8.0.1/24', 'fd00::1/126'], ['fd00::2/127'], /fd00::\/126 .* all 3/],
    [['10.8.0.1/32'], [], /10\.8\.0\.1\/32 has a single address/],
    [[], [], /no address/],
  ])('%j with %j used is exhausted', (own, used, why) => {
    const act = () => nextFreeAddresses(own, used);
    expect(act).toThrow(AddressesExhausted);
    expect(act).toThrow(why);
    expect(act).toThrow(expect.objectContaining({ code: 'ADDRESSES_EXHAUSTED' }));
  });

  test('agrees with trying each address in turn', () => {
    const small = (bits: number) =>
      fc
        .tuple(fc.nat(255), fc.integer({ min: bits, max: 32 }))
        .map(([n, prefix]) => networkOf(4, 0x0a000000n + BigInt(n), prefix));
    fc.assert(
      fc.property(small(26), fc.array(small(27), { maxLength: 30 }), (subnet, used) => {
        const taken = [
          ...used.map((one) => parseNetwork(formatNetwork(one))!),
          { ...subnet, first: subnet.address, last: subnet.address },
        ];
        let wanted: bigint | null = null;
        for (let a = subnet.first; a <= subnet.last && wanted === null; a++) {
          const edge = subnet.prefix < 31 && (a === subnet.first || a === subnet.last);
          if (!edge && !taken.some((one) => one.first <= a && a <= one.last)) wanted = a;
        }
        const own = `${formatNetwork(networkOf(4, subnet.address, 32)).split('/')[0]}/${subnet.prefix}`;
        const act = () => nextFreeAddresses([own], used.map(formatNetwork));
        if (wanted === null || subnet.prefix === 32) expect(act).toThrow(AddressesExhausted);
        else expect(act()).toEqual([formatNetwork(networkOf(4, wanted, 32))]);
      }),
      { numRuns: 500 },
    );
  });

  test('is quick in a /8 and a /64 with 10,000 peers', () => {
    const used = Array.from({ length: 10_000 }, (_, i) => [
      `10.0.${i >> 8}.${i & 255}/32`,
      `fd00::${i.toString(16)}/128`,
    ]).flat();
    nextFreeAddresses(['10.0.0.1/8', 'fd00::1/64'], used);
    const start = cpu();
    expect(nextFreeAddresses(['10.0.0.1/8', 'fd00::1/64'], used)).toEqual([
      '10.0.39.16/32',
      'fd00::2710/128',
    ]);
    const took = cpu() - start;
    if (process.env.SHOW_TIMES) console.log('nextFreeAddresses, 20,000 used:', took);
    expect(took).toBeLessThan(3_000);
  });
});

describe('findOverlap', () => {
  const others = [
    { publicKey: 'a', allowedIPs: ['10.8.0.2/32', 'fd00::2/128'] },
    { publicKey: 'b', allowedIPs: ['192.168.0.0/16'] },
    { publicKey: 'c', allowedIPs: ['0.0.0.0/0'] },
    { publicKey: 'd', allowedIPs: ['junk'] },
  ];
  test.each([
    [['10.8.0.3'], null],
    [[], null],
    [['10.8.0.2/32'], { wanted: '10.8.0.2/32', publicKey: 'a', allowedIP: '10.8.0.2/32' }],
    [['1.1.1.1', '10.8.0.0/24'], { wanted: '10.8.0.0/24', publicKey: 'a', allowedIP: '10.8.0.2/32' }],
    [['192.168.7.0/24'], { wanted: '192.168.7.0/24', publicKey: 'b', allowedIP: '192.168.0.0/16' }],
    [['FD00::/64'], { wanted: 'fd00::/64', publicKey: 'a', allowedIP: 'fd00::2/128' }],
    [['0.0.0.0/0'], { wanted: '0.0.0.0/0', publicKey: 'a', allowedIP: '10.8.0.2/32' }],
    [['::/0'], { wanted: '::/0', publicKey: 'a', allowedIP: 'fd00::2/128' }],
  ])('%j: %j', (wanted, result) => expect(findOverlap(wanted, others)).toEqual(result));

  test('a default route is in the way of another default route alone', () => {
    const route = [{ publicKey: 'c', allowedIPs: ['0.0.0.0/0'] }];
    expect(findOverlap(['10.0.0.0/8', '::/0'], route)).toBeNull();
    expect(findOverlap(['0.0.0.0/0'], route)).toMatchObject({ publicKey: 'c' });
  });

  test('agrees with comparing each to each', () => {
    const some = fc
      .tuple(fc.nat(255), fc.oneof(fc.integer({ min: 24, max: 32 }), fc.constant(0)), fc.boolean())
      .map(([n, prefix, v6]) =>
        formatNetwork(v6 ? networkOf(6, BigInt(n), prefix && prefix + 96) : networkOf(4, BigInt(n), prefix)),
      );
    const lists = fc.array(some, { maxLength: 6 });
    fc.assert(
      fc.property(lists, fc.array(lists, { maxLength: 5 }), (wanted, rest) => {
        const conflict = rest.flat().some((other) =>
          wanted.some((one) => {
            const [a, b] = [parseNetwork(one)!, parseNetwork(other)!];
            return overlaps(a, b) && (b.prefix > 0 || a.prefix === 0);
          }),
        );
        const found = findOverlap(
          wanted,
          rest.map((allowedIPs, i) => ({ publicKey: String(i), allowedIPs })),
        );
        expect(found !== null).toBe(conflict);
      }),
      { numRuns: 1000 },
    );
  });

  test('is quick with 10,000 peers', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => ({
      publicKey: String(i),
      allowedIPs: [`10.0.${i >> 8}.${i & 255}/32`, `fd00::${i.toString(16)}/128`],
    }));
    const wanted = Array.from({ length: 64 }, (_, i) => `10.200.0.${i}`);
    findOverlap(wanted, many);
    const start = cpu();
    expect(findOverlap(wanted, many)).toBeNull();
    const took = cpu() - start;
    if (process.env.SHOW_TIMES) console.log('findOverlap, 64 in 20,000:', took);
    expect(took).toBeLessThan(3_000);
  });
});
