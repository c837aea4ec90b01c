import { execFileSync } from 'node:child_process';
import { defineConfig, mergeConfig, type Plugin } from 'vite';
import base from './vite.config';

const PORT = 5173; // the local user pool sends back to this one
const ORIGIN = `http://localhost:${PORT}`;

/** Everything but the pages comes from the shop that runs on this machine, through its distribution. */
export default defineConfig(() => {
  const { web_url, aws_endpoint_url } = JSON.parse(
    execFileSync('../shop', ['status', '--json'], { encoding: 'utf8' }),
  ) as Record<'web_url' | 'aws_endpoint_url', string>;
  // Node does not resolve the names below localhost, as browsers do, so the address's name goes in Host alone.
  const toShop = { target: aws_endpoint_url, headers: { Host: new URL(web_url).host } };
  return mergeConfig(base, {
    plugins: [originAllowed(aws_endpoint_url)],
    server: { port: PORT, strictPort: true, proxy: { '/api': toShop, '/media': toShop, '/config.json': toShop } },
  });
});

/** Warns where the user pool would refuse this server's pages, whose origin is not the shop's own. */
function originAllowed(endpoint: string): Plugin {
  return {
    name: 'origin-allowed',
    async configureServer(server) {
      const answer = await fetch(endpoint, { method: 'OPTIONS', headers: { Origin: ORIGIN } });
      if (!answer.ok) {
        server.config.logger.warn(
          `Nobody can sign in here: start the shop with SHOP_ALLOWED_ORIGINS=${ORIGIN} make run`,
        );
      }
    },
  };
}
