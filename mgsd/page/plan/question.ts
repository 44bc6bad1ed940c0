/** What the student is asked: a board, and how it is shown. */
import type { ModelConfig } from '../../../models/index.js';
import { imagesFor } from '../../evaluation/evaluate.js';
import type { WorldName } from '../../worlds/registry.js';
import type { World, WorldInstance } from '../../worlds/world.js';
import { checkedBoard } from './brushes.js';
import type { Shown } from './calls.js';

export type Look = 'training' | 'held-out';

export interface Question {
  readonly name: WorldName;
  readonly world: World;
  /** As it was drawn or painted. */
  readonly board: WorldInstance;
  /** Why the board is no puzzle; undefined if it is one. */
  readonly problem: string | undefined;
  /** What the student gets to see, (imageSize, imageSize, 3). */
  readonly picture: Uint8Array;
  readonly shown: Shown;
}

export function questionOf(
  name: WorldName,
  world: World,
  board: WorldInstance,
  look: Look,
  config: ModelConfig,
): Question {
  const checked = checkedBoard(world, board);
  const instance = 'instance' in checked ? checked.instance : board;
  const [picture] = imagesFor([{ world, instance }], 1, config, { input: 'image', style: look })!;
  return {
    name,
    world,
    board: instance,
    problem: 'problem' in checked ? checked.problem : undefined,
    picture: picture!,
    shown: { world: name, image: picture! },
  };
}
