// Opens a report in a browser, works the viewer's buttons and keys, and tells in JSON what it saw.
// node browser.mjs CHROMIUM PAGE
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [, , executablePath, file] = process.argv;
const address = pathToFileURL(file).href;
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
const page = await browser.newPage({ viewport: { width: 900, height: 700 } });
const told = { said: [], asked: [], views: {}, pressed: {}, statuses: {}, scrolled: {} };
page.on('console', (message) => told.said.push(message.text()));
page.on('pageerror', (error) => told.said.push(String(error)));
page.on('request', (request) => told.asked.push(request.url()));

await page.goto(address);
await page.waitForSelector('#viewer:not([data-state="loading"])', { timeout: 120000 });
told.state = await page.getAttribute('#viewer', 'data-state');

// The picture's mean colours in the middle and along the upper edge, and how much is not ground.
async function look(name) {
  await page.evaluate(() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)));
  }));
  const shot = await page.locator('#canvas').screenshot();
  told.views[name] = await page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    const mean = (x, y, w, h) => {
      const { data } = context.getImageData(x, y, w, h);
      const sums = [0, 0, 0];
      for (let i = 0; i < data.length; i += 4) for (let k = 0; k < 3; k++) sums[k] += data[i + k];
      return sums.map((sum) => (4 * sum) / data.length);
    };
    const { width, height } = image;
    const all = context.getImageData(0, 0, width, height).data;
    let dark = 0;
    for (let i = 0; i < all.length; i += 4) dark += all[i] + all[i + 1] + all[i + 2] < 390;
    return {
      middle: mean(width / 2 - 15, height / 2 - 15, 30, 30),
      edge: mean(width / 2 - 15, 2, 30, 6),
      dark: (4 * dark) / all.length,
    };
  }, shot.toString('base64'));
  told.statuses[name] = await page.textContent('#viewer-status');
}

await look('photo');
// A wheel over the viewer scrolls the page, until the viewer was clicked.
const wheel = async (name) => {
  await page.locator('#canvas').hover();
  const before = await page.evaluate(() => scrollY);
  await page.mouse.wheel(0, 120);
  await look(name);
  told.scrolled[name] = (await page.evaluate(() => scrollY)) - before;
  await page.evaluate(() => scrollTo(0, 0));
};
await wheel('wheel');
await look('wheel scrolled');
await page.locator('#canvas').click();
await wheel('wheel after a click');
await look('nearer');
await page.click('#reset');
// The graphics card is taken away, as by a driver's restart, and comes back.
const card = await page.evaluateHandle(() => {
  const canvas = document.getElementById('canvas');
  return canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
});
const word = (text) => page.waitForFunction(
  (part) => document.getElementById('viewer-status').textContent.includes(part), text);
await card.evaluate((each) => each.loseContext());
await word('taken away');
await card.evaluate((each) => each.restoreContext());
await word('back');
await look('card is back');
for (const mode of ['provenance', 'disagreement', 'photo']) {
  await page.click(`[data-mode="${mode}"]`);
  await look(`mode ${mode}`);
  told.pressed[mode] = await page.$$eval('[data-mode][aria-pressed="true"]', (buttons) =>
    buttons.map((button) => button.dataset.mode));
}
const shown = (part) => page.locator(part).isVisible();
told.notes = { before: [await shown('.cameras-key'), await shown('.section-note')] };
for (const name of ['wireframe', 'cameras']) {
  await page.click(`[data-toggle="${name}"]`);
  await look(name);
  told.notes[name] = await shown('.cameras-key');
  await page.click(`[data-toggle="${name}"]`);
}
await page.click('#reset');
await page.selectOption('#section', 'across');
await look('section across');
told.notes.section = await shown('.section-note');
await page.selectOption('#section', 'none');
await page.click('[data-frame]:not([disabled])');
await look('from a frame');
await page.focus('#canvas');
for (const key of ['r', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft']) {
  await page.keyboard.press(key);
}
await look('turned by keys');
for (const [key, name] of [['w', 'wireframe'], ['c', 'cameras']]) {
  await page.keyboard.press(key);
  told.pressed[key] = await page.getAttribute(`[data-toggle="${name}"]`, 'aria-pressed');
  await page.keyboard.press(key);
}
await page.keyboard.press('s');
told.pressed.s = await page.inputValue('#section');
await look('section along');
await page.selectOption('#section', 'none');
await page.focus('#canvas');
await page.keyboard.press('2');
told.pressed.key = await page.getAttribute('[data-mode="provenance"]', 'aria-pressed');
const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save-mesh')]);
told.saved = download.suggestedFilename();
const [picture] = await Promise.all([page.waitForEvent('download'), page.click('#save-picture')]);
told.picture = picture.suggestedFilename();
const shades = () => page.evaluate(() => {
  const { backgroundColor, color } = getComputedStyle(document.body);
  return [backgroundColor, color].map((words) => words.match(/\d+/g).slice(0, 3).map(Number));
});
told.light = await shades();
await page.emulateMedia({ colorScheme: 'dark' });
told.dark = await shades();
await page.emulateMedia({ colorScheme: null, media: 'print' });
told.paper = {
  shades: await shades(),
  tools: await page.locator('.tools').first().isVisible(),
  mesh: await page.locator('.stand-in').isVisible(),
  hints: await page.locator('.hint').first().isVisible(),
};
await page.emulateMedia({ media: null });
told.vertices = await page.getAttribute('[data-mode="vertices"]', 'hidden');
told.width = await page.evaluate(() => document.documentElement.scrollWidth);
await page.setViewportSize({ width: 360, height: 740 });
told.phone = await page.evaluate(() => document.documentElement.scrollWidth);
await browser.close();
console.log(JSON.stringify(told));
