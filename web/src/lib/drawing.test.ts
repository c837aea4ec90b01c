import { expect, test } from 'vitest';
import { draw } from './drawing';
import { motifFor } from './drawing-motifs';

const CATEGORIES = [null, 'coffee-beans', 'tea', 'cups', 'something-else'];

test('no two of 10,000 products look alike', () => {
  const drawn = new Set<string>();
  for (let i = 0; i < 2_000; i++)
    for (const category of CATEGORIES) drawn.add(JSON.stringify(draw(`SKU-${i}`, category)));
  expect(drawn.size).toBe(10_000);
});

test('the same product is drawn the same each time', () => {
  expect(draw('BEANS-ETH-250', 'coffee-beans')).toEqual(draw('BEANS-ETH-250', 'coffee-beans'));
});

test('neighbours in one category differ in more than a detail', () => {
  const colours = ['ETH', 'COL', 'BRA', 'DECAF', 'HOUSE'].map((name) => {
    const { wall, thing } = draw(`BEANS-${name}-250`, 'coffee-beans');
    return `${wall} ${thing}`;
  });
  expect(new Set(colours).size).toBe(colours.length);
});

test('a word of the SKU says what it is, else the category', () => {
  expect(motifFor('TEAPOT-700', 'tea')).not.toBe(motifFor('OOLONG-100', 'tea'));
  expect(motifFor('OOLONG-100', 'tea')).toBe(motifFor('TEA-SENCHA-100', null));
  expect(motifFor('constructor', 'constructor')).toBe(motifFor('X', null));
});

test('every path is one that a browser can draw', () => {
  for (const category of CATEGORIES)
    for (let i = 0; i < 500; i++)
      for (const { d } of draw(`SKU-${i}`, category).shapes) expect(d).not.toMatch(/NaN|undefined|--|e-/);
});
