/** The miniature run as people enter it on the Train panel. */
import { miniatureConfig, miniatureModel } from '../../bench/soak/miniature-config.js';
import { configSchema } from '../../mgsd/method/config.js';
import type { OpenedPage } from './chromium.js';

/** The miniature as changes of `tiny`, which people type into the page. */
const { tasks, stage0, stage1, stage2, evaluation } = miniatureConfig();
const sizes = new Set(Object.keys(configSchema.shape.model.unwrap().shape));
const model = Object.fromEntries(Object.entries(miniatureModel).filter(([name]) => sizes.has(name)));
export const changes = { tasks, stage0, stage1, stage2, evaluation, model };
const typed = Object.entries(changes).map(([name, value]) => `${name}=${JSON.stringify(value)}`);

/** Chooses the miniature, with further settings. */
export async function chooseMiniature({ page }: OpenedPage, ...others: readonly string[]): Promise<void> {
  await page.locator('#panel-train select').fill('tiny');
  await page.$eval('#panel-train details', details => (details.open = true));
  await page.locator('#panel-train textarea').fill([...typed, ...others].join('\n'));
}
