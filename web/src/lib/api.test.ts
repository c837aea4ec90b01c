import { beforeEach, describe, expect, it, vi } from 'vitest';
import { accessToken, PoolUnreachable, refuseAccessToken } from './session.svelte';
import { api, Problem, serverClockOffset, Unreachable, unwrap } from './api';

vi.mock('./session.svelte', () => ({
  PoolUnreachable: class extends Error {},
  accessToken: vi.fn(),
  refuseAccessToken: vi.fn(),
}));

const BODY = { lines: [{ sku: 'A', quantity: 1 }] };
const sent: Request[] = [];

/** Answers one request after the other; an Error is a lost answer. */
function answers(...results: (Response | Error)[]): void {
  vi.stubGlobal('fetch', async (request: Request) => {
    sent.push(request);
    const result = results.shift()!;
    if (result instanceof Error) throw result;
    return result;
  });
}

const json = (status: number, body: object, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

const reserve = () =>
  api.POST('/reservations', {
    params: { header: { 'Idempotency-Key': 'key-1' } },
    body: BODY,
    baseUrl: 'http://shop/api',
  });
const products = () => api.GET('/products', { baseUrl: 'http://shop/api' });

beforeEach(() => {
  sent.length = 0;
  vi.mocked(accessToken).mockReset().mockResolvedValue('token-1');
  vi.mocked(refuseAccessToken).mockReset();
  vi.stubGlobal('setTimeout', (then: () => void) => queueMicrotask(then)); // no test waits between two tries
});

describe('a request without an answer', () => {
  it('is sent again with the same key and body', async () => {
    answers(new TypeError('lost'), json(201, { reservation_id: '1' }));
    expect(unwrap(await reserve())).toEqual({ reservation_id: '1' });
    expect(sent.map((request) => request.headers.get('Idempotency-Key'))).toEqual(['key-1', 'key-1']);
    expect(await Promise.all(sent.map((request) => request.json()))).toEqual([BODY, BODY]);
  });

  it('ends as Unreachable after three tries', async () => {
    answers(new TypeError('1'), new TypeError('2'), new TypeError('3'));
    await expect(reserve()).rejects.toThrow(Unreachable);
  });

  it('is not sent again after a time-out, because that has taken long enough', async () => {
    answers(new DOMException('', 'TimeoutError'));
    await expect(reserve()).rejects.toThrow(Unreachable);
  });
});

describe('the access token', () => {
  it('goes with what is a person’s own, and not with the catalogue', async () => {
    answers(json(200, { items: [] }), json(201, {}));
    await products();
    await reserve();
    expect(sent.map((request) => request.headers.get('Authorization'))).toEqual([null, 'Bearer token-1']);
  });

  it('is renewed once when the API refuses it', async () => {
    vi.mocked(accessToken).mockResolvedValueOnce('token-1').mockResolvedValue('token-2');
    answers(json(401, { message: 'Unauthorized' }), json(201, {}));
    await reserve();
    expect(refuseAccessToken).toHaveBeenCalledWith('token-1');
    expect(sent.map((request) => request.headers.get('Authorization'))).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('is missing when the pool does not answer, and then nothing is sent', async () => {
    vi.mocked(accessToken).mockRejectedValue(new PoolUnreachable());
    answers();
    await expect(reserve()).rejects.toThrow(Unreachable);
    expect(sent).toEqual([]);
  });
});

describe('a problem', () => {
  it('has its type, its detail, what to wait and the server’s clock', async () => {
    const date = new Date(Date.now() + 120_000).toUTCString();
    const body = { type: 'https://shop.example/problems/sold-out', detail: 'Only 1 left.', available: 1 };
    answers(json(409, body, { 'Retry-After': '2', Date: `${date}, ${date}` }));
    const result = await reserve();
    const problem = (() => {
      try {
        return unwrap(result);
      } catch (error) {
        return error;
      }
    })() as Problem;
    expect(problem).toBeInstanceOf(Problem);
    expect([problem.status, problem.type, problem.detail, problem.retryAfter]).toEqual([
      409,
      'sold-out',
      'Only 1 left.',
      2,
    ]);
    expect(problem.body.available).toBe(1);
    expect(problem.serverNow?.toUTCString()).toBe(date);
    expect(Math.abs(serverClockOffset() - 120_000)).toBeLessThan(60_000);
  });

  it('out of a cache tells the time at which it arrives', async () => {
    const made = new Date(Date.now() - 600_000).toUTCString();
    answers(json(200, { items: [], next_cursor: null }, { Date: made, Age: '600' }));
    await products();
    expect(Math.abs(serverClockOffset())).toBeLessThan(60_000);
  });

  it('of the gateway has no type of ours', async () => {
    vi.mocked(accessToken).mockResolvedValue(null);
    answers(json(401, { message: 'Unauthorized' }));
    const result = await reserve();
    expect(() => unwrap(result)).toThrow(expect.objectContaining({ status: 401, type: 'gateway', retryAfter: null }));
  });
});
