/** Plain shapes as paths of SVG. */

export type Tone =
  | 'paper'
  | 'backdrop'
  | 'ground'
  | 'shadow'
  | 'body'
  | 'shade'
  | 'light'
  | 'glass'
  | 'ink'
  | 'accent'
  | 'leaf'
  | 'baked'
  | 'crust';

export interface Shape {
  d: string;
  tone: Tone;
  /** The width of a line; without one the path is filled. */
  stroke?: number;
  transform?: string;
}

const round = (value: number) => Math.round(value * 10) / 10;

export function rect(x: number, y: number, width: number, height: number, radius = 0): string {
  const r = Math.min(radius, width / 2, height / 2);
  const arc = (dx: number, dy: number) => (r ? `a${r} ${r} 0 0 1 ${round(dx)} ${round(dy)}` : '');
  const [w, h] = [round(width - 2 * r), round(height - 2 * r)];
  return `M${round(x + r)} ${round(y)}h${w}${arc(r, r)}v${h}${arc(-r, r)}h${-w}${arc(-r, -r)}v${-h}${arc(r, -r)}z`;
}

export function ellipse(x: number, y: number, rx: number, ry: number): string {
  const [a, b] = [round(rx), round(ry)];
  return `M${round(x - rx)} ${round(y)}a${a} ${b} 0 1 0 ${2 * a} 0a${a} ${b} 0 1 0 ${-2 * a} 0z`;
}

/** A shape that is as wide at its foot and at its top as is said, and stands on the ground. */
export function taper(foot: number, top: number, height: number, from = 0): string {
  return `M${round(-foot / 2)} ${round(-from)}L${round(-top / 2)} ${round(-from - height)}H${round(top / 2)}L${round(foot / 2)} ${round(-from)}z`;
}
