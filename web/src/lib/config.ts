/** What differs between stages. A release writes it beside index.html, so that one build serves every stage. */
export interface Config {
  stage: string;
  /** The origin of the user pool's own pages. */
  userPool: string;
  /** The origin of the user pool's API. */
  userPoolApi: string;
  clientId: string;
  stripeKey?: string;
  /** The seeded people of the stage `local`, who sign in with one click. */
  people?: { name: string; username: string; password: string; role: 'customer' | 'admin' }[];
}

let config: Promise<Config> | undefined;

export function loadConfig(): Promise<Config> {
  config ??= fetchConfig().catch((error: unknown) => {
    config = undefined; // the next caller tries again
    throw error;
  });
  return config;
}

async function fetchConfig(): Promise<Config> {
  const response = await fetch('/config.json');
  if (!response.ok) throw new Error(`/config.json answered ${response.status}`);
  return (await response.json()) as Config;
}
