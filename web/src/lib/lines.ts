/** The lines of a reservation or purchase, with what a person needs to know them again. */
import type { components } from '../generated/api';
import type { Product } from './basket';
import { known, readProducts } from './products';

type ReservedLine = components['schemas']['ReservedLine'];

export type NamedLine = ReservedLine & {
  name: string;
  category: string | null;
  image: Product['images'][number] | null;
};

/** Names each line as its product is called now; one that can't be read is called by its SKU. */
export async function named(lines: ReservedLine[]): Promise<NamedLine[]> {
  const unknown = lines.map((line) => line.sku).filter((sku) => !known.has(sku));
  // A page without pictures is of more use than none.
  if (unknown.length > 0) await readProducts([...new Set(unknown)]).catch(() => []);
  return namedAtOnce(lines);
}

export function namedAtOnce(lines: ReservedLine[]): NamedLine[] {
  return lines.map((line) => {
    const product = known.get(line.sku);
    return {
      ...line,
      name: product?.name ?? line.sku,
      category: product?.category ?? null,
      image: product?.images[0] ?? null,
    };
  });
}
