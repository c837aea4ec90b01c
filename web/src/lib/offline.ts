/** Registers the service worker, which shows that there is no connection where the browser would show its own error. */

const SERVICE_WORKER = '/service-worker.js';

// Registering needs the page to be complete no less than the shop does, and is not to delay it.
if ('serviceWorker' in navigator && import.meta.env.PROD) {
  addEventListener('load', () => void navigator.serviceWorker.register(trusted(SERVICE_WORKER)));
}

/** Trusted Types take a worker's address from a policy only: this one makes no other. The DOM's types don't know them. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as unknown as {
    trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
  };
  const policy = trustedTypes?.createPolicy('shop', { createScriptURL: () => SERVICE_WORKER });
  return policy?.createScriptURL(url) ?? url;
}
