/** Reads of what a customer has reserved and bought. */
import type { components } from '../generated/api';
import { api, unwrap } from './api';

export type Reservation = components['schemas']['Reservation'];
export type Purchase = components['schemas']['Purchase'];
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

export async function readPurchase(id: string, version?: number): Promise<PurchaseWithTimeline> {
  const query = version ? { min_version: version } : {};
  return unwrap(await api.GET('/purchases/{purchase_id}', { params: { path: { purchase_id: id }, query } }));
}

/** What a customer says on the telephone. */
export function numberOf(id: string): string {
  return id.slice(0, 8).toUpperCase();
}
