/** By what the best checkpoint of a stage is chosen. */
import type { ItemResult } from '../evaluation/evaluate.js';
import type { StageName } from '../method/stages/stage.js';
import { watchedPuzzles } from './looks.js';

/**
 * What the best checkpoint of a stage is chosen by: mean over worlds of the share of the watched puzzles that are solved; in stage
 * 1, which learns no plans, of those that are written down without a mistake.
 */
export function scoreOf(stage: StageName, items: readonly ItemResult[]): number {
  const worlds = [...new Set(items.map(({ world }) => world))];
  const rates = worlds.map(name => {
    const own = items.filter(({ world }) => world === name);
    return own.filter(item => (stage === 'stage1' ? item.recapExact : item.success)).length / own.length;
  });
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

/** The first results of each world and size: those of the puzzles that are watched. */
export function watchedItems(items: readonly ItemResult[]): ItemResult[] {
  const seen = new Map<string, number>();
  return items.filter(({ world, level }) => {
    const count = (seen.get(`${world} ${level}`) ?? 0) + 1;
    seen.set(`${world} ${level}`, count);
    return count <= watchedPuzzles;
  });
}
