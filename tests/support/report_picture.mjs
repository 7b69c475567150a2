// Screenshots of a report: light, dark, and on a phone.
// node report_picture.mjs CHROMIUM PAGE FOLDER
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [, , executablePath, file, folder] = process.argv;
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
for (const [name, colorScheme, width] of [
  ['light', 'light', 1280], ['dark', 'dark', 1280], ['phone', 'light', 400]]) {
  const page = await browser.newPage({ viewport: { width, height: 1016 }, colorScheme });
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector('#viewer[data-state="ready"]', { timeout: 120000 });
  await page.screenshot({ path: `${folder}/${name}.png` });
}
await browser.close();
