/**
 * How MiniBehaviour may look at random. The agent is vivid, the printer grey, the table covers its cells. Agent and
 * printer share their outlines, so that only this tells them apart.
 */
import { floorPart, objectPart, type Looks } from '../looks.js';
import { ANY_HUE, groundRole, objectRole } from '../palette.js';
import { placed, rectangle, silhouettes, type Polygon } from '../silhouettes.js';
import { HELD_OUT_COLOURS, type MiniBehaviourSprite } from './sprites.js';

const inset = (by: number): Polygon => rectangle(by, by, 1 - by, 1 - by);

const OUTLINES = [
  'triangle',
  'star',
  'diamond',
  'person',
  'heart',
  'house',
  'square',
  'hexagon',
  'octagon',
  'cushion',
  'cross',
  'crown',
] as const;

export const LOOKS: Looks<MiniBehaviourSprite> = {
  roles: {
    floor: groundRole([0.05, 0.98], [0, 0.1], ANY_HUE, HELD_OUT_COLOURS.floor),
    line: groundRole([0.02, 1], [0, 0.1], ANY_HUE, HELD_OUT_COLOURS.line, { floor: 0.05 }),
    table: objectRole([0.25, 0.9], [0.02, 0.14], [20, 150], HELD_OUT_COLOURS.table, { floor: 0.2, line: 0.12 }),
    agent: objectRole([0.3, 0.85], [0.14, 0.3], ANY_HUE, HELD_OUT_COLOURS.agent, {
      floor: 0.2,
      line: 0.12,
      table: 0.2,
    }),
    printer: objectRole([0.02, 1], [0, 0.025], ANY_HUE, HELD_OUT_COLOURS.printer, {
      floor: 0.25,
      line: 0.12,
      table: 0.2,
      agent: 0.2,
    }),
  },
  background: 'floor',
  ground: floorPart('line'),
  // Not among them: the grained table, the disc with a nose and the tray with paper of the held-out look.
  sprites: [
    random => {
      const gap = 0.12 * random.uniform();
      const border = random.integer(2) === 0 ? 0 : 0.04 + 0.1 * random.uniform();
      const size = random.integer(2) === 0 ? 0 : 0.1 + 0.15 * random.uniform();
      return {
        table: [
          ...(border > 0 ? [{ colour: 'table.edge', polygons: [inset(gap)] }] : []),
          { colour: 'table', polygons: [inset(gap + border)] },
          ...(size > 0 ? [{ colour: 'table.mark', polygons: [placed(silhouettes.disc(), 0.5, 0.5, size)] }] : []),
        ],
      };
    },
    objectPart('agent', [0.32, 0.46], OUTLINES),
    objectPart('printer', [0.3, 0.44], OUTLINES),
  ],
};
