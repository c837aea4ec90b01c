/**
 * Paying for one reservation, as a state machine: what is known, and what the page may therefore show.
 * It knows neither Svelte nor the network; `checkout.svelte.ts` asks the API and feeds it the answers.
 */
import type { components } from '../generated/api';

export type Reservation = components['schemas']['ReservationWithTimeline'];

/** One press of Pay. The key stays with the card until the shop has answered, so that no repeat charges again. */
export interface Attempt {
  key: string;
  paymentMethod: string;
  /** Whether the shop is known to have it. Asking again then starts nothing new. */
  received: boolean;
  /** Whether it was to take the place of a payment that waited for the bank. */
  instead?: boolean;
  paymentIntent?: string;
}

/** Why the reservation is still to be paid for after an attempt. */
export type Refusal =
  | { kind: 'declined'; code: string }
  | { kind: 'not-confirmed' } // 3-D Secure failed
  | { kind: 'given-up' } // another window pays in another way, instead of 3-D Secure
  | { kind: 'too-many-attempts' }
  | { kind: 'too-many-cards' }
  | { kind: 'not-payable' }
  | { kind: 'unanswered' }
  | { kind: 'session-ended' }
  | { kind: 'failed' };

export type Action = { kind: 'page'; url: string } | { kind: 'script'; clientSecret: string };

export type Checkout =
  | { face: 'loading' }
  | { face: 'missing' }
  | { face: 'failed' }
  | { face: 'held'; reservation: Reservation; attempt: Attempt | null; refusal: Refusal | null }
  | { face: 'paying'; reservation: Reservation; attempt: Attempt }
  | { face: 'unanswered'; reservation: Reservation; attempt: Attempt; times: number }
  | { face: 'settling'; reservation: Reservation; attempt: Attempt | null }
  | { face: 'challenge'; reservation: Reservation; attempt: Attempt; action: Action }
  | { face: 'paid'; reservation: Reservation; byEarlier?: boolean } // what the bank was to be asked for no more
  | { face: 'refunded' | 'over' | 'cancelled'; reservation: Reservation };

export type Happened =
  | { type: 'read'; reservation: Reservation; attempt: Attempt | null; now: number }
  | { type: 'not-found' }
  | { type: 'not-read' }
  | { type: 'pay'; paymentMethod: string; newKey: string }
  | { type: 'answered'; status: 'purchased' | 'paying'; version: number; paymentIntent: string }
  | { type: 'asked-for-more'; action: Action; version: number; paymentIntent: string }
  | { type: 'refused'; problem: string; code?: string; version?: number }
  | { type: 'no-answer' }
  | { type: 'time'; now: number };

/** So often a request whose answer was lost is sent again by itself; then the customer decides. */
export const REPEATS_MAX = 4;

export function step(checkout: Checkout, happened: Happened): Checkout {
  switch (happened.type) {
    case 'read':
      return read(checkout, happened);
    case 'not-found':
      return { face: 'missing' };
    case 'not-read':
      return checkout.face === 'loading' ? { face: 'failed' } : checkout;
    case 'pay':
      return pay(checkout, happened.paymentMethod, happened.newKey);
    case 'time':
      return timeGoesOn(checkout, happened.now);
  }
  if (!('attempt' in checkout) || !checkout.attempt) return checkout;
  const { attempt } = checkout;
  switch (happened.type) {
    case 'answered': {
      const reservation = at(checkout.reservation, happened.version);
      if (happened.status === 'purchased') return { face: 'paid', reservation };
      return { face: 'settling', reservation, attempt: received(attempt, happened.paymentIntent) };
    }
    case 'asked-for-more': {
      const reservation = at(checkout.reservation, happened.version);
      return {
        face: 'challenge',
        reservation,
        attempt: received(attempt, happened.paymentIntent),
        action: happened.action,
      };
    }
    case 'refused':
      return refused(checkout.reservation, attempt, happened);
    case 'no-answer':
      return unanswered(checkout.reservation, attempt, checkout.face === 'unanswered' ? checkout.times + 1 : 1);
  }
}

/** What has to be asked next: the payment again with its key, how the reservation is now, or nothing. */
export function wants(checkout: Checkout): 'payment' | 'reservation' | null {
  switch (checkout.face) {
    case 'loading':
    case 'held': // another window or device may pay for it, or give it up
    case 'settling':
    case 'challenge':
      return 'reservation';
    case 'paying':
    case 'unanswered':
      return 'payment';
    default:
      return null;
  }
}

/** The attempt to keep for a reload or another tab, or null once nothing depends on it. */
export function kept(checkout: Checkout): Attempt | null {
  return 'attempt' in checkout ? checkout.attempt : null;
}

/** Where a reservation's newest state is at least, which every read has to wait for. */
export function versionOf(checkout: Checkout): number | undefined {
  return 'reservation' in checkout ? checkout.reservation.stream_version : undefined;
}

type Read = Extract<Happened, { type: 'read' }>;

