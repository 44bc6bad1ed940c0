/**
 * A small further world, as a reader would add one: fetch a parcel and bring it to a door. It has what FrozenLake
 * lacks: PICK and DROP, a state beyond the cell, walls as open-direction masks in the recap, and comma-separated
 * answers.
 */

import { cellIndexToken, cellOf, maskToken, reservedToken, sizeOf, sizeToken } from '../../../models/vocabulary.js';
import { DROP, MOVES, PICK, boardCells, manhattan, movesToward, neighbour } from '../../../mgsd/worlds/grid.js';
import { choose, createWorld, type World, type WorldInstance } from '../../../mgsd/worlds/world.js';

export interface DeliveryInstance extends WorldInstance {
  readonly agent: number;
  readonly parcel: number;
  readonly door: number;
}

const CARRYING = 64;
const DONE = 128;

/** The masks only repeat what the border is: 1 north, 2 south, 4 west, 8 east. */
function openMask(size: number, cell: number): number {
  return [4, 2, 8, 1].reduce((mask, bit, move) => mask | (neighbour(size, cell, MOVES[move]!) >= 0 ? bit : 0), 0);
}

export function createDelivery(): World<DeliveryInstance> {
  return createWorld<DeliveryInstance>({
    name: 'delivery',
    title: 'Delivery',
    taskToken: reservedToken(0),
    levels: [3, 4],
    actions: [...MOVES, PICK, DROP],
    difficulties: [],
    generate(random, level) {
      const cells = boardCells(level);
      const [agent, parcel, door] = [choose(random, cells), choose(random, cells), choose(random, cells)];
      return new Set([agent, parcel, door]).size === 3
        ? { size: level, agent, parcel, door }
        : this.generate(random, level);
    },
    difficulty: () => 'any',
    instanceKey: i => `delivery:${i.size}:${i.agent}:${i.parcel}:${i.door}`,
    layoutKey: i => `delivery:${i.size}:${i.parcel}:${i.door}`,
    render: (_, pixels) => new Uint8Array(pixels * pixels * 3),
    recap: i => [
      sizeToken(i.size),
      ...[i.agent, i.parcel, i.door].map(cellIndexToken),
      ...boardCells(i.size).map(cell => maskToken(openMask(i.size, cell))),
    ],
    readRecap(tokens) {
      const [agent = -1, parcel = -1, door = -1] = tokens.slice(1, 4).map(cellOf);
      return { size: sizeOf(tokens[0] ?? -1), agent, parcel, door };
    },
    cellMark(i, cell) {
      if (cell === i.agent) return ['A', 'start'];
      if (cell === i.parcel) return ['P', 'goal'];
      return cell === i.door ? ['D', 'obstacle'] : ['.', 'floor'];
    },
    maximumRecapLength: level => 4 + level * level,
    start: i => i.agent,
    isGoal: (_, state) => state >= DONE,
    step(i, state, action) {
      const cell = state % CARRYING;
      const carrying = state >= CARRYING;
      const fatal = (reason: string) => ({ verdict: 'fatal', next: state, reason }) as const;
      if (action === PICK)
        return !carrying && manhattan(cell, i.parcel) === 1
          ? { verdict: 'ok', next: state + CARRYING }
          : fatal('illegal-pick');
      if (action === DROP)
        return carrying && manhattan(cell, i.door) === 1
          ? { verdict: 'goal', next: DONE + cell }
          : fatal('illegal-drop');
      const next = neighbour(i.size, cell, action);
      if (next < 0) return fatal('off-board');
      if (next === i.door) return fatal('door');
      if (next === i.parcel && !carrying) return fatal('parcel');
      return { verdict: 'ok', next: next + (carrying ? CARRYING : 0) };
    },
    maximumPlanLength: level => 6 * level,
    straightAhead(i, state) {
      const carrying = state >= CARRYING;
      const cell = state % CARRYING;
      const target = carrying ? i.door : i.parcel;
      if (manhattan(cell, target) === 1) return [carrying ? DROP : PICK];
      return movesToward(cell, target);
    },
  });
}
