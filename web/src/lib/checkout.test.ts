import { expect, test } from 'vitest';
import { kept, REPEATS_MAX, step, versionOf, wants } from './checkout';
import type { Attempt, Checkout, Happened, Reservation } from './checkout';

const PLACED = Date.parse('2026-11-27T12:00:00Z');
const OVER = PLACED + 900_000;

function reserved(status: Reservation['status'] = 'active', version = 1, last = 'placed'): Reservation {
  return {
    stream_id: 'reservation-r',
    stream_version: version,
    reservation_id: 'r',
    status,
    lines: [],
    total: { amount_minor: 1000, currency: 'EUR' },
    placed_at: new Date(PLACED).toISOString(),
    expires_at: new Date(OVER).toISOString(),
    timeline: [{ type: last, time: new Date(PLACED).toISOString(), stream_version: version }],
  };
}

function read(reservation: Reservation, attempt: Attempt | null = null, now = PLACED): Happened {
  return { type: 'read', reservation, attempt, now };
}

function after(...happened: Happened[]): Checkout {
  return happened.reduce(step, { face: 'loading' } as Checkout);
}

const open = read(reserved());
const pay: Happened = { type: 'pay', paymentMethod: 'pm_card_visa', newKey: 'first' };
const unknown: Happened = { type: 'answered', status: 'paying', version: 2, paymentIntent: 'pi' };
const page = { kind: 'page', url: 'https://bank.example' } as const;
const asked: Happened = { type: 'asked-for-more', action: page, version: 3, paymentIntent: 'pi' };
const declined: Happened = { type: 'refused', problem: 'card-declined', code: 'lost_card', version: 3 };
const sent: Attempt = { key: 'first', paymentMethod: 'pm_card_visa', received: false };
const receivedBefore: Attempt = { ...sent, received: true, paymentIntent: 'pi' };

test('a reservation is held until it is paid for', () => {
  expect(after(open)).toMatchObject({ face: 'held', refusal: null });
  expect(after(open, pay)).toMatchObject({ face: 'paying', attempt: sent });
  const paid = after(open, pay, { type: 'answered', status: 'purchased', version: 3, paymentIntent: 'pi' });
  expect(paid.face).toBe('paid');
  expect(versionOf(paid)).toBe(3);
  expect(kept(paid)).toBeNull();
});

test.each<[Reservation['status'], Checkout['face']]>([
  ['purchased', 'paid'],
  ['refunded', 'refunded'],
  ['cancelled', 'cancelled'],
  ['expired', 'over'],
  ['paying', 'settling'],
])('a reservation that is %s shows the face %s', (status, face) => {
  expect(after(read(reserved(status))).face).toBe(face);
});

test('what cannot be found or read has a face of its own', () => {
  expect(after({ type: 'not-found' }).face).toBe('missing');
  expect(after({ type: 'not-read' }).face).toBe('failed');
  expect(after(open, { type: 'not-read' }).face).toBe('held');
});

test('a declined card leaves the reservation held, and the next card has a new key', () => {
  const refused = after(open, pay, declined);
  expect(refused).toMatchObject({ face: 'held', refusal: { kind: 'declined', code: 'lost_card' }, attempt: null });
  expect(versionOf(refused)).toBe(3);
  const again = step(refused, { type: 'pay', paymentMethod: 'pm_card_visa', newKey: 'second' });
  expect(kept(again)?.key).toBe('second');
});

test('Pay pressed twice sends one attempt', () => {
  const twice = after(open, pay, { type: 'pay', paymentMethod: 'pm_card_visa', newKey: 'second' });
  expect(kept(twice)?.key).toBe('first');
});

test('a lost answer is asked for again with the same key, and then the customer decides', () => {
  const lost = after(open, pay, { type: 'no-answer' });
  expect(lost).toMatchObject({ face: 'unanswered', attempt: sent });
  expect(wants(lost)).toBe('payment');
  let later = lost;
  for (let i = 1; i < REPEATS_MAX; i++) later = step(later, { type: 'no-answer' });
  expect(later).toMatchObject({ face: 'held', refusal: { kind: 'unanswered' }, attempt: sent });
  expect(kept(step(later, { ...pay, newKey: 'second' }))?.key).toBe('first');
  const other: Happened = { type: 'pay', paymentMethod: 'pm_card_mastercard', newKey: 'second' };
  expect(kept(step(later, other))?.key).toBe('second');
});

