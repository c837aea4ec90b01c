import type { components } from '../generated/api';

export type Money = components['schemas']['Money'];

const formats = new Map<string, Intl.NumberFormat>();

/** Writes an amount as the language does. */
export function money(amount: Money, language: string): string {
  const format = formatOf(amount.currency, language);
  return format.format(amount.amount_minor / unitsOf(format));
}

/** Returns the amount in minor units. How many of them make a major one is the currency's own affair. */
export function minorUnits(amount: number, currency: string): number {
  return Math.round(amount * unitsOf(formatOf(currency, 'en')));
}

/** Returns the currency's sign as the language writes it, such as €. */
export function currencySign(currency: string, language: string): string {
  const parts = formatOf(currency, language).formatToParts(0);
  return parts.find((part) => part.type === 'currency')!.value;
}

function unitsOf(format: Intl.NumberFormat): number {
  return 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2);
}

function formatOf(currency: string, language: string): Intl.NumberFormat {
  const key = `${language} ${currency}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat(language, { style: 'currency', currency });
    formats.set(key, format);
  }
  return format;
}
