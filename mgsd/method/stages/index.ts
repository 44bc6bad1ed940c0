/** All stages by name. */
import { directStage } from '../variants/direct.js';
import { planningStage } from './stage0.js';
import { groundingStage } from './stage1.js';
import { distillationStage } from './stage2.js';
import type { Stage, StageName, StageSetting } from './stage.js';

const makers = { stage0: planningStage, stage1: groundingStage, stage2: distillationStage, direct: directStage };

/** A stage, ready for its first update. */
export function makeStage(name: StageName, setting: StageSetting): Stage {
  return makers[name](setting);
}
