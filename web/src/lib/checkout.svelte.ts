/** Follows one reservation until it is paid for or lost: asks the API, feeds the state machine, keeps the attempt. */
import type { components } from '../generated/api';
import { api, Problem, serverClockOffset, unwrap } from './api';
import { kept, step, versionOf, wants, type Attempt, type Checkout, type Happened } from './checkout';
import { backoffMs, whileVisible } from './poll';
import { readReservation } from './purchases';

type Answer = components['schemas']['ConfirmedPurchase' | 'PendingPurchase'];

const KEPT = 'shop.payment.';
/** An attempt that is older is no longer looked at: a reservation lives for a quarter of an hour. */
const KEPT_MS_MAX = 86_400_000;
const TICK_MS = 500;
const HELD_MS = 10_000;

export type Follower = ReturnType<typeof follow>;

export function serverNow(): number {
  return Date.now() + serverClockOffset();
}

export function follow(id: string, versionAtLeast?: number) {
  let checkout = $state.raw<Checkout>({ face: 'loading' });
  let now = $state(serverNow());
  let givingUp = $state(false);
  let looks = 0;
  let stopAsking = () => {};

  function happen(happened: Happened): void {
    const before = checkout;
    checkout = step(before, happened);
    if (checkout === before) return;
    keep(id, kept(before), kept(checkout));
    if (wants(before) !== 'reservation' || wants(checkout) !== 'reservation') ask();
  }

  function ask(): void {
    stopAsking();
    looks = 0;
    const wanted = wants(checkout);
    if (wanted === 'payment')
      stopAsking = whileVisible(pay, checkout.face === 'unanswered' ? backoffMs(checkout.times) : 0);
    if (wanted === 'reservation') stopAsking = whileVisible(look, checkout.face === 'loading' ? 0 : nextLookMs());
  }

  async function look(): Promise<number | null> {
    try {
      const reservation = await readReservation(id, versionOf(checkout) ?? versionAtLeast);
      happen({ type: 'read', reservation, attempt: keptAttempt(id), now: serverNow() });
    } catch (error) {
      const isGone = error instanceof Problem && error.status === 404;
      happen(isGone ? { type: 'not-found' } : { type: 'not-read' });
    }
    return wants(checkout) === 'reservation' ? nextLookMs() : null;
  }

  function nextLookMs(): number {
    return checkout.face === 'held' ? HELD_MS : backoffMs(looks++);
  }

  async function pay(): Promise<null> {
    const attempt = kept(checkout);
    if (attempt) happen(await send(id, attempt));
    return null;
  }

  const ticking = setInterval(() => {
    now = serverNow();
    happen({ type: 'time', now });
  }, TICK_MS);
  const followOtherTabs = (event: StorageEvent) => {
    if (event.key === KEPT + id && checkout.face === 'held') void look();
  };
  addEventListener('storage', followOtherTabs);
  ask();

  return {
    get checkout() {
      return checkout;
    },
    get now() {
      return now;
    },
    get givingUp() {
      return givingUp;
    },
    pay(paymentMethod: string) {
      happen({ type: 'pay', paymentMethod, newKey: crypto.randomUUID() });
    },
    /** Gives the reservation up. Returns whether that was still possible. */
    async giveUp(): Promise<boolean> {
      givingUp = true;
      try {
        const answer = await api.DELETE('/reservations/{reservation_id}', { params: { path: { reservation_id: id } } });
        unwrap(answer);
        keep(id, kept(checkout), null);
        return true;
      } catch {
        await look();
        return false;
      } finally {
        givingUp = false;
      }
    },
    tryAgain() {
      checkout = { face: 'loading' };
      ask();
    },
    stop() {
      stopAsking();
      clearInterval(ticking);
      removeEventListener('storage', followOtherTabs);
    },
  };
}

/** Returns for which reservation a payment intent was begun in this browser. */
export function reservationOf(paymentIntent: string): string | null {
  for (const key of Object.keys(localStorage))
    if (key.startsWith(KEPT) && keptAttempt(key.slice(KEPT.length))?.paymentIntent === paymentIntent)
      return key.slice(KEPT.length);
  return null;
}

async function send(id: string, attempt: Attempt): Promise<Happened> {
  try {
    const result = await api.POST('/purchase', {
      params: { header: { 'Idempotency-Key': attempt.key } },
      body: { reservation_id: id, payment_method: attempt.paymentMethod },
    });
    const answer = unwrap<Answer>(result);
    const { stream_version: version, payment_intent_id: paymentIntent } = answer;
    if (answer.status !== 'requires_action') return { type: 'answered', status: answer.status, version, paymentIntent };
    const { next_action: next, client_secret: clientSecret = '' } = answer;
    const action = next?.url ? ({ kind: 'page', url: next.url } as const) : ({ kind: 'script', clientSecret } as const);
    return { type: 'asked-for-more', action, version, paymentIntent };
  } catch (error) {
    // A gateway or function that broke down may have passed the payment on, like one that never answered.
    const isBusy = error instanceof Problem && error.status === 429 && error.type === 'gateway';
    if (!(error instanceof Problem) || error.status >= 500 || isBusy) return { type: 'no-answer' };
    const { code, stream_version: version } = error.body as {
      code?: string;
      decline_code?: string;
      stream_version?: number;
    };
    const why = (error.body.decline_code as string | undefined) ?? code;
    const problem = error.status === 401 ? 'unauthenticated' : error.type;
    return { type: 'refused', problem, ...(why && { code: why }), ...(version && { version }) };
  }
}

function keptAttempt(id: string): Attempt | null {
  const { attempt = null, at = 0 } = JSON.parse(localStorage.getItem(KEPT + id) ?? '{}') as {
    attempt?: Attempt;
    at?: number;
  };
  return Date.now() - at < KEPT_MS_MAX ? attempt : null;
}

/** Writes only what this window has begun or ended, never over the attempt of another one. */
function keep(id: string, before: Attempt | null, after: Attempt | null): void {
  if (after && after !== before) localStorage.setItem(KEPT + id, JSON.stringify({ attempt: after, at: Date.now() }));
  if (!after && before && keptAttempt(id)?.key === before.key) localStorage.removeItem(KEPT + id);
}
