/** Reserves what is in the basket, and says what the customer has to know where that does not work. */
import type { Texts } from '../texts/en';
import { api, Problem, unwrap } from './api';
import type { Change, Line } from './basket';

export type Reserving =
  | { kind: 'reserved'; id: string; version: number }
  | { kind: 'changed'; changes: Change[] }
  | { kind: 'session-ended' }
  | { kind: 'told'; as: keyof Texts['basket']['problems'] };

const TOLD = new Set<string>([
  'stock-scattered',
  'total-too-small',
  'total-too-large',
  'too-many-reservations',
  'too-many-units',
]);

export async function reserve(lines: Line[], key: string): Promise<Reserving> {
  try {
    const result = await api.POST('/reservations', {
      params: { header: { 'Idempotency-Key': key } },
      body: { lines: lines.map(({ sku, quantity }) => ({ sku, quantity })) },
    });
    const { reservation_id: id, stream_version: version } = unwrap(result);
    return { kind: 'reserved', id, version };
  } catch (error) {
    return refusal(error);
  }
}

export function refusal(error: unknown): Reserving {
  if (!(error instanceof Problem) || error.status >= 500) return { kind: 'told', as: 'unanswered' };
  if (error.status === 401) return { kind: 'session-ended' };
  switch (error.type) {
    case 'out-of-stock': {
      const short = error.body.lines as { sku: string; available: number }[];
      return {
        kind: 'changed',
        changes: short.map(({ sku, available }) =>
          available > 0 ? { sku, kind: 'fewer', available } : { sku, kind: 'sold-out' },
        ),
      };
    }
    case 'unknown-product':
      return { kind: 'changed', changes: (error.body.skus as string[]).map((sku) => ({ sku, kind: 'gone' })) };
    default:
      return { kind: 'told', as: TOLD.has(error.type) ? (error.type as keyof Texts['basket']['problems']) : 'refused' };
  }
}