function read(checkout: Checkout, { reservation: found, attempt: stored, now }: Read): Checkout {
  if (checkout.face === 'paying' || checkout.face === 'unanswered') return checkout; // only the answer decides
  const known = 'reservation' in checkout ? checkout.reservation : null;
  if (known && found.stream_version < known.stream_version) return checkout;
  const attempt = kept(checkout) ?? stored;
  switch (found.status) {
    case 'purchased':
      return { face: 'paid', reservation: found };
    case 'refunded':
      return { face: 'refunded', reservation: found };
    case 'cancelled':
      return { face: 'cancelled', reservation: found };
    case 'expired':
      return { face: 'over', reservation: found };
    case 'paying':
      if (checkout.face === 'challenge') return { ...checkout, reservation: found };
      // Asking again with the key tells whether the bank waits for the customer, and where. What was to take that
      // payment's place has not begun as far as anybody knows, and begins only when the customer presses Pay.
      if (
        attempt &&
        (attempt.received || !attempt.instead) &&
        (checkout.face === 'loading' || waitsForBank(found, now))
      )
        return { face: 'paying', reservation: found, attempt: received(attempt) };
      return { face: 'settling', reservation: found, attempt: attempt?.instead && !attempt.received ? null : attempt };
    case 'active':
      if (checkout.face === 'held') return timeGoesOn({ ...checkout, reservation: found }, now);
      // It is not under way any more, so the attempt was declined: the repeat says why.
      if (attempt?.received) return { face: 'paying', reservation: found, attempt };
      if (checkout.face === 'settling') return timeGoesOn(held(found, { kind: 'declined', code: '' }), now);
      return timeGoesOn(
        { face: 'held', reservation: found, attempt, refusal: attempt ? { kind: 'unanswered' } : lastRefusal(found) },
        now,
      );
  }
}

function pay(checkout: Checkout, paymentMethod: string, newKey: string): Checkout {
  // Whoever pays in another way than the bank waits for gives that payment up, and never repeats its key.
  if (checkout.face === 'challenge' || checkout.face === 'settling') {
    const attempt = { key: newKey, paymentMethod, received: false, instead: true };
    return { face: 'paying', reservation: checkout.reservation, attempt };
  }
  if (checkout.face !== 'held') return checkout;
  const before = checkout.attempt;
  const attempt = before?.paymentMethod === paymentMethod ? before : { key: newKey, paymentMethod, received: false };
  return { face: 'paying', reservation: checkout.reservation, attempt };
}

/** A reservation that is being paid never expires, and one that waits for the bank does so for the bank too. */
function timeGoesOn(checkout: Checkout, now: number): Checkout {
  if (!('reservation' in checkout) || Date.parse(checkout.reservation.expires_at) > now) return checkout;
  const { reservation } = checkout;
  if (checkout.face === 'held') return { face: 'over', reservation };
  if (checkout.face === 'challenge') return { face: 'settling', reservation, attempt: checkout.attempt };
  return checkout;
}

type Refused = Extract<Happened, { type: 'refused' }>;

function refused(reservation: Reservation, attempt: Attempt, { problem, code = '', version }: Refused): Checkout {
  const now = version ? at(reservation, version) : reservation;
  switch (problem) {
    case 'card-declined':
      return held(now, refusalOf(code));
    case 'already-purchased':
      return { face: 'paid', reservation: now, ...(attempt.instead && { byEarlier: true }) };
    case 'payment-in-progress':
      // Another window pays. This attempt never began, and must not begin by itself if the other one fails.
      return { face: 'settling', reservation: now, attempt: attempt.received ? attempt : null };
    case 'reservation-expired':
      return { face: 'over', reservation: now };
    case 'reservation-cancelled':
      return { face: 'cancelled', reservation: now };
    case 'not-found':
      return { face: 'missing' };
    case 'too-many-attempts':
      return held(now, { kind: 'too-many-attempts' });
    case 'too-many-card-attempts':
      return { ...held(now, { kind: 'too-many-cards' }), attempt };
    case 'unauthenticated':
      // The gateway has refused it, so nothing has begun unless it had before.
      return { ...held(now, { kind: 'session-ended' }), attempt: attempt.received ? attempt : null };
    case 'payment-refused':
      return held(now, { kind: 'not-payable' });
    default:
      return held(now, { kind: 'failed' });
  }
}

function unanswered(reservation: Reservation, attempt: Attempt, times: number): Checkout {
  if (times < REPEATS_MAX) return { face: 'unanswered', reservation, attempt, times };
  return { face: 'held', reservation, attempt, refusal: { kind: 'unanswered' } };
}

function held(reservation: Reservation, refusal: Refusal): Extract<Checkout, { face: 'held' }> {
  return { face: 'held', reservation, attempt: null, refusal };
}

/** Whether the bank still waits for its customer, who may be in another window. */
export function waitsForBank(reservation: Reservation, now: number): boolean {
  const last = reservation.timeline.at(-1)?.type;
  return last === 'payment-action-required' && Date.parse(reservation.expires_at) > now;
}

function lastRefusal(reservation: Reservation): Refusal | null {
  return reservation.timeline.at(-1)?.type === 'payment-declined' ? { kind: 'declined', code: '' } : null;
}

function refusalOf(code: string): Refusal {
  if (code === 'payment_intent_authentication_failure') return { kind: 'not-confirmed' };
  return code === 'given_up' ? { kind: 'given-up' } : { kind: 'declined', code };
}

function received(attempt: Attempt, paymentIntent = attempt.paymentIntent): Attempt {
  return { ...attempt, received: true, ...(paymentIntent && { paymentIntent }) };
}

function at(reservation: Reservation, version: number): Reservation {
  return { ...reservation, stream_version: Math.max(version, reservation.stream_version) };
}
