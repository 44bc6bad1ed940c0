/** Exercise of stage1.md: what the student must write down. `npm run exercise -- stage1` checks it. */
import { yourTurn } from '../../kernels/your-turn.exercise.js';

/**
 * The recap of a FrozenLake board as text: size, start, goal, and every hole in raster order.
 * @param rows the board, S start, G goal, H hole, F frozen; as ['FFG', 'FHF', 'SFF']
 * @returns as `size:3 (2,0) (0,2) (1,1)`; without holes it ends with the goal
 */
export function recapText(rows: readonly string[]): string {
  return yourTurn('coordinates are (row,col) from the top left, from 0', rows);
}
