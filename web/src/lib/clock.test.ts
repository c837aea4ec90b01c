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

test('no time is left after the end', () => {
  expect(leftMs('2026-11-27T12:00:00Z', Date.parse('2026-11-27T12:00:01Z'))).toBe(0);
  expect(leftMs('2026-11-27T12:00:00Z', Date.parse('2026-11-27T11:59:00Z'))).toBe(60_000);
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
