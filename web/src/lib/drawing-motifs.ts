/** The things that can be drawn. Each stands on (0, 0), is about 100 high, and varies with the random numbers. */
import type { Random } from './drawing';
import { ellipse, rect, taper, type Shape } from './drawing-shapes';

type Motif = (random: Random) => Shape[];

const STEAM: Shape = { d: 'M-8 -72q-8 -10 0 -20t0 -20M10 -74q-8 -10 0 -20t0 -20', tone: 'light', stroke: 3.5 };

const bag: Motif = ({ between, pick }) => {
  const [w, h] = [between(58, 74), between(84, 108)];
  return [
    { d: taper(w, w - 6, h), tone: 'body' },
    { d: `M${w / 2} 0L${w / 2 - 3} ${-h}h-13L${w / 2 - 18} 0z`, tone: 'shade' },
    { d: rect(-w / 2 + 1, -h - 9, w - 2, 14, 2), tone: 'shade' },
    ...pick<Shape[]>([
      [{ d: rect(-w / 2 + 9, -h * 0.72, w - 27, h * 0.44, 3), tone: 'light' }],
      [{ d: ellipse(-5, -h * 0.5, w * 0.31, w * 0.31), tone: 'light' }],
      [{ d: rect(-w / 2 + 1, -h * 0.66, w - 17, h * 0.34), tone: 'light' }],
    ]),
    { d: ellipse(-5, -h * 0.5, 8, 11), tone: 'accent' },
    { d: `M-5 ${-h * 0.5 - 11}q-6 10 0 11t0 11`, tone: 'light', stroke: 2 },
  ];
};

const tin: Motif = ({ between }) => {
  const [w, h] = [between(54, 72), between(66, 96)];
  return [
    { d: rect(-w / 2, -h, w, h, 6), tone: 'body' },
    { d: rect(w / 2 - 14, -h, 14, h, 6), tone: 'shade' },
    { d: rect(-w / 2 - 3, -h - 12, w + 6, 18, 4), tone: 'shade' },
    { d: rect(-w / 2, -h * 0.72, w, h * 0.46), tone: 'light' },
    { d: `M-16 ${-h * 0.48}q12 -18 32 -8q-8 20 -32 8z`, tone: 'leaf' },
    { d: `M-20 ${-h * 0.42}q14 -6 28 -10`, tone: 'ink', stroke: 1.6 },
  ];
};

const teapot: Motif = ({ between }) => {
  const [w, h] = [between(40, 48), between(34, 42)];
  return [
    { d: ellipse(-w, -h, 20, 20), tone: 'shade', stroke: 7 },
    { d: `M${w - 10} ${-h + 14}q20 -8 20 -34l14 -6q2 46 -30 58z`, tone: 'shade' },
    { d: ellipse(0, -h, w, h), tone: 'body' },
    {
      d: `M${-w + 4} ${-h + 12}q40 18 ${2 * w - 8} 0q-8 ${h - 12} -${w - 4} ${h - 12}t-${w - 4} -${h - 12}z`,
      tone: 'accent',
    },
    { d: ellipse(0, -2 * h + 4, w * 0.5, 7), tone: 'shade' },
    { d: ellipse(0, -2 * h - 6, 6, 6), tone: 'ink' },
    { d: ellipse(-w * 0.4, -h - 12, 5, 10), tone: 'light' },
  ];
};

const cup: Motif = ({ between }) => {
  const [w, h] = [between(56, 76), between(44, 58)];
  return [
    STEAM,
    { d: ellipse(0, -4, w * 0.8, 7), tone: 'shade' },
    { d: ellipse(w / 2 + 2, -h * 0.58, 14, 14), tone: 'body', stroke: 7 },
    {
      d: `M${-w / 2} ${-h - 4}H${w / 2}q2 ${h} -${w * 0.3} ${h}h-${w * 0.4}q-${w * 0.32} 0 -${w * 0.3} -${h}z`,
      tone: 'body',
    },
    { d: `M${w / 2 - 14} ${-h - 4}h14q2 ${h} -${w * 0.3} ${h}h-8q${w * 0.24} -8 ${w * 0.3 - 6} -${h}z`, tone: 'shade' },
    { d: ellipse(0, -h - 4, w / 2, 6), tone: 'ink' },
    { d: `M${-w / 2 + 1} ${-h * 0.62}q${w / 3} 10 ${w - 4} 0`, tone: 'light', stroke: between(3, 8) },
  ];
};

