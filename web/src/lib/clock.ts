/** A reservation's time that is left, by the server's clock. */

export const NEARLY_OVER_MS = 120_000;

/** A countdown is spoken at these moments only: a screen reader that counted along would drown everything else. */
const SPOKEN_MS = [120_000, 30_000];

/** Never more than was given: the server tells its time in whole seconds, and a moment before it arrives. */
export function leftMs({ placed_at, expires_at }: { placed_at: string; expires_at: string }, now: number): number {
  const end = Date.parse(expires_at);
  return Math.max(0, Math.min(end - now, end - Date.parse(placed_at)));
}

/** Writes minutes and seconds, rounded up, so that it shows 0:00 only when the time is over. */
export function countdown(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Returns the moment to speak of that lies between two looks at the clock, or null. */
export function spoken(beforeMs: number, nowMs: number): number | null {
  return SPOKEN_MS.findLast((moment) => beforeMs > moment && nowMs <= moment && nowMs > 0) ?? null;
}
