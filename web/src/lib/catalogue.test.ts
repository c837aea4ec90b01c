import { afterEach, expect, test, vi } from 'vitest';
import { amountOf, fill, filtersOf, searchOf } from './catalogue';
import { readPage, type Page } from './products';

vi.mock('./products', () => ({ readPage: vi.fn() }));
const read = vi.mocked(readPage);

afterEach(() => read.mockReset());

test.each([
  '',
  'q=tea',
  'category=cups&stock=1',
  'q=tea&sort=price',
  'sort=-price',
  'min=10&max=49.9&currency=EUR',
  'stock=1&max=5&currency=JPY&sort=name',
])('the address ?%s is kept', (search) => {
  expect(searchOf(filtersOf(search)).toString()).toBe(search);
});

test.each([
  ['sort=relevance', 'newest'], // relevance needs words
  ['q=tea&sort=oldest', 'relevance'],
  ['q=%20', 'newest'],
])('the address ?%s sorts by %s', (search, sort) => {
  expect(filtersOf(search).sort).toBe(sort);
});

test.each(['min=10', 'min=-1&currency=EUR', 'max=1e9&currency=EUR', 'max=9999999&currency=EUR', 'min=1&currency=eur'])(
  'the address ?%s asks for no price',
  (search) => {
    const { min, max } = filtersOf(search);
    expect([min, max]).toEqual(['', '']);
  },
);

test.each([
  ['12,50', '12.50'],
  [' 7 ', '7'],
  ['1.234,5', ''],
  ['cheap', ''],
])('who types %s means %s', (typed, amount) => {
  expect(amountOf(typed)).toBe(amount);
});

test.each([
  ['min=10&max=49.9&currency=EUR', { price_min: 1000, price_max: 4990, currency: 'EUR' }],
  ['max=500&currency=JPY', { price_max: 500, currency: 'JPY' }],
  ['min=20&max=10&currency=EUR', { price_min: 1000, price_max: 2000, currency: 'EUR' }],
  ['currency=EUR', {}],
])('the prices of ?%s are asked for in minor units', async (search, prices) => {
  read.mockResolvedValue({ items: [], cursor: null, total: 0, isExact: true });
  await fill(search);
  expect(read.mock.calls[0]![0]).toEqual({ sort: 'newest', limit: 24, total: true, ...prices });
});

/** Answers with as many products as are asked for, of so many in all. */
function serve(total: number): void {
  read.mockImplementation(async ({ limit, cursor }) => {
    const start = Number(cursor ?? 0);
    const end = Math.min(total, start + limit!);
    const items = Array.from({ length: end - start }, (_, index) => ({ sku: `P-${start + index}` }));
    return { items, cursor: end < total ? String(end) : null, total, isExact: true } as Page;
  });
}

test.each([
  [0, 24, [24]],
  [72, 72, [72]],
  [240, 240, [100, 100, 40]],
  [500, 300, [100, 100, 100]], // some were sold out meanwhile
])('a list that had %i is come back to with %i', async (loaded, shown, limits) => {
  serve(300);
  const shelf = await fill(`q=${loaded}`, loaded);
  expect(shelf!.items.map((item) => item.sku)).toEqual(Array.from({ length: shown }, (_, index) => `P-${index}`));
  expect(read.mock.calls.map(([query]) => query.limit)).toEqual(limits);
});

test('a list of any length is restored with ten requests at most', async () => {
  serve(5000);
  const shelf = await fill('q=all', 4000);
  expect([shelf!.items.length, shelf!.cursor, read.mock.calls.length]).toEqual([1000, '1000', 10]);
});