const travelMug: Motif = ({ between }) => {
  const h = between(88, 104);
  return [
    { d: taper(44, 58, h), tone: 'body' },
    { d: `M22 0L29 ${-h}h-14L10 0z`, tone: 'shade' },
    { d: taper(50, 54, h * between(0.26, 0.36), h * 0.3), tone: 'accent' },
    { d: rect(-32, -h - 12, 64, 15, 5), tone: 'ink' },
    { d: rect(-12, -h - 19, 22, 9, 3), tone: 'ink' },
  ];
};

const dripper: Motif = ({ between }) => {
  const w = between(78, 90);
  return [
    { d: `M-28 0q-12 -26 4 -42h48q16 16 4 42z`, tone: 'glass' },
    { d: `M-30 -4q-6 -14 0 -24h60q6 10 0 24q-2 4 -6 4h-48q-4 0 -6 -4z`, tone: 'ink' },
    { d: rect(-38, -50, 76, 8, 4), tone: 'shade' },
    { d: ellipse(w / 2 - 4, -76, 13, 15), tone: 'body', stroke: 6 },
    { d: taper(26, w, 52, 50), tone: 'body' },
    { d: `M13 -50L${w / 2} -102h-15L3 -50z`, tone: 'shade' },
    { d: `M-22 -98L-7 -54M-2 -98L-1 -54`, tone: 'light', stroke: 3 },
    { d: rect(-w / 2 - 3, -107, w + 6, 8, 4), tone: 'light' },
  ];
};

const press: Motif = ({ between }) => {
  const [h, fill] = [between(84, 98), between(0.5, 0.72)];
  return [
    { d: `M28 -${h - 14}h14q10 0 10 10v${h * 0.42}q0 10 -10 10h-14`, tone: 'shade', stroke: 7 },
    { d: rect(-30, -h, 60, h, 5), tone: 'glass' },
    { d: rect(-30, -h * fill, 60, h * fill, 5), tone: 'ink' },
    { d: `M0 ${-h * fill}V${-h - 24}`, tone: 'shade', stroke: 3.5 },
    { d: rect(-34, -h - 6, 68, 9, 4), tone: 'body' },
    { d: rect(-33, -22, 66, 8), tone: 'body' },
    { d: rect(-33, -6, 66, 7, 2), tone: 'body' },
    { d: ellipse(0, -h - 26, 7, 7), tone: 'accent' },
    { d: rect(-23, -h + 8, 5, h - 38, 2), tone: 'light' },
  ];
};

const kettle: Motif = ({ between }) => {
  const h = between(58, 68);
  return [
    { d: `M26 -14q22 0 22 -34t18 -36`, tone: 'shade', stroke: 7 },
    { d: `M-26 ${-h + 4}q-34 -6 -28 28t4 26`, tone: 'ink', stroke: 8 },
    { d: `M-40 -4L-27 ${-h}h54L40 -4q0 4 -5 4h-70q-5 0 -5 -4z`, tone: 'body' },
    { d: `M40 -4L27 ${-h}h-13L22 0h13q5 0 5 -4z`, tone: 'shade' },
    { d: rect(-30, -h - 7, 60, 10, 4), tone: 'shade' },
    { d: ellipse(0, -h - 13, 7, 7), tone: 'accent' },
    { d: `M-24 ${-h + 12}L-30 -12`, tone: 'light', stroke: 4 },
  ];
};

