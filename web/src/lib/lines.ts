/** The lines of a reservation or purchase, with what a person needs to know them again. */
import type { components } from '../generated/api';
import { known, readProducts } from './products';

type Line = components['schemas']['ShownLine'];

export type NamedLine = Line & { name: string; category: string | null };

/** Names each line as it was called when it was reserved, or by its SKU, and finds the category that it is drawn by. */
export async function named(lines: Line[]): Promise<NamedLine[]> {
  const unknown = lines.map((line) => line.sku).filter((sku) => !known.has(sku));
  // A page without pictures is of more use than none.
  if (unknown.length > 0) await readProducts([...new Set(unknown)]).catch(() => []);
  return namedAtOnce(lines);
}

export function namedAtOnce(lines: Line[]): NamedLine[] {
  return lines.map((line) => {
    const product = known.get(line.sku);
    return { ...line, name: line.name ?? line.sku, category: product?.category ?? null };
  });
}
