import { loadConfig, type Config } from './config';

/**
 * Signs people in at the user pool's own pages, by authorization code and PKCE (RFC 7636), and keeps them signed in.
 *
 * The access token lives in memory only. The refresh token is in localStorage, so that a reload and a second tab are
 * signed in too; each use replaces it. The Content-Security-Policy and Trusted Types are what keeps scripts of others
 * away from it.
 */

type Status = 'loading' | 'in' | 'out' | 'ended';
export interface Person {
  subject: string;
  email: string | null;
  groups: string[];
}
interface Tokens {
  accessToken: string;
  expiresAt: number;
}
interface Departure {
  state: string;
  verifier: string;
  returnTo: string;
}

export const CALLBACK_PATH = '/signed-in';
const REFRESH_TOKEN = 'shop.refresh-token';
const DEPARTURE = 'shop.departure';
/** A token that is about to expire could be refused on its way. */
const RENEW_BEFORE_MS = 60_000;
const REQUEST_MS_MAX = 15_000;
/** The first page waits so long for the pool at most. Until then the status is `loading`. */
const START_MS_MAX = 1_500;

/** These say that the session is over: it was revoked or is too old, its token was used before, or there is no such user. */
const REFUSALS = [
  'NotAuthorizedException',
  'RefreshTokenReuseException',
  'ResourceNotFoundException',
  'UserNotFoundException',
];

/** The user pool did not answer: whether the session is good is unknown, so it is kept. */
export class PoolUnreachable extends Error {}
class TokenRefused extends Error {}

let status = $state<Status>('loading');
let person = $state<Person | null>(null);
let tokens: Tokens | null = null;
let renewal: Promise<void> | null = null;

export const session = {
  get status(): Status {
    return status;
  },
  get person(): Person | null {
    return person;
  },
};

/**
 * Call it once, at start: it finishes a sign-in that came back from the pool's pages, or restores the last session. The
 * address is right when this returns.
 */
export async function startSession(): Promise<void> {
  window.addEventListener('storage', followOtherTabs);
  await Promise.race([restore(), new Promise((resume) => setTimeout(resume, START_MS_MAX))]);
}

async function restore(): Promise<void> {
  try {
    if (location.pathname === CALLBACK_PATH) await finishSignIn(new URLSearchParams(location.search));
    else if (localStorage.getItem(REFRESH_TOKEN)) await renew();
  } catch (error) {
    if (!(error instanceof PoolUnreachable)) console.error(error);
  }
  // Without an answer the refresh token stays, and the next call of accessToken() tries it again.
  if (status === 'loading') status = localStorage.getItem(REFRESH_TOKEN) ? 'in' : 'out';
}

export function signIn(returnTo = currentPath()): Promise<void> {
  return leaveFor('/oauth2/authorize', returnTo);
}

export function signUp(returnTo = currentPath()): Promise<void> {
  return leaveFor('/signup', returnTo);
}

/** Signs a seeded person in without the pool's pages. Only the stage `local` names such people and allows it. */
export async function signInAs(username: string): Promise<void> {
  const config = await loadConfig();
  const found = config.people?.find((each) => each.username === username);
  if (!found) throw new Error(`${username} is nobody of the stage ${config.stage}`);
  const answer = await callPool(config, 'InitiateAuth', {
    AuthFlow: 'USER_PASSWORD_AUTH',
    ClientId: config.clientId,
    AuthParameters: { USERNAME: found.username, PASSWORD: found.password },
  });
  takeTokens(answer.AuthenticationResult as PoolTokens);
}

/** Ends the session here, in other tabs and at the pool. The access token stays good at the API until it expires. */
export async function signOut(): Promise<void> {
  const config = await loadConfig();
  const token = localStorage.getItem(REFRESH_TOKEN);
  forget('out');
  if (token) {
    // Whoever signs out is signed out here, whatever the pool answers.
    await callPool(config, 'RevokeToken', { Token: token, ClientId: config.clientId }).catch(() => undefined);
  }
  const query = new URLSearchParams({ client_id: config.clientId, logout_uri: `${location.origin}/` });
  location.assign(`${config.userPool}/logout?${query}`);
}

/** Returns null when nobody is signed in; throws PoolUnreachable when the pool does not answer. */
export async function accessToken(): Promise<string | null> {
  if (tokens && tokens.expiresAt - Date.now() > RENEW_BEFORE_MS) return tokens.accessToken;
  if (!localStorage.getItem(REFRESH_TOKEN)) return null;
  try {
    await renew();
  } catch (error) {
    if (error instanceof PoolUnreachable && tokens && tokens.expiresAt > Date.now()) return tokens.accessToken;
    throw error;
  }
  return tokens?.accessToken ?? null;
}