const moka: Motif = ({ between }) => {
  const h = between(46, 54);
  return [
    { d: `M22 ${-h - 40}h20q10 0 8 10l-6 34`, tone: 'ink', stroke: 8 },
    { d: taper(62, 48, h), tone: 'body' },
    { d: `M31 0L24 ${-h}h-14L12 0z`, tone: 'shade' },
    { d: `M-24 ${-h - 4}L-34 ${-h - 46}l-8 -6h12H30L24 ${-h - 4}z`, tone: 'body' },
    { d: `M24 ${-h - 4}L30 ${-h - 52}h-14L10 ${-h - 4}z`, tone: 'shade' },
    { d: rect(-27, -h - 7, 54, 9, 3), tone: 'ink' },
    { d: `M-30 ${-h - 52}q30 -18 60 0z`, tone: 'shade' },
    { d: ellipse(0, -h - 64, 5, 6), tone: 'accent' },
    { d: `M-18 ${-h - 44}L-13 ${-h - 14}M-16 ${-h + 8}L-21 -8`, tone: 'light', stroke: 4 },
  ];
};

const espressoMachine: Motif = ({ between }) => {
  const lever = between(-10, 12);
  return [
    { d: `M18 -96L${46 + lever} -118`, tone: 'ink', stroke: 7 },
    { d: ellipse(48 + lever, -119, 7, 7), tone: 'accent' },
    { d: rect(-44, -10, 88, 10, 4), tone: 'shade' },
    { d: rect(-40, -100, 30, 92, 6), tone: 'body' },
    { d: rect(-40, -104, 80, 34, 10), tone: 'body' },
    { d: rect(2, -72, 28, 14, 3), tone: 'shade' },
    { d: `M14 -64h36`, tone: 'ink', stroke: 7 },
    { d: `M4 -34h26q0 24 -10 24h-6q-10 0 -10 -24z`, tone: 'light' },
    { d: ellipse(-18, -88, 8, 8), tone: 'light' },
    { d: 'M-18 -88l4 -5', tone: 'ink', stroke: 2 },
  ];
};

const grinder: Motif = ({ between }) => {
  const [h, arm] = [between(84, 96), between(34, 44)];
  return [
    { d: rect(-24, -h, 48, h, 6), tone: 'body' },
    { d: rect(10, -h, 14, h, 6), tone: 'shade' },
    { d: rect(-26, -h * 0.62, 52, h * 0.24), tone: 'accent' },
    { d: rect(-24, -12, 48, 6), tone: 'shade' },
    { d: rect(-18, -h - 10, 36, 12, 5), tone: 'shade' },
    { d: `M0 ${-h - 10}v-10h${arm}v-6`, tone: 'ink', stroke: 5 },
    { d: rect(arm - 8, -h - 42, 16, 20, 7), tone: 'ink' },
    { d: rect(-17, -h + 8, 5, h * 0.24, 2), tone: 'light' },
  ];
};

const scale: Motif = (random) => [
  { d: rect(-58, -16, 116, 16, 6), tone: 'ink' },
  { d: rect(-52, -22, 104, 8, 4), tone: 'body' },
  { d: rect(16, -12, 32, 8, 2), tone: 'accent' },
  ...cup(random)
    .slice(2)
    .map((shape) => ({ ...shape, transform: 'translate(0 -22)' })),
];

const pitcher: Motif = ({ between }) => {
  const h = between(74, 88);
  return [
    { d: `M30 ${-h + 14}q30 0 26 26t-30 24`, tone: 'shade', stroke: 7 },
    {
      d: `M-38 -6q-4 -36 10 -${h - 22}L-42 ${-h - 4}q28 4 72 0l-2 22q12 30 10 ${h - 24}q0 6 -8 6h-60q-8 0 -8 -6z`,
      tone: 'body',
    },
    { d: `M38 -6q2 -34 -10 -${h - 24}l2 -22h-14l-2 22q10 30 8 ${h - 18}h8q8 0 8 -6z`, tone: 'shade' },
    { d: `M-34 ${-h}q28 5 60 0`, tone: 'light', stroke: 5 },
    { d: `M-24 ${-h + 28}q-8 18 -6 34`, tone: 'light', stroke: 4 },
  ];
};

const frother: Motif = ({ between }) => {
  const x = between(8, 18);
  return [
    { d: `M${-x} -118v52`, tone: 'body', stroke: 16 },
    { d: `M${-x} -66v40`, tone: 'shade', stroke: 3 },
    { d: ellipse(-x, -96, 4, 4), tone: 'accent' },
    { d: `M-36 -58h64l-6 54q-1 4 -6 4h-40q-5 0 -6 -4z`, tone: 'glass' },
    { d: `M-33 -34q30 -12 59 0l-4 30q-1 4 -6 4h-40q-5 0 -6 -4z`, tone: 'light' },
    { d: ellipse(-x, -20, 10, 4), tone: 'ink', stroke: 3 },
  ];
};

