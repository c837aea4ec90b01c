import { execFileSync } from 'node:child_process';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const PORT = 5173;
const ORIGIN = `http://localhost:${PORT}`;

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === 'development' ? [runningShop()] : [])],
  build: {
    // The Content-Security-Policy allows neither a data: font nor the script that the polyfill needs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts'] },
}));

/** Everything but the pages comes from the shop that runs on this machine, through its distribution. */
function runningShop(): Plugin {
  return {
    name: 'running-shop',
    config() {
      const { web_url, aws_endpoint_url } = status();
      // Node does not resolve the names below localhost, as browsers do, so the address's name goes in Host alone.
      const toShop = { target: aws_endpoint_url, headers: { Host: new URL(web_url).host } };
      return {
        server: { port: PORT, strictPort: true, proxy: { '/api': toShop, '/media': toShop, '/config.json': toShop } },
      };
    },
    async configureServer(server) {
      const answer = await fetch(status().aws_endpoint_url, { method: 'OPTIONS', headers: { Origin: ORIGIN } });
      if (!answer.ok) {
        const advice = `start the shop with SHOP_ALLOWED_ORIGINS=${ORIGIN} make run`;
        server.config.logger.warn(
          `This server has another origin than the shop's own, so nobody can sign in: ${advice}`,
        );
      }
    },
  };
}

function status(): Record<'web_url' | 'aws_endpoint_url', string> {
  return JSON.parse(execFileSync('../shop', ['status', '--json'], { encoding: 'utf8' }));
}