/** Tells that the API has refused the access token: the next one is asked for anew. */
export function refuseAccessToken(token: string): void {
  if (tokens?.accessToken === token) tokens = null;
}

function renew(): Promise<void> {
  renewal ??= renewAlone().finally(() => (renewal = null));
  return renewal;
}

/** The pool gives a new refresh token with each use of the old one, so two tabs must not use one at the same time. */
async function renewAlone(): Promise<void> {
  await navigator.locks.request('shop.renew', async () => {
    const token = localStorage.getItem(REFRESH_TOKEN);
    if (!token) return;
    const config = await loadConfigOfPool();
    try {
      // Not by /oauth2/token: the emulator's leaves the groups out there, and an administrator is none any more.
      const answer = await callPool(config, 'GetTokensFromRefreshToken', {
        ClientId: config.clientId,
        RefreshToken: token,
      });
      takeTokens(answer.AuthenticationResult as PoolTokens);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      forget('ended');
    }
  });
}

async function leaveFor(path: string, returnTo: string): Promise<void> {
  const config = await loadConfig();
  const departure: Departure = { state: randomText(), verifier: randomText(), returnTo };
  sessionStorage.setItem(DEPARTURE, JSON.stringify(departure));
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: config.clientId,
    redirect_uri: location.origin + CALLBACK_PATH,
    scope: 'openid email',
    state: departure.state,
    code_challenge: await challengeOf(departure.verifier),
    code_challenge_method: 'S256',
    lang: document.documentElement.lang, // of managed login's pages
  });
  location.assign(`${config.userPool}${path}?${query}`);
}

async function finishSignIn(query: URLSearchParams): Promise<void> {
  const departure = JSON.parse(sessionStorage.getItem(DEPARTURE) ?? 'null') as Departure | null;
  sessionStorage.removeItem(DEPARTURE);
  const code = query.get('code');
  // Somebody else's code would sign this browser in as somebody else.
  const ours = departure && code && query.get('state') === departure.state;
  history.replaceState(null, '', departure?.returnTo ?? '/');
  if (!ours) return;
  const config = await loadConfigOfPool();
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: config.clientId,
    redirect_uri: location.origin + CALLBACK_PATH,
    code,
    code_verifier: departure.verifier,
  });
  const response = await fetchPool(`${config.userPool}/oauth2/token`, { method: 'POST', body });
  if (!response.ok) throw new TokenRefused(`/oauth2/token answered ${response.status}`);
  const answer = (await response.json()) as Record<string, string>;
  takeTokens({
    AccessToken: answer.access_token!,
    IdToken: answer.id_token!,
    RefreshToken: answer.refresh_token!,
    ExpiresIn: Number(answer.expires_in),
  });
}

interface PoolTokens {
  AccessToken: string;
  IdToken: string;
  RefreshToken?: string;
  ExpiresIn: number;
}

function takeTokens(answer: PoolTokens): void {
  if (answer.RefreshToken) localStorage.setItem(REFRESH_TOKEN, answer.RefreshToken);
  tokens = { accessToken: answer.AccessToken, expiresAt: Date.now() + answer.ExpiresIn * 1000 };
  const access = claimsOf(answer.AccessToken);
  person = {
    subject: String(access.sub),
    email: (claimsOf(answer.IdToken).email as string | undefined) ?? null,
    groups: (access['cognito:groups'] as string[] | undefined) ?? [],
  };
  status = 'in';
}

function forget(next: 'out' | 'ended'): void {
  localStorage.removeItem(REFRESH_TOKEN);
  tokens = null;
  person = null;
  status = next;
}

function followOtherTabs(event: StorageEvent): void {
  if (event.key !== REFRESH_TOKEN) return;
  if (event.newValue === null) forget('out');
  else if (status !== 'in') void renew().catch(() => undefined);
}

async function loadConfigOfPool(): Promise<Config> {
  try {
    return await loadConfig();
  } catch (error) {
    throw new PoolUnreachable('The settings of the user pool could not be read', { cause: error });
  }
}

async function callPool(config: Config, action: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetchPool(config.userPoolApi, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-amz-json-1.1',
      'X-Amz-Target': `AWSCognitoIdentityProviderService.${action}`,
    },
    body: JSON.stringify(body),
  });
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return answer;
  const type = String(answer.__type).split('#').pop()!;
  if (REFUSALS.includes(type)) throw new TokenRefused(String(answer.message));
  throw new PoolUnreachable(`${action} answered ${response.status} ${type}`);
}

async function fetchPool(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_MS_MAX) });
  } catch (error) {
    throw new PoolUnreachable(`${new URL(url).host} did not answer`, { cause: error });
  }
}

function currentPath(): string {
  return location.pathname + location.search;
}

function randomText(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function claimsOf(token: string): Record<string, unknown> {
  const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}
