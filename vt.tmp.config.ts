import { defineConfig } from 'vitest/config';
export default defineConfig({ root: '/work/main', resolve: { alias: [{ find: /^graphql$/, replacement: '/work/main/node_modules/graphql/index.js' }] }, test: { include: ['server/schema/schema.test.ts','server/schema/peer.test.ts'] } });
