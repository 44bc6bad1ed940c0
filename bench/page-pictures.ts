/** Pictures of the page, for the README: the Plan panel with an answer, as a phone and a projector show it. */
import path from 'node:path';
import { serveFolder } from '../mgsd/cli/static-server.js';
import { decodePng, encodePng } from '../mgsd/pictures/png.js';
import { openChromium } from './chromium.js';

const windows = [
  { width: 1600, height: 1000 },
  { width: 360, height: 1000 },
];

/** Of the page that is built, on one thread of WebAssembly, by their path. @throws InputError without a Chromium */
export async function pagePictures(): Promise<Record<string, Uint8Array>> {
  const server = await serveFolder(path.resolve(import.meta.dirname, '../../dist/page'), 0);
  const browser = await openChromium('--hide-scrollbars');
  const pictures: Record<string, Uint8Array> = {};
  for (const { width, height } of windows) {
    const page = await browser.newPage();
    await page.setViewport({ width, height });
    await page.goto(`${server.url}?device=wasm&threads=1#plan`);
    await (await page.waitForSelector('#panel-plan button.primary:enabled'))!.click();
    await page.waitForSelector('#panel-plan .tokens .choice');
    // the response is written token by token: whole when no more has come for a while
    for (let [last, count] = [-1, 0]; last !== count; await new Promise(resolve => setTimeout(resolve, 3000)))
      [last, count] = [count, (await page.$$('#panel-plan .tokens .choice span')).length];
    await page.evaluate('scrollTo(0, 0)'); // the bar of the panels stays with the window
    pictures[`mgsd/pictures/page-${width}.png`] = coarse(await page.screenshot({ type: 'png', fullPage: true }));
    await page.close();
  }
  await browser.close();
  await server.close();
  return pictures;
}

/** Five bits for each colour, which nobody sees: fewer bytes. */
function coarse(png: Uint8Array): Uint8Array {
  const image = decodePng(png);
  return encodePng({
    ...image,
    data: image.data.map(value => Math.round(Math.round((value * 31) / 255) * (255 / 31))),
  });
}
