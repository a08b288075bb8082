/** Signing in and out over HTTP: the server answers with a cookie that no script can read. */

export type SignIn =
  | { outcome: 'signed-in' }
  /** Not that token. */
  | { outcome: 'refused' }
  /** Too many attempts; `retryAfter` in seconds where the server says so. */
  | { outcome: 'slowed'; retryAfter: number | null }
  /** No answer, or one that nobody expects. */
  | { outcome: 'failed'; message: string };

type Fetch = (input: string, init: RequestInit) => Promise<Response>;

export async function signIn(token: string, fetch: Fetch = globalThis.fetch): Promise<SignIn> {
  let response: Response;
  try {
    response = await fetch('/session', {
      method: 'POST',
      credentials: 'same-origin',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: token.trim() }),
    });
  } catch {
    return { outcome: 'failed', message: 'The server does not answer. Is it running?' };
  }
  if (response.ok) return { outcome: 'signed-in' };
  if (response.status === 401) return { outcome: 'refused' };
  if (response.status === 429) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return { outcome: 'slowed', retryAfter: Number.isFinite(seconds) && seconds > 0 ? seconds : null };
  }
  return {
    outcome: 'failed',
    message: (await reason(response)) ?? `The server answered ${response.status}.`,
  };
}

/** Resolves to whether the server has ended the session. */
export async function signOut(fetch: Fetch = globalThis.fetch): Promise<boolean> {
  try {
    const { ok, status } = await fetch('/session', { method: 'DELETE', credentials: 'same-origin' });
    return ok || status === 401;
  } catch {
    return false;
  }
}

/** Whether the server shows a simulated device: it says so to everybody. False where it does not answer. */
export async function isSimulated(fetch: Fetch = globalThis.fetch): Promise<boolean> {
  try {
    const body: unknown = await (await fetch('/livez', {})).json();
    return (body as { simulated?: unknown } | null)?.simulated === true;
  } catch {
    return false;
  }
}

async function reason(response: Response): Promise<string | null> {
  try {
    const body: unknown = await response.json();
    const error = (body as { error?: { message?: unknown } } | null)?.error;
    return typeof error?.message === 'string' ? error.message : null;
  } catch {
    return null;
  }
}
