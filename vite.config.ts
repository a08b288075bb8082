import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const server = process.env['WIREMETER_URL'] ?? 'http://127.0.0.1:4000';

export default defineConfig({
  root: 'web',
  plugins: [svelte()],
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // A strict Content-Security-Policy has no `data:`: every file stays a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // `npx vite` shows the page on a server that runs beside it.
  server: {
    proxy: {
      '/graphql': { target: server, ws: true },
      '/session': { target: server },
    },
  },
});
