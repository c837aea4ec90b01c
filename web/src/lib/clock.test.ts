import { expect, test } from 'vitest';
import { countdown, leftMs, spoken } from './clock';

test.each([
  [900_000, '15:00'],
  [61_000, '1:01'],
  [60_001, '1:01'],
  [59_000, '0:59'],
  [1, '0:01'],
  [0, '0:00'],
])('%i ms are shown as %s', (ms, shown) => {
  expect(countdown(ms)).toBe(shown);
});

test.each([
  ['2026-11-27T12:14:00Z', 60_000],
  ['2026-11-27T12:15:01Z', 0],
  ['2026-11-27T11:59:58Z', 900_000], // this clock is slow
])('at %s %i ms are left of a quarter of an hour', (now, left) => {
  const reservation = { placed_at: '2026-11-27T12:00:00Z', expires_at: '2026-11-27T12:15:00Z' };
  expect(leftMs(reservation, Date.parse(now))).toBe(left);
});

test.each([
  [121_000, 120_000, 120_000],
  [120_000, 119_000, null],
  [31_000, 29_000, 30_000],
  [180_000, 29_000, 30_000], // a tab that slept says the later one only
  [500, 0, null],
])('between %i and %i ms it speaks of %s', (before, now, moment) => {
  expect(spoken(before, now)).toBe(moment);
});
