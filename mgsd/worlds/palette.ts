/**
 * Random colours that keep their roles: ice stays a ground, and a hole stands out against it. A world states its roles
 * (`frozenlake/looks.ts` and so on), and each look draws a colour for all of them.
 */
import type { Colour } from './canvas.js';
import { colourOf, labAt, labDistance, labOf, type Lab } from './colour.js';
import type { RandomSource } from './world.js';

type Bounds = readonly [least: number, most: number];

/** Distances in OKLab from the colours of other roles, by their names. */
type Distances = Readonly<Record<string, number>>;

/** What the colour of a role may be; see `labAt` for the three numbers. */
export interface Role {
  readonly lightness: Bounds;
  readonly chroma: Bounds;
  /** Degrees; the upper bound may pass 360. */
  readonly hue: Bounds;
  /** How far it keeps, in OKLab, from the colours of roles that were stated before it. */
  readonly apartFrom: Distances;
  /** Colours that the held-out look has for this role. No random look comes within `HELD_OUT_DISTANCE` of them. */
  readonly heldOut: readonly Colour[];
  /** An object may have an outline and a mark in other shades: colours `NAME.edge` and `NAME.mark`. */
  readonly shaded?: boolean;
}

export const ANY_HUE: Bounds = [0, 360];

/** The role of a ground, by bounds of lightness, chroma and hue, the held-out look's colours, and distances. */
export const groundRole = (
  ...[lightness, chroma, hue, heldOut, apartFrom = {}]: [Bounds, Bounds, Bounds, readonly Colour[], Distances?]
): Role => ({ lightness, chroma, hue, heldOut, apartFrom });

/** The role of an object, likewise. */
export const objectRole = (...role: Parameters<typeof groundRole>): Role => ({ ...groundRole(...role), shaded: true });

/** The roles of a world, in the order in which they are drawn. */
export type Roles = Readonly<Record<string, Role>>;

/** Colours by role. */
export type Palette = Readonly<Record<string, Colour>>;

/** What lies between a colour of the held-out look and any random one of the same role, in OKLab. */
export const HELD_OUT_DISTANCE = 0.08;

/** How much an outline or mark differs in lightness from what it stands on. */
const SHADE: Bounds = [0.12, 0.5];

/** Draws of a colour before all are drawn anew. */
const PATIENCE = 200;
/** Palettes begun before it is an Error; of the worlds' own roles at most 4 in 100 do not come to an end. */
const MOST_PALETTES = 1000;

const heldOutLabs = new WeakMap<Role, readonly Lab[]>();
function labsOf(role: Role): readonly Lab[] {
  let labs = heldOutLabs.get(role);
  if (!labs) heldOutLabs.set(role, (labs = role.heldOut.map(labOf)));
  return labs;
}

const within = (random: RandomSource, [least, most]: Bounds) => least + (most - least) * random.uniform();

/** A colour for every role, and the shades of shaded ones. An Error where roles leave each other no room. */
export function drawPalette(random: RandomSource, roles: Roles): Palette {
  for (let begun = 0; begun < MOST_PALETTES; begun++) {
    const palette = tryPalette(random, roles);
    if (palette) return palette;
  }
  throw new Error(
    `no colours for ${Object.keys(roles).join(', ')} in ${MOST_PALETTES} palettes: widen the bounds of their roles, or let them be nearer`,
  );
}

function tryPalette(random: RandomSource, roles: Roles): Palette | undefined {
  const labs: Record<string, Lab> = {};
  const palette: Record<string, Colour> = {};
  /** Draws until the colour keeps its distances, before and after it is rounded to bytes. */
  const add = (name: string, role: Role, draw: () => Lab, apartFrom: Distances): boolean => {
    const others = Object.entries(apartFrom).map(([other, distance]) => ({ lab: labs[other]!, distance }));
    const avoided = labsOf(role);
    const keepsApart = (lab: Lab) =>
      others.every(other => labDistance(lab, other.lab) >= other.distance) &&
      avoided.every(other => labDistance(lab, other) >= HELD_OUT_DISTANCE);
    for (let tries = 0; tries < PATIENCE; tries++) {
      const wanted = draw();
      const colour = keepsApart(wanted) ? colourOf(wanted) : undefined;
      const lab = colour && labOf(colour);
      if (!lab || !keepsApart(lab)) continue;
      labs[name] = lab;
      palette[name] = colour;
      return true;
    }
    return false;
  };
  for (const [name, role] of Object.entries(roles)) {
    const draw = () => labAt(within(random, role.lightness), within(random, role.chroma), within(random, role.hue));
    if (!add(name, role, draw, role.apartFrom)) return undefined;
    if (!role.shaded) continue;
    const [lightness, a, b] = labs[name]!;
    const shade = (): Lab => {
      const keep = random.uniform(); // of the hue; at 0 the shade is grey
      const change = within(random, SHADE) * (random.integer(2) === 0 ? 1 : -1);
      return [lightness + change, a * keep, b * keep];
    };
    if (!['edge', 'mark'].every(kind => add(`${name}.${kind}`, role, shade, {}))) return undefined;
  }
  return palette;
}
