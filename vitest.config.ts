import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';

const require = createRequire(import.meta.url);

export default defineConfig({
  resolve: {
    // graphql 16 has a `module` entry that Vite takes and Node does not: with both loaded, a schema is
    // "from another module or realm" and a refusal loses its code. The tests use Node's, as the server does.
    alias: [{ find: /^graphql$/, replacement: require.resolve('graphql') }],
  },
  test: {
    include: ['server/**/*.test.ts', 'tests/**/*.test.ts', 'web/src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two workers suit two cores; more of them only make the timing of real devices worse.
    maxWorkers: 2,
    globalSetup: ['tests/support/global-setup.ts'],
  },
});
