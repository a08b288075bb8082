/** The dashboard's files, which need no token: the login page is among them. */
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import { Refusal } from '../refusal.ts';
import { allowMethods, pathOf, sendRefusal } from './respond.ts';

export type StaticRoute = (req: IncomingMessage, res: ServerResponse) => void;

/** `dist/web`, seen from the sources as from `dist/server`. */
export function builtWebDir(): string | null {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const candidates = [path.join(here, '../../dist/web'), path.join(here, '../../web')];
  return candidates.find((dir) => existsSync(path.join(dir, 'index.html'))) ?? null;
}

/** @param webDir null: there is no dashboard, the API alone is served */
export function staticRoute(webDir: string | null): StaticRoute {
  const notFound = (res: ServerResponse, message = 'There is nothing here.'): void =>
    sendRefusal(res, new Refusal('NOT_FOUND', message));
  if (webDir === null || !existsSync(path.join(webDir, 'index.html'))) {
    return (_req, res) =>
      notFound(res, 'The dashboard was not built: npm run build. The API is at /graphql.');
  }
  const files = sirv(webDir, {
    etag: true,
    dotfiles: false,
    extensions: [],
    setHeaders: (res, pathname) => {
      const lasting = pathname.startsWith('/assets/');
      res.setHeader('Cache-Control', lasting ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  return (req, res) => {
    if (!allowMethods(req, res, 'GET', 'HEAD')) return;
    const pathname = pathOf(req);
    if (pathname === '/') req.url = '/index.html';
    files(req, res, () => {
      if (!isPage(req, pathname)) return notFound(res);
      // A view of the dashboard: it reads the address itself.
      req.url = '/index.html';
      delete (req as { _parsedUrl?: unknown })._parsedUrl;
      files(req, res, () => notFound(res));
    });
  };
}

function isPage(req: IncomingMessage, pathname: string): boolean {
  return (req.headers.accept ?? '').includes('text/html') && !pathname.split('/').at(-1)?.includes('.');
}
