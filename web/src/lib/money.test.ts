import { expect, test } from 'vitest';
import { currencySign, minorUnits, money } from './money';

/** Intl separates with a no-break space, which no test needs to see. */
const plain = (text: string) => text.replace(/\s/g, ' ');

test.each([
  ['en', 'EUR', 1990, '€19.90'],
  ['de', 'EUR', 1990, '19,90 €'],
  ['en', 'JPY', 1990, '¥1,990'],
  ['en', 'KWD', 1990, 'KWD 1.990'],
  ['de', 'EUR', 0, '0,00 €'],
  ['en', 'EUR', 99_999_999_999, '€999,999,999.99'],
])('in %s, %s %i is written %s', (language, currency, amount_minor, written) => {
  expect(plain(money({ amount_minor, currency }, language))).toBe(written);
});

test.each([
  ['EUR', 19.9, 1990, '€'],
  ['JPY', 1990, 1990, '¥'],
  ['KWD', 1.99, 1990, 'KWD'],
])('%s %d are %i minor units, with the sign %s', (currency, amount, minor, sign) => {
  expect(minorUnits(amount, currency)).toBe(minor);
  expect(currencySign(currency, 'en')).toBe(sign);
});
