/** Reads of what a customer has reserved and bought. */
import type { components } from '../generated/api';
import { api, Problem, unwrap } from './api';

const READS_MAX = 12;

export type Reservation = components['schemas']['Reservation'];
export type Purchase = components['schemas']['Purchase'];
export type ReservationWithTimeline = components['schemas']['ReservationWithTimeline'];
export type PurchaseWithTimeline = components['schemas']['PurchaseWithTimeline'];

/** What is held for the customer, or being paid for, at this moment. Older than these are none. */
export async function readOpen(now: number): Promise<Reservation[]> {
  const { items } = unwrap(await api.GET('/reservations', { params: { query: { limit: 20 } } }));
  return items.filter(
    ({ status, expires_at }) => status === 'paying' || (status === 'active' && Date.parse(expires_at) > now),
  );
}

export async function readPurchases(cursor?: string): Promise<{ items: Purchase[]; next_cursor: string | null }> {
  return unwrap(await api.GET('/purchases', { params: { query: { limit: 20, ...(cursor && { cursor }) } } }));
}

export function readPurchase(id: string, version?: number): Promise<PurchaseWithTimeline> {
  const params = { path: { purchase_id: id }, query: version ? { min_version: version } : {} };
  return patiently(async () => unwrap(await api.GET('/purchases/{purchase_id}', { params })));
}

export function readReservation(id: string, version?: number): Promise<ReservationWithTimeline> {
  const params = { path: { reservation_id: id }, query: version ? { min_version: version } : {} };
  return patiently(async () => unwrap(await api.GET('/reservations/{reservation_id}', { params })));
}

/** Waits longer than one request may, where what was just written can't be read yet. */
async function patiently<T>(read: () => Promise<T>): Promise<T> {
  for (let reads = 1; ; reads++) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Problem && error.status === 412) || reads === READS_MAX) throw error;
      const seconds = error.retryAfter ?? 1;
      await new Promise((resume) => setTimeout(resume, seconds * 1000));
    }
  }
}

/** What a customer says on the telephone. */
export function numberOf(id: string): string {
  return id.slice(0, 8).toUpperCase();
}
