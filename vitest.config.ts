import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['server/**/*.test.ts', 'tests/**/*.test.ts', 'web/src/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two workers suit two cores; more of them only make the timing of real devices worse.
    maxWorkers: 2,
    globalSetup: ['tests/support/global-setup.ts'],
  },
});
