import { expect, test } from 'vitest';
import { filtersOf, searchOf } from './catalogue';

test.each(['', 'q=tea', 'category=cups&stock=1', 'q=tea&sort=price', 'sort=-price'])(
  'the address ?%s is kept',
  (search) => {
    expect(searchOf(filtersOf(search)).toString()).toBe(search);
  },
);

test.each([
  ['sort=relevance', 'newest'], // relevance needs words
  ['q=tea&sort=oldest', 'relevance'],
  ['q=%20', 'newest'],
])('the address ?%s sorts by %s', (search, sort) => {
  expect(filtersOf(search).sort).toBe(sort);
});
