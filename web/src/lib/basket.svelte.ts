/** The basket of this browser: the same in every tab, and kept over reloads. */
import * as contents from './basket';
import type { Basket, Change, Product } from './basket';

const KEPT = 'shop.basket';

/** Stands in for a storage that the browser refuses. */
let memory: Basket | null = null;
let basket = $state.raw<Basket>(kept());
addEventListener('storage', (event) => {
  if (event.key === KEPT || event.key === null) basket = kept();
});

export const theBasket = {
  get lines() {
    return basket.lines;
  },
  get key() {
    return basket.key;
  },
  get units() {
    return contents.units(basket);
  },
  has(sku: string): number {
    return basket.lines.find((line) => line.sku === sku)?.quantity ?? 0;
  },
  isFull(): boolean {
    return basket.lines.length >= contents.LINES_MAX;
  },
  changes(products: Product[]): Change[] {
    return contents.changes(basket, products);
  },
  put: (product: Product, quantity: number) => change((now) => contents.put(now, product, quantity, contents.newKey())),
  setQuantity: (sku: string, quantity: number) =>
    change((now) => contents.setQuantity(now, sku, quantity, contents.newKey())),
  remove: (sku: string) => change((now) => contents.without(now, sku, contents.newKey())),
  accept: (found: Change[]) => change((now) => contents.accept(now, found, contents.newKey())),
  restore: (line: contents.Line, index: number) =>
    change((now) => contents.restore(now, line, index, contents.newKey())),
  answered: (key: string) => change((now) => contents.answered(now, key, contents.newKey())),
};

/** Another tab may have changed the basket a moment ago, so each change starts from what is kept. */
function change(make: (now: Basket) => Basket): void {
  basket = make(kept());
  try {
    localStorage.setItem(KEPT, JSON.stringify(basket));
  } catch {
    // A browser that keeps nothing still sells: the basket then lives as long as the page.
    memory = basket;
  }
}

function kept(): Basket {
  return memory ?? contents.parse(localStorage.getItem(KEPT), contents.newKey());
}
