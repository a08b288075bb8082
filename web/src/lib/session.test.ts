import { describe, expect, it } from 'vitest';
import { signIn, signOut } from './session.ts';

const answer =
  (status: number, body: unknown = null, headers: Record<string, string> = {}) =>
  async () =>
    new Response(body === null ? null : JSON.stringify(body), { status, headers });
const silence = async () => {
  throw new TypeError('Failed to fetch');
};

describe('signIn', () => {
  it('sends the trimmed token as JSON', async () => {
    const requests: [string, RequestInit][] = [];
    await signIn(' secret\n', async (url, init) => {
      requests.push([url, init]);
      return new Response(null, { status: 204 });
    });
    expect(requests).toHaveLength(1);
    expect(requests[0]?.[0]).toBe('/session');
    expect(requests[0]?.[1]).toMatchObject({ method: 'POST', body: '{"token":"secret"}' });
  });

  it('tells the outcomes apart', async () => {
    expect(await signIn('t', answer(204))).toEqual({ outcome: 'signed-in' });
    expect(await signIn('t', answer(401, { error: { code: 'UNAUTHENTICATED', message: 'no' } }))).toEqual({
      outcome: 'refused',
    });
    expect(await signIn('t', answer(429))).toEqual({ outcome: 'slowed', retryAfter: null });
    expect(await signIn('t', answer(429, null, { 'retry-after': '30' }))).toEqual({
      outcome: 'slowed',
      retryAfter: 30,
    });
    expect(await signIn('t', answer(413, { error: { message: 'Too long.' } }))).toEqual({
      outcome: 'failed',
      message: 'Too long.',
    });
    expect(await signIn('t', answer(502))).toEqual({
      outcome: 'failed',
      message: 'The server answered 502.',
    });
    expect(await signIn('t', silence)).toMatchObject({ outcome: 'failed' });
  });
});

it('signOut says whether the session ended', async () => {
  expect(await signOut(answer(204))).toBe(true);
  expect(await signOut(answer(401))).toBe(true);
  expect(await signOut(answer(500))).toBe(false);
  expect(await signOut(silence)).toBe(false);
});
