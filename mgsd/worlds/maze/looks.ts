/**
 * How Maze may look at random. Walls stand out against corridors, darker or lighter; the start is orange to green, the
 * target cyan to red.
 */
import { objectPart, type Drawing, type Looks } from '../looks.js';
import { ANY_HUE, groundRole, objectRole } from '../palette.js';
import { rectangle } from '../silhouettes.js';
import { HELD_OUT_COLOURS, type MazeSprite } from './sprites.js';

export const LOOKS: Looks<MazeSprite> = {
  roles: {
    corridor: groundRole([0.3, 1], [0, 0.1], ANY_HUE, HELD_OUT_COLOURS.corridor),
    wall: groundRole([0.02, 0.92], [0, 0.12], ANY_HUE, HELD_OUT_COLOURS.wall, { corridor: 0.35 }),
    line: groundRole([0.05, 1], [0, 0.1], ANY_HUE, HELD_OUT_COLOURS.line, { wall: 0.25 }),
    start: objectRole([0.4, 0.95], [0.09, 0.3], [55, 160], HELD_OUT_COLOURS.start, { corridor: 0.2, wall: 0.15 }),
    target: objectRole([0.25, 0.85], [0.09, 0.3], [190, 395], HELD_OUT_COLOURS.target, {
      corridor: 0.2,
      wall: 0.15,
      start: 0.2,
    }),
  },
  background: 'wall',
  /** Rooms with walls of any width, and bridges between them, with or without a line where they meet. */
  ground: random => {
    const wall = 0.12 + 0.3 * random.uniform();
    const line = random.integer(2) === 0 ? 0 : 0.03 + 0.07 * random.uniform();
    const [near, far] = [wall / 2, 1 - wall / 2];
    const room: Drawing = [{ colour: 'corridor', polygons: [rectangle(near, near, far, far)] }];
    /** @param box from the boundary, `depth` cells deep */
    const bridge = (box: (depth: number) => readonly number[]): Drawing => [
      { colour: 'corridor', polygons: [box(near)] },
      ...(line > 0 ? [{ colour: 'line', polygons: [box(line / 2)] }] : []),
    ];
    return {
      every: room,
      west: bridge(depth => rectangle(0, near, depth, far)),
      east: bridge(depth => rectangle(1 - depth, near, 1, far)),
      north: bridge(depth => rectangle(near, 0, far, depth)),
      south: bridge(depth => rectangle(near, 1 - depth, far, 1)),
    };
  },
  // Not among them: the diamond and the square of the held-out look.
  sprites: [
    objectPart(
      'start',
      [0.2, 0.3],
      ['disc', 'triangle', 'star', 'square', 'person', 'arrow', 'hexagon', 'house', 'heart', 'octagon'],
    ),
    objectPart(
      'target',
      [0.2, 0.3],
      ['disc', 'diamond', 'star', 'cross', 'triangle', 'heart', 'crown', 'hexagon', 'octagon'],
    ),
  ],
};