const filters: Motif = ({ between }) => {
  const step = between(5, 8);
  return [0, 1, 2, 3]
    .flatMap((n): Shape[] => [
      { d: `M${-50 + n * step} ${-76 - n * 6}h84l-30 ${76 - n}h-24z`, tone: n % 2 ? 'light' : 'body' },
      { d: `M${-46 + n * step} ${-68 - n * 6}h76`, tone: 'shade', stroke: 2 },
    ])
    .concat({ d: rect(-30, -18, 60, 18, 3), tone: 'accent' });
};

const server: Motif = ({ between }) => {
  const fill = between(0.4, 0.7);
  return [
    { d: `M26 -74q36 -2 32 28t-32 30`, tone: 'body', stroke: 7 },
    { d: `M-22 -88h44q-2 22 14 38q14 20 4 44q-2 6 -10 6h-60q-8 0 -10 -6q-10 -24 4 -44q16 -16 14 -38z`, tone: 'glass' },
    {
      d: `M${-36 + fill * 8} ${-56 * fill}h${72 - fill * 16}q14 26 4 ${56 * fill - 6}q-2 6 -10 6h-60q-8 0 -10 -6q-10 -${56 * fill - 20} 4 -${56 * fill - 6}z`,
      tone: 'ink',
    },
    { d: rect(-26, -94, 52, 9, 4), tone: 'body' },
    { d: 'M-26 -44q-8 12 -6 28', tone: 'light', stroke: 4 },
  ];
};

const chocolate: Motif = ({ between }) => {
  const h = between(46, 58);
  return [
    { d: rect(-32, -108, 64, 108, 3), tone: 'ink' },
    ...[0, 1, 2, 3].map((n): Shape => ({
      d: rect(-27 + (n % 2) * 28, -103 + Math.floor(n / 2) * 24, 26, 20, 2),
      tone: 'crust',
    })),
    { d: `M-35 ${-h}l9 -5 9 5 9 -5 8 5 9 -5 9 5 9 -5 8 5V0h-70z`, tone: 'body' },
    { d: rect(-35, -h * 0.72, 70, h * 0.42), tone: 'light' },
    { d: `M-22 ${-h * 0.5}h44`, tone: 'accent', stroke: 4 },
  ];
};

const biscuits: Motif = ({ between }) =>
  [0, 1, 2, 3, 4].flatMap((n): Shape[] => {
    const [x, w] = [between(-8, 8), between(78, 92)];
    return [
      { d: rect(x - w / 2, -16 * (n + 1) - 1, w, 15, 8), tone: n % 2 ? 'baked' : 'crust' },
      {
        d: `M${x - 20} ${-16 * n - 9}h8M${x + 2} ${-16 * n - 11}h6M${x + 18} ${-16 * n - 7}h7`,
        tone: 'light',
        stroke: 3.5,
      },
    ];
  });

const jar: Motif = ({ between }) => {
  const [w, h] = [between(56, 70), between(70, 86)];
  return [
    { d: rect(-w / 2, -h, w, h, 12), tone: 'glass' },
    ...[0, 1, 2, 3, 4, 5].map((n): Shape => ({
      d: ellipse(((n % 3) - 1) * w * 0.27, -13 - Math.floor(n / 3) * 20 - (n % 2) * 5, 9, 8),
      tone: n % 2 ? 'accent' : 'body',
    })),
    { d: rect(-w / 2 + 3, -h - 13, w - 6, 17, 4), tone: 'body' },
    { d: rect(-w / 2 + 6, -h + 12, 5, h - 32, 2), tone: 'light' },
    { d: ellipse(w / 2 + 14, -7, 11, 7), tone: 'accent' },
  ];
};

