const FIRST_MS = 1_000;
const GROWTH = 1.5;
const LONGEST_MS = 8_000;

/** How long to wait before the next look, after so many in vain: 1, 1.5, 2.3 … 8 seconds. */
export function backoffMs(looks: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * GROWTH ** looks);
}

/**
 * Asks again and again while somebody sees the page, and at once when they come back to it or to the network.
 * `ask` returns how many milliseconds to wait before the next time, or null for the end. Returns what stops it.
 */
export function whileVisible(ask: () => Promise<number | null>, firstMs = 0): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking = false;
  let ended = false;

  const schedule = (ms: number) => {
    clearTimeout(timer);
    if (!ended && !document.hidden) timer = setTimeout(run, ms);
  };
  const run = async () => {
    if (asking || ended) return;
    asking = true;
    const wait = await ask();
    asking = false;
    if (wait === null) stop();
    else schedule(wait);
  };
  const resume = () => schedule(0);
  const stop = () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', resume);
    removeEventListener('online', resume);
  };

  document.addEventListener('visibilitychange', resume);
  addEventListener('online', resume);
  schedule(firstMs);
  return stop;
}
