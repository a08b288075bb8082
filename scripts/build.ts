/** `npm run build`: Prisma's client, the server to dist/server, the page to dist/web. */
import { build } from './steps.ts';

try {
  build();
} catch (error) {
  console.error(`wiremeter: ${(error as Error).message}`);
  process.exitCode = 1;
}
