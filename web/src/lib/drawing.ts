/**
 * Draws a still life for a product that has no picture: what it is comes from its SKU's words or its category, and
 * everything else (colours, light, proportions, what stands beside it) from the SKU alone, so that no two look alike.
 */
import { motifFor } from './drawing-motifs';
import { ellipse, rect, type Shape } from './drawing-shapes';

export const SIZE = 240;
const GROUND = 194;

export interface Drawing {
  /** Degrees on the colour wheel: of the wall and the things beside, and of the product itself. */
  wall: number;
  thing: number;
  shapes: Shape[];
}

export function draw(sku: string, category: string | null): Drawing {
  const random = randomFrom(`${category ?? ''}/${sku}`);
  const wall = Math.round(random.pick(HUES) + random.between(-9, 9));
  const thing = (wall + random.pick([45, 90, 140, 180, 220, 290]) + Math.round(random.between(-9, 9))) % 360;
  const side = random.pick([-1, 1]);
  const x = 120 - side * random.between(6, 18);
  const scale = random.between(1.28, 1.44);
  return {
    wall,
    thing,
    shapes: [
      ...backdrop(random),
      { d: rect(0, GROUND - 18, SIZE, SIZE - GROUND + 18), tone: 'ground' },
      { d: ellipse(x + 8, GROUND + 3, 56 * scale, 8), tone: 'shadow' },
      ...placed(beside(random), x + side * random.between(86, 94), GROUND + 8, random.between(1, 1.25)),
      ...placed(motifFor(sku, category)(random), x, GROUND, scale),
    ],
  };
}

/** Warm and quiet colours only: a full wheel brings the greens and pinks of a warning sign. */
const HUES = [20, 38, 52, 66, 80, 94, 112, 140, 165, 195, 235, 265];

export interface Random {
  between(low: number, high: number): number;
  pick<T>(from: readonly T[]): T;
}

/** Mulberry32 over FNV-1a: the same SKU is the same drawing on every machine. */
function randomFrom(text: string): Random {
  let seed = 0x811c9dc5;
  for (const character of text) seed = Math.imul(seed ^ character.codePointAt(0)!, 0x01000193);
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    between: (low, high) => low + next() * (high - low),
    pick: (from) => from[Math.floor(next() * from.length)]!,
  };
}

function placed(shapes: Shape[], x: number, y: number, scale: number): Shape[] {
  const move = `translate(${x.toFixed(1)} ${y}) scale(${scale.toFixed(3)})`;
  return shapes.map((shape) => ({ ...shape, transform: shape.transform ? `${move} ${shape.transform}` : move }));
}

function backdrop({ between, pick }: Random): Shape[] {
  const x = between(60, 180);
  const r = between(62, 88);
  return pick<() => Shape[]>([
    () => [{ d: ellipse(x, between(84, 110), r, r), tone: 'backdrop' }],
    () => [{ d: `M${x - r} ${GROUND}V96a${r} ${r} 0 0 1 ${2 * r} 0V${GROUND}z`, tone: 'backdrop' }],
    () => [
      { d: `M0 ${between(70, 110)}q70 ${between(-60, 0)} 130 10t110 ${between(-20, 30)}V200H0z`, tone: 'backdrop' },
    ],
    () => [
      { d: rect(x - 56, 30, 112, 128, 4), tone: 'backdrop' },
      { d: `M${x} 30v128M${x - 56} 94h112`, tone: 'paper', stroke: 5 },
    ],
    () => [0, 1, 2, 3, 4].map((n): Shape => ({ d: rect(n * 52 + between(-4, 4), 0, 22, GROUND), tone: 'backdrop' })),
    () => [
      { d: ellipse(x, GROUND - 18, r + 22, r + 22), tone: 'backdrop' },
      { d: ellipse(x, GROUND - 18, r - 6, r - 6), tone: 'paper' },
    ],
    () => [{ d: `M0 0H${between(120, 200)}L${between(20, 90)} ${GROUND}H0z`, tone: 'backdrop' }],
  ])();
}

/** Something small that stands beside the product. */
function beside({ between, pick }: Random): Shape[] {
  const lean = between(-14, 14);
  const high = between(46, 84);
  return pick<() => Shape[]>([
    () => [
      { d: `M0 0q${lean} ${-high / 2} ${lean / 2} ${-high}`, tone: 'leaf', stroke: 2.5 },
      ...[0.35, 0.6, 0.85].flatMap((t): Shape[] => [
        { d: `M${lean * t} ${-high * t}q14 -16 26 -10q-6 16 -26 10z`, tone: 'leaf' },
        { d: `M${lean * t} ${-high * t}q-14 -16 -26 -10q6 16 26 10z`, tone: 'leaf' },
      ]),
    ],
    () => [
      { d: ellipse(0, -12, 13, 12), tone: 'accent' },
      { d: 'M1 -23q3 -8 9 -8', tone: 'leaf', stroke: 2.5 },
    ],
    () => [
      { d: ellipse(-7, -7, 11, 7), tone: 'accent' },
      { d: 'M-16 -8q9 -5 18 1', tone: 'ink', stroke: 1.6 },
      { d: ellipse(13, -5, 10, 6), tone: 'accent' },
      { d: 'M5 -6q8 -3 16 2', tone: 'ink', stroke: 1.6 },
    ],
    () => [
      { d: `M-10 0q-6 -26 4 -30h12q10 4 4 30z`, tone: 'backdrop' },
      {
        d: `M-2 -30q${lean} -20 ${lean} ${-high + 20}M2 -30q${-lean} -18 ${12 - lean} ${-high + 34}`,
        tone: 'leaf',
        stroke: 2,
      },
      { d: ellipse(lean - 2, -high - 10, 8, 8), tone: 'accent' },
      { d: ellipse(14 - lean, -high + 4, 6, 6), tone: 'accent' },
    ],
    () => [
      { d: rect(-16, -7, 32, 7, 2), tone: 'accent' },
      { d: rect(-13, -14, 28, 7, 2), tone: 'backdrop' },
      { d: rect(-15, -21, 26, 7, 2), tone: 'light' },
    ],
  ])();
}
