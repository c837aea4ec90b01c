/** Registers the service worker, which shows that there is no connection where the browser would show its own error. */

const SERVICE_WORKER = '/service-worker.js';

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  // It is not to delay the first page, which may have been loaded before this runs.
  if (document.readyState === 'complete') register();
  else addEventListener('load', register);
}

function register(): void {
  void navigator.serviceWorker.register(trusted(SERVICE_WORKER));
}

/** Trusted Types take a worker's address from a policy only: this one makes no other. The DOM's types don't know them. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as unknown as {
    trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } };
  };
  const policy = trustedTypes?.createPolicy('shop', { createScriptURL: () => SERVICE_WORKER });
  return policy?.createScriptURL(url) ?? url;
}
