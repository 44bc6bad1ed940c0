/** How FrozenLake may look at random. The start is green to blue, the goal magenta to yellow, a hole is neither. */
import { floorPart, objectPart, type Looks } from '../looks.js';
import { ANY_HUE, groundRole, objectRole } from '../palette.js';
import { HELD_OUT_COLOURS, type FrozenLakeSprite } from './sprites.js';

export const LOOKS: Looks<FrozenLakeSprite> = {
  roles: {
    ice: groundRole([0.3, 0.99], [0, 0.11], ANY_HUE, HELD_OUT_COLOURS.ice),
    line: groundRole([0.05, 1], [0, 0.11], ANY_HUE, HELD_OUT_COLOURS.line, { ice: 0.05 }),
    hole: objectRole([0.03, 0.8], [0, 0.1], [150, 330], HELD_OUT_COLOURS.hole, { ice: 0.25, line: 0.12 }),
    start: objectRole([0.3, 0.9], [0.09, 0.3], [125, 285], HELD_OUT_COLOURS.start, { ice: 0.2, line: 0.12, hole: 0.2 }),
    goal: objectRole([0.3, 0.92], [0.09, 0.3], [325, 460], HELD_OUT_COLOURS.goal, {
      ice: 0.2,
      line: 0.12,
      hole: 0.2,
      start: 0.2,
    }),
  },
  background: 'ice',
  ground: floorPart('line'),
  // Not among them: the jagged hole, the flag and the round lantern of the held-out look.
  sprites: [
    objectPart('hole', [0.32, 0.48], ['disc', 'cushion', 'square', 'octagon', 'puddle', 'diamond']),
    objectPart(
      'start',
      [0.32, 0.46],
      ['person', 'triangle', 'arrow', 'house', 'star', 'diamond', 'cross', 'disc', 'square', 'hexagon'],
    ),
    objectPart(
      'goal',
      [0.32, 0.46],
      ['square', 'star', 'heart', 'crown', 'cross', 'triangle', 'diamond', 'hexagon', 'house'],
    ),
  ],
};
