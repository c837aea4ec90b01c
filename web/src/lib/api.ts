import createClient, { type Middleware } from 'openapi-fetch';
import type { paths } from '../generated/api';
import { accessToken, PoolUnreachable, refuseAccessToken } from './session.svelte';

/** The API has answered with a problem document, or its gateway with a `message`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** The last part of the problem's type, such as `sold-out`; `gateway` when a function was not reached. */
    readonly type: string,
    readonly detail: string,
    readonly body: Record<string, unknown>,
    /** Seconds to wait before another try, where the API names them. */
    readonly retryAfter: number | null,
    readonly serverNow: Date | null,
  ) {
    super(detail);
  }
}

/** There was no answer: the request may or may not have had its effect. The same key finds out. */
export class Unreachable extends Error {}

const WAIT_MS = [400, 1500];
/** More than the gateway's own 30 s, so that its answer comes first. */
const REQUEST_MS_MAX = 35_000;

let clockOffsetMs = 0;

/** Anyone may look at the catalogue, also while the user pool does not answer. */
const isPublic = (method: string, path: string) => method === 'GET' && /^\/(products|categories)\b/.test(path);

const authorization: Middleware = {
  async onRequest({ request, schemaPath }) {
    const token = isPublic(request.method, schemaPath) ? null : await tokenOrUnreachable();
    if (token) request.headers.set('Authorization', `Bearer ${token}`);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: '/api', fetch: sendUntilAnswered });
api.use(authorization);

/** Returns what was answered, or throws the Problem that was. */
export function unwrap<T>(result: { data?: T; error?: unknown; response: Response }): T {
  if (result.response.ok) return result.data as T;
  throw problemOf(result.response, result.error);
}

/** How far the server's clock is ahead of this one, in ms. */
export function serverClockOffset(): number {
  return clockOffsetMs;
}

/**
 * Each POST of the API carries an idempotency key, so a request without an answer can be sent again. A refused token is
 * renewed once: the clock of this machine may be slow.
 */
async function sendUntilAnswered(request: Request): Promise<Response> {
  const response = await sendAgain(request);
  const authorization = request.headers.get('Authorization');
  if (response.status !== 401 || !authorization) return response;
  refuseAccessToken(authorization.slice('Bearer '.length));
  const renewed = await tokenOrUnreachable();
  if (!renewed) return response;
  const repeated = new Request(request, { headers: new Headers(request.headers) });
  repeated.headers.set('Authorization', `Bearer ${renewed}`);
  return sendAgain(repeated);
}

async function tokenOrUnreachable(): Promise<string | null> {
  try {
    return await accessToken();
  } catch (error) {
    if (error instanceof PoolUnreachable) throw new Unreachable(error.message, { cause: error });
    throw error;
  }
}

async function sendAgain(request: Request): Promise<Response> {
  for (const wait of [...WAIT_MS, null]) {
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(REQUEST_MS_MAX)]);
      const response = await fetch(request.clone(), { signal });
      learnClock(response);
      return response;
    } catch (error) {
      if (request.signal.aborted) throw error;
      const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
      if (wait === null || isTimeout)
        throw new Unreachable(`${request.method} ${request.url} got no answer`, { cause: error });
      await new Promise((resume) => setTimeout(resume, wait));
    }
  }
  throw new Unreachable();
}

function problemOf(response: Response, error: unknown): Problem {
  const body = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const type = typeof body.type === 'string' ? body.type.split('/').pop()! : 'gateway';
  const detail = String(body.detail ?? body.title ?? body.message ?? response.statusText);
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN);
  return new Problem(
    response.status,
    type,
    detail,
    body,
    Number.isFinite(retryAfter) ? retryAfter : null,
    dateOf(response),
  );
}

function learnClock(response: Response): void {
  const date = dateOf(response);
  if (date) clockOffsetMs = date.getTime() - Date.now();
}

/**
 * Returns the server's time now: an answer out of a cache has the time when it was made, and its age in seconds. The
 * emulator sends two Date headers, which the browser joins with a comma after the first one's own.
 */
function dateOf(response: Response): Date | null {
  const first = response.headers.get('Date')?.split(', ').slice(0, 2).join(', ');
  const time = Date.parse(first ?? '') + Number(response.headers.get('Age') ?? 0) * 1000;
  return Number.isNaN(time) ? null : new Date(time);
}
