/** The texts of the customer's language. Each language is one file; a page holds no text of its own. */
import { en, type Texts } from './en';

export const LANGUAGES = { en: 'English', de: 'Deutsch' };
export type Language = keyof typeof LANGUAGES;

const CHOSEN = 'shop.language';

export let language: Language = 'en';
/** The language as Intl takes it, with the region that the browser is set to. */
export let locale: string = 'en';
export let t: Texts = en;

/** Call it before the first page. A language that can't be loaded leaves English. */
export async function loadTexts(): Promise<void> {
  const wanted = chosen();
  if (wanted === 'de') {
    const loaded = await import('./de').catch(() => null);
    if (!loaded) return;
    t = loaded.de;
  }
  language = wanted;
  locale = navigator.languages.find((each) => each.split('-')[0] === wanted) ?? wanted;
  document.documentElement.lang = wanted;
}

/** Loads the page again, in the other language. */
export function choose(next: Language): void {
  localStorage.setItem(CHOSEN, next);
  location.reload();
}

export function date(text: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'long' }).format(new Date(text));
}

export function moment(text: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

export function timeOfDay(text: string): string {
  return new Intl.DateTimeFormat(locale, { timeStyle: 'short' }).format(new Date(text));
}

/** Writes a number as the language does, and nothing where there is none. */
export function decimal(text: string): string {
  return text && new Intl.NumberFormat(locale, { useGrouping: false, maximumFractionDigits: 2 }).format(Number(text));
}

function chosen(): Language {
  const candidates = [localStorage.getItem(CHOSEN), ...navigator.languages.map((each) => each.split('-')[0])];
  return candidates.find((each): each is Language => !!each && Object.hasOwn(LANGUAGES, each)) ?? 'en';
}