test('an outcome that is not known yet is followed, and found paid', () => {
  const settling = after(open, pay, unknown);
  expect(settling).toMatchObject({ face: 'settling', attempt: receivedBefore });
  expect(wants(settling)).toBe('reservation');
  expect(step(settling, read(reserved('paying', 2))).face).toBe('settling');
  expect(step(settling, read(reserved('purchased', 3))).face).toBe('paid');
});

test('an outcome that is found declined is asked for again, which says why', () => {
  const repeat = after(open, pay, unknown, read(reserved('active', 3, 'payment-declined')));
  expect(repeat).toMatchObject({ face: 'paying', attempt: receivedBefore });
  expect(step(repeat, declined)).toMatchObject({ face: 'held', refusal: { code: 'lost_card' } });
});

test('a read that is older than the last answer changes nothing', () => {
  const settling = after(open, pay, unknown);
  expect(step(settling, read(reserved('active', 1)))).toBe(settling);
});

test('nothing that is read decides while the answer to a payment is awaited', () => {
  const paying = after(open, pay);
  expect(step(paying, read(reserved('active', 2)))).toBe(paying);
});

test('3-D Secure: the bank is opened, and its customer confirms', () => {
  const challenge = after(open, pay, asked);
  expect(challenge).toMatchObject({ face: 'challenge', action: page });
  expect(step(challenge, read(reserved('paying', 3, 'payment-action-required')))).toMatchObject({ face: 'challenge' });
  expect(step(challenge, read(reserved('purchased', 4))).face).toBe('paid');
});

test('3-D Secure failed: the repeat says so, and another card pays', () => {
  const repeat = after(open, pay, asked, read(reserved('active', 4, 'payment-declined')));
  expect(wants(repeat)).toBe('payment');
  const failure = { ...declined, code: 'payment_intent_authentication_failure' } as Happened;
  expect(step(repeat, failure)).toMatchObject({ face: 'held', refusal: { kind: 'not-confirmed' }, attempt: null });
});

test('3-D Secure abandoned: when the time is over the shop waits for the outcome, and then says that it is over', () => {
  const late = after(open, pay, asked, { type: 'time', now: OVER });
  expect(late.face).toBe('settling');
  expect(step(late, read(reserved('paying', 3, 'payment-action-required'), null, OVER)).face).toBe('settling');
  expect(step(late, read(reserved('expired', 5))).face).toBe('over');
});

test('3-D Secure resumed after a reload or in another tab: the key brings the address of the bank again', () => {
  const resumed = after(read(reserved('paying', 3, 'payment-action-required'), receivedBefore));
  expect(resumed).toMatchObject({ face: 'paying', attempt: receivedBefore });
  expect(step(resumed, asked)).toMatchObject({ face: 'challenge', action: page });
});

const otherCard: Happened = { type: 'pay', paymentMethod: 'pm_card_visa', newKey: 'second' };

test('3-D Secure given up: another key pays, also with the same card, and a purchase that was quicker is told of', () => {
  const instead = after(open, pay, asked, otherCard);
  expect(instead).toMatchObject({ face: 'paying', attempt: { key: 'second', received: false, instead: true } });
  const purchased: Happened = { type: 'refused', problem: 'already-purchased' };
  expect(step(instead, purchased)).toMatchObject({ face: 'paid', byEarlier: true });
  expect(after(open, pay, purchased)).not.toHaveProperty('byEarlier');
  expect(step(instead, asked)).toMatchObject({ face: 'challenge', attempt: { key: 'second', received: true } });
});

test('3-D Secure given up in another window is told as that', () => {
  const givenUp = { ...declined, code: 'given_up' } as Happened;
  const repeat = after(open, pay, asked, read(reserved('active', 4, 'payment-declined')));
  expect(step(repeat, givenUp)).toMatchObject({ face: 'held', refusal: { kind: 'given-up' }, attempt: null });
});