const book: Motif = ({ between }) => {
  const [w, h] = [between(64, 76), between(94, 110)];
  return [
    { d: rect(-w / 2 + 5, -h + 4, w, h - 4, 2), tone: 'light' },
    { d: rect(-w / 2, -h, w, h, 3), tone: 'body' },
    { d: rect(-w / 2, -h, 12, h, 3), tone: 'shade' },
    { d: ellipse(6, -h * 0.62, w * 0.22, w * 0.22), tone: 'accent' },
    { d: `M6 ${-h * 0.62 - 9}q-9 12 0 16q9 -4 0 -16z`, tone: 'light' },
    { d: `M-12 ${-h * 0.28}h36M-6 ${-h * 0.2}h24`, tone: 'light', stroke: 3 },
  ];
};

const gift: Motif = ({ between }) => {
  const [w, h] = [between(80, 94), between(56, 68)];
  return [
    { d: rect(-w / 2, -h, w, h, 3), tone: 'body' },
    { d: rect(w / 2 - 18, -h, 18, h, 3), tone: 'shade' },
    { d: rect(-w / 2 - 4, -h - 14, w + 8, 18, 3), tone: 'shade' },
    { d: rect(-9, -h - 14, 18, h + 14), tone: 'accent' },
    { d: `M0 ${-h - 14}q-34 4 -36 -16t36 16q2 -36 36 -16t-36 16z`, tone: 'accent' },
  ];
};

/** Something turned on a wheel, for a category that has no drawing of its own. */
const vessel: Motif = ({ between }) => {
  const [foot, belly, neck, h] = [between(14, 26), between(30, 46), between(8, 22), between(78, 108)];
  const outline = (s: number) =>
    `${s * foot} 0C${s * belly * 1.3} ${-h * 0.3} ${s * belly} ${-h * 0.62} ${s * neck} ${-h * 0.82}`;
  return [
    {
      d: `M${outline(-1)}L${-neck - 4} ${-h}H${neck + 4}L${neck} ${-h * 0.82}C${belly} ${-h * 0.62} ${belly * 1.3} ${-h * 0.3} ${foot} 0z`,
      tone: 'body',
    },
    {
      d: `M${outline(1)}L${neck - 9} ${-h * 0.82}C${belly - 18} ${-h * 0.6} ${belly - 6} ${-h * 0.3} ${foot - 12} 0z`,
      tone: 'shade',
    },
    { d: rect(-neck - 6, -h - 4, 2 * neck + 12, 7, 3), tone: 'shade' },
    { d: `M${-belly * 0.86} ${-h * 0.44}q${belly * 0.86} 10 ${belly * 1.72} 0`, tone: 'light', stroke: between(2, 7) },
    { d: `M${-belly * 0.78} ${-h * 0.28}q${belly * 0.78} 10 ${belly * 1.56} 0`, tone: 'accent', stroke: between(2, 5) },
  ];
};

/** A word of the SKU says more than the category: a teapot is no tea. */
const BY_WORD: Record<string, Motif> = {
  BEANS: bag,
  BISCOTTI: biscuits,
  BOOK: book,
  BOX: gift,
  CANISTER: tin,
  CHOCOLATE: chocolate,
  CLEANER: jar,
  CUP: cup,
  DRIPPER: dripper,
  FILTER: filters,
  FROTHER: frother,
  GRINDER: grinder,
  KETTLE: kettle,
  KIT: espressoMachine,
  MATCHA: cup,
  MOKA: moka,
  MUG: cup,
  PITCHER: pitcher,
  PRESS: press,
  SCALE: scale,
  SERVER: server,
  TEA: tin,
  TEAPOT: teapot,
  TRAVEL: travelMug,
};

const BY_CATEGORY: Record<string, Motif> = {
  'coffee-beans': bag,
  'filter-coffee': dripper,
  books: book,
  care: jar,
  cups: cup,
  espresso: moka,
  gifts: gift,
  grinders: grinder,
  kettles: kettle,
  milk: pitcher,
  mugs: cup,
  scales: scale,
  storage: tin,
  sweets: chocolate,
  tea: tin,
};

export function motifFor(sku: string, category: string | null): Motif {
  const words = sku.toUpperCase().split(/[^A-Z]+/);
  const word = words.findLast((each) => Object.hasOwn(BY_WORD, each));
  if (word) return BY_WORD[word]!;
  return category && Object.hasOwn(BY_CATEGORY, category) ? BY_CATEGORY[category]! : vessel;
}
