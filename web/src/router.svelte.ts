/** Which page the address names. Moving to another one is done by links, which work as links everywhere else too. */
import { tick } from 'svelte';

export type Route =
  | { page: 'catalogue' | 'basket' | 'purchases' | 'returned' | 'signed-in' | 'missing' }
  | { page: 'product'; sku: string }
  | { page: 'checkout' | 'thanks' | 'purchase'; id: string };

/** What an entry of the history remembers besides its address. */
export interface Entry {
  y?: number;
  /** How many products were loaded, so that a reload comes back to the same place. */
  loaded?: number;
  version?: number;
  /** The total that the basket showed, in minor units. */
  shown?: number;
  /** Whether an earlier payment than the last one has paid, of which the customer is told. */
  byEarlier?: boolean;
}

export function match(path: string): Route {
  const [first = '', second, ...more] = path.split('/').slice(1).map(decoded);
  if (more.length || (second === '' && first !== '')) return { page: 'missing' };
  if (second === undefined)
    switch (first) {
      case '':
        return { page: 'catalogue' };
      case 'basket':
      case 'purchases':
      case 'returned':
      case 'signed-in':
        return { page: first };
    }
  else
    switch (first) {
      case 'products':
        return { page: 'product', sku: second };
      case 'purchases':
        return { page: 'purchase', id: second };
      case 'checkout':
      case 'thanks':
        return { page: first, id: second };
    }
  return { page: 'missing' };
}

let path = $state(location.pathname);
let search = $state(location.search);
let entry = $state.raw<Entry>((history.state as Entry | null) ?? {});
let focusWanted = false;

export const router = {
  get route(): Route {
    return match(path);
  },
  get search() {
    return search;
  },
  get entry() {
    return entry;
  },
};

export function go(to: string, more: Entry = {}): void {
  remember({ y: scrollY });
  history.pushState(more, '', to);
  arrive(true);
}

/** Goes on without a way Back to the page that is left, such as one on which was paid. */
export function replace(to: string, more: Entry = {}): void {
  history.replaceState(more, '', to);
  arrive(true);
}

/** Changes the filters in the address of the page that stays. */
export function setSearch(next: URLSearchParams): void {
  const text = next.toString();
  history.replaceState(history.state, '', location.pathname + (text ? `?${text}` : ''));
  search = location.search;
}

export function remember(more: Entry): void {
  history.replaceState({ ...(history.state as Entry | null), ...more }, '');
}

/** The next heading that appears takes the focus, for those who hear the page. */
export function wantFocus(): void {
  focusWanted = true;
}

export function takeFocus(heading: HTMLElement): void {
  if (!focusWanted) return;
  focusWanted = false;
  heading.focus({ preventScroll: true });
}

export function startRouter(): void {
  history.scrollRestoration = 'manual';
  addEventListener('popstate', () => {
    arrive(false);
    void tick().then(() => scrollTo(0, entry.y ?? 0));
  });
  addEventListener('pagehide', () => remember({ y: scrollY }));
  // Chromium reloads a page as it was before `pagehide` has said anything.
  addEventListener('scrollend', () => remember({ y: scrollY }));
  document.addEventListener('click', followLink);
}

function arrive(fromTop: boolean): void {
  const moved = path !== location.pathname;
  path = location.pathname;
  search = location.search;
  entry = (history.state as Entry | null) ?? {};
  if (!moved) return;
  wantFocus();
  if (fromTop) scrollTo(0, 0);
}

function followLink(event: MouseEvent): void {
  const link = (event.target as Element).closest('a');
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.download) return;
  if (link.origin !== location.origin || link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
