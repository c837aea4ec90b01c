import { expect, test, vi } from 'vitest';
import * as basket from './basket';
import type { Product } from './basket';

const mug: Product = {
  sku: 'MUG',
  name: 'Mug',
  description: '',
  category: 'cups',
  images: [],
  price: { amount_minor: 1000, currency: 'EUR' },
  available: 5,
  status: 'listed',
  version: 2,
};
const tea: Product = { ...mug, sku: 'TEA', name: 'Tea', price: { amount_minor: 450, currency: 'EUR' } };
const filled = basket.put(basket.put(basket.empty('1'), mug, 2, '2'), tea, 1, '3');

test('the same product again adds to its line', () => {
  const more = basket.put(filled, mug, 1, '4');
  expect(more.lines.map((line) => [line.sku, line.quantity])).toEqual([
    ['MUG', 3],
    ['TEA', 1],
  ]);
});

test('no more can be put in than there is', () => {
  expect(basket.put(filled, mug, 9, '4').lines[0]?.quantity).toBe(5);
});

test('a reservation takes 20 lines, so the basket does too', () => {
  let full = basket.empty('0');
  for (let i = 0; i < 25; i++) full = basket.put(full, { ...mug, sku: `MUG-${i}` }, 1, `${i}`);
  expect(full.lines).toHaveLength(basket.LINES_MAX);
  expect(full.key).toBe('19');
});

test('each change of the contents brings a new key', () => {
  expect(basket.put(filled, mug, 1, 'new').key).toBe('new');
  expect(basket.setQuantity(filled, 'MUG', 1, 'new').key).toBe('new');
  expect(basket.without(filled, 'MUG', 'new').key).toBe('new');
  expect(basket.answered(filled, '3', 'new')).toEqual({ key: 'new', lines: [] });
});

test('a quantity of none takes the line out', () => {
  expect(basket.setQuantity(filled, 'MUG', 0, '4').lines.map((line) => line.sku)).toEqual(['TEA']);
});

test('what was taken out goes back to its place, once', () => {
  const [line] = filled.lines;
  const back = basket.restore(basket.without(filled, 'MUG', '4'), line!, 0, '5');
  expect(back).toEqual({ key: '5', lines: filled.lines });
  expect(basket.restore(back, line!, 0, '6')).toBe(back);
});

test('an answer to an older key does not take what was put in since', () => {
  expect(basket.answered(filled, '2', 'new')).toBe(filled);
});

test('it tells of another price, of fewer units, of none, and of what is no longer sold', () => {
  const now = { amount_minor: 1100, currency: 'EUR' };
  expect(basket.changes(filled, [mug, tea])).toEqual([]);
  expect(basket.changes(filled, [{ ...mug, price: now, available: 1 }])).toEqual([
    { sku: 'MUG', kind: 'price', before: mug.price, now },
    { sku: 'MUG', kind: 'fewer', available: 1 },
    { sku: 'TEA', kind: 'gone' },
  ]);
  expect(
    basket.changes(filled, [
      { ...mug, status: 'retired' },
      { ...tea, available: 0 },
    ]),
  ).toEqual([
    { sku: 'MUG', kind: 'gone' },
    { sku: 'TEA', kind: 'sold-out' },
  ]);
});

test('accepting the changes leaves none', () => {
  const products = [{ ...mug, price: { amount_minor: 1100, currency: 'EUR' }, available: 1 }];
  const accepted = basket.accept(filled, basket.changes(filled, products), 'new');
  expect(basket.changes(accepted, products)).toEqual([]);
  expect(accepted.key).toBe('new');
  expect(basket.totals(accepted.lines)).toEqual([{ amount_minor: 1100, currency: 'EUR' }]);
});

test('there is one total for each currency', () => {
  const mixed = basket.put(filled, { ...mug, sku: 'X', price: { amount_minor: 5, currency: 'JPY' } }, 1, '4');
  expect(basket.totals(mixed.lines)).toEqual([
    { amount_minor: 2450, currency: 'EUR' },
    { amount_minor: 5, currency: 'JPY' },
  ]);
});

test.each([null, '', '{', 'null', '{"key": 1}', '{"key": "a", "lines": [{"sku": "X"}]}'])(
  'what cannot be read (%s) is an empty basket',
  (text) => {
    expect(basket.parse(text, 'new')).toEqual({ key: 'new', lines: [] });
  },
);

test('what was kept is read back', () => {
  expect(basket.parse(JSON.stringify(filled), 'new')).toEqual(filled);
});

test('a key is a UUIDv7 of now, and no other is like it', () => {
  vi.useFakeTimers({ now: new Date('2026-11-28T10:00:00Z') });
  const [first, second] = [basket.newKey(), basket.newKey()];
  vi.useRealTimers();
  expect(first).toMatch(/^01a22198-ed00-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(second).not.toBe(first);
});
