// Opens the page of a comparison in a browser, works the buttons that show two tyres, and tells in
// JSON what it saw.
// node pair.mjs CHROMIUM PAGE
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [, , executablePath, file] = process.argv;
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
const page = await browser.newPage({ viewport: { width: 900, height: 700 } });
const told = { said: [], halves: {} };
page.on('console', (message) => told.said.push(message.text()));
page.on('pageerror', (error) => told.said.push(String(error)));
await page.goto(pathToFileURL(file).href);
await page.waitForSelector('#viewer:not([data-state="loading"])', { timeout: 120000 });
told.state = await page.getAttribute('#viewer', 'data-state');

// How many pixels of both halves are mostly red, green, blue.
async function look(name) {
  await page.evaluate(() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
  }));
  const shot = await page.locator('#canvas').screenshot();
  told.halves[name] = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const half = Math.floor(image.width / 2);
    return [0, half].map((left) => {
      const { data } = context.getImageData(left, 0, half, image.height);
      const counts = [0, 0, 0];
      for (let i = 0; i < data.length; i += 4) {
        const colour = [data[i], data[i + 1], data[i + 2]];
        const most = Math.max(...colour);
        if (most > 1.5 * Math.min(...colour) + 30) counts[colour.indexOf(most)] += 1;
      }
      return counts;
    });
  }, shot.toString('base64'));
}

await look('first');
for (const name of ['new', 'damaged', 'beside', 'over', 'change']) {
  await page.click(`[data-arrange="${name}"]`);
  await look(name);
}
await page.click('[data-arrange="over"]');
await page.fill('#border', '1');
await look('border at the end');
await page.selectOption('#section', 'across');
await look('cut');
await page.focus('#canvas');
await page.keyboard.press('c'); // there are no cameras here
told.ofCameras = await page.textContent('#viewer-status');
const shown = () => page.$$eval('.view canvas, .view .stand-in', (elements) =>
  elements.filter((each) => each.checkVisibility()).map((each) => each.tagName.toLowerCase()));
told.onScreen = await shown();
await page.emulateMedia({ media: 'print' });
told.printed = await shown();
await browser.close();
console.log(JSON.stringify(told));