test('what was to take the place of 3-D Secure, and may never have arrived, begins only when Pay is pressed', () => {
  const instead: Attempt = { ...sent, key: 'second', instead: true };
  const reloaded = after(read(reserved('paying', 3, 'payment-action-required'), instead));
  expect(reloaded).toMatchObject({ face: 'settling', attempt: null });
  expect(kept(step(reloaded, otherCard))?.key).toBe('second');
  const lost = after(open, pay, asked, otherCard, ...Array<Happened>(REPEATS_MAX).fill({ type: 'no-answer' }));
  expect(wants(step(lost, read(reserved('paying', 3, 'payment-action-required'))))).toBe('reservation');
});

test('3-D Secure in another browser: without the key the page waits for the outcome', () => {
  const elsewhere = after(read(reserved('paying', 3, 'payment-action-required')));
  expect(elsewhere).toMatchObject({ face: 'settling', attempt: null });
  expect(step(elsewhere, read(reserved('active', 4, 'payment-declined')))).toMatchObject({ face: 'held' });
});

test('a bank that wants its customer only later is opened then', () => {
  const settling = after(open, pay, unknown);
  expect(wants(step(settling, read(reserved('paying', 3, 'payment-action-required'))))).toBe('payment');
});

test('after a reload an attempt that may never have arrived waits for the customer', () => {
  const back = after(read(reserved(), sent));
  expect(back).toMatchObject({ face: 'held', refusal: { kind: 'unanswered' }, attempt: sent });
  expect(wants(back)).not.toBe('payment');
});

test('after a reload an attempt that arrived is asked for again', () => {
  expect(wants(after(read(reserved(), receivedBefore)))).toBe('payment');
  expect(wants(after(read(reserved('paying', 2), sent)))).toBe('payment');
});

test('a payment in another window is followed, and this attempt never begins by itself', () => {
  const other = after(open, pay, { type: 'refused', problem: 'payment-in-progress' });
  expect(other).toMatchObject({ face: 'settling', attempt: null });
  expect(step(other, read(reserved('active', 3)))).toMatchObject({ face: 'held', refusal: { kind: 'declined' } });
});

test.each<[string, Checkout['face']]>([
  ['already-purchased', 'paid'],
  ['reservation-expired', 'over'],
  ['reservation-cancelled', 'cancelled'],
  ['not-found', 'missing'],
])('the refusal %s shows the face %s', (problem, face) => {
  expect(after(open, pay, { type: 'refused', problem }).face).toBe(face);
});

test.each([
  ['too-many-attempts', 'too-many-attempts', null],
  ['too-many-card-attempts', 'too-many-cards', sent],
  ['payment-refused', 'not-payable', null],
  ['unauthenticated', 'session-ended', null],
  ['invalid-request', 'failed', null],
])('the refusal %s is told as %s', (problem, kind, attempt) => {
  expect(after(open, pay, { type: 'refused', problem })).toMatchObject({ face: 'held', refusal: { kind }, attempt });
});

test('a session that ends while a payment settles keeps its key', () => {
  const ended = after(read(reserved('paying', 2), receivedBefore), { type: 'refused', problem: 'unauthenticated' });
  expect(kept(ended)).toEqual(receivedBefore);
});

test('the time is over by the clock, before anybody has swept', () => {
  expect(after(open, { type: 'time', now: OVER - 1 }).face).toBe('held');
  expect(after(open, { type: 'time', now: OVER }).face).toBe('over');
  expect(after(read(reserved(), null, OVER)).face).toBe('over');
});

test('what is being paid never expires', () => {
  expect(after(open, pay, { type: 'time', now: OVER + 1 }).face).toBe('paying');
  expect(after(open, pay, unknown, { type: 'time', now: OVER + 1 }).face).toBe('settling');
});

test('what another window has paid for is noticed here', () => {
  expect(wants(after(open))).toBe('reservation');
  expect(after(open, read(reserved('purchased', 3))).face).toBe('paid');
});

test('a read keeps what the last card was refused for', () => {
  expect(after(open, pay, declined, read(reserved('active', 4)))).toMatchObject({ refusal: { code: 'lost_card' } });
  expect(after(read(reserved('active', 3, 'payment-declined')))).toMatchObject({ refusal: { kind: 'declined' } });
});
