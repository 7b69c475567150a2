// Opens the page of a batch in a browser, sorts and filters, and tells in JSON what it saw.
// node batch.mjs CHROMIUM PAGE
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [, , executablePath, file] = process.argv;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const page = await browser.newPage();
const told = { said: [], asked: [] };
page.on('console', (message) => told.said.push(message.text()));
page.on('pageerror', (error) => told.said.push(String(error)));
page.on('request', (request) => {
  if (!request.url().startsWith('data:')) told.asked.push(request.url());
});
const outcomes = () => page.$$eval('tr[data-outcome]', (rows) =>
  rows.filter((row) => !row.hidden).map((row) => row.dataset.outcome));

await page.goto(pathToFileURL(file).href);
told.first = await outcomes();
await page.click('button:text("Seconds")');
told['by seconds'] = await outcomes();
await page.click('button:text("Seconds")');
told['by seconds, down'] = await outcomes();
told.sorted = await page.getAttribute('th:has(button:text("Seconds"))', 'aria-sort');
await page.click('button:text("Faces")');
told['by faces'] = await outcomes();
await page.fill('#find', 'arc DOUBT');
told.found = await outcomes();
await page.fill('#find', '');
await page.selectOption('#outcome', 'pass');
told['of one outcome'] = await outcomes();
told.status = await page.textContent('#shown');
await page.selectOption('#outcome', '');
told.cut = [];
for (const width of [375, 768, 1100, 1280]) {
  await page.setViewportSize({ width, height: 800 });
  const cut = await page.$$eval('html, .scroll', (boxes) => boxes.some((box) => box.scrollWidth > box.clientWidth));
  if (cut) told.cut.push(width);
}
await browser.close();
console.log(JSON.stringify(told));
