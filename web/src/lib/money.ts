import type { components } from '../generated/api';

export type Money = components['schemas']['Money'];

const formats = new Map<string, Intl.NumberFormat>();

/** Writes an amount as the language does. How many minor units make a major one is the currency's own affair. */
export function money(amount: Money, language: string): string {
  const key = `${language} ${amount.currency}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language, { style: 'currency', currency: amount.currency });
    formats.set(key, format);
  }
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(amount.amount_minor / 10 ** digits);
}
