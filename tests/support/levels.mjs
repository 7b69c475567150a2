// Opens the example page for three.js on a result, over http, and tells in JSON what it saw.
// node levels.mjs CHROMIUM FOLDER/NAME
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { chromium } = createRequire(import.meta.url)('playwright-core');
const [, , executablePath, result] = process.argv;
const root = fileURLToPath(new URL('../..', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.glb': 'model/gltf-binary' };
const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
  if (path === '/favicon.ico') return response.writeHead(204).end();
  const file = path.startsWith('/result/')
    ? join(dirname(result), basename(path)) : join(root, path);
  if (!existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'text/plain' });
  return createReadStream(file).pipe(response);
});
await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
const page = await browser.newPage({ viewport: { width: 900, height: 700 } });
const told = { said: [] };
page.on('console', (message) => told.said.push(message.text()));
page.on('pageerror', (error) => told.said.push(String(error)));
const name = encodeURIComponent(`/result/${basename(result)}`);
await page.goto(`http://127.0.0.1:${server.address().port}/docs/examples/three.html?tyre=${name}`);
await page.waitForFunction(() => performance.getEntriesByName('drawn').length, null, {
  timeout: 300000,
});
told.drawn = await page.evaluate(() => Object.fromEntries(
  performance.getEntriesByType('mark').map((mark) => [mark.name, mark.startTime]),
));

// Mean colours of the whole picture and of its middle.
async function look(file) {
  await page.evaluate(() => new Promise((done) => {
    requestAnimationFrame(() => requestAnimationFrame(done));
  }));
  const path = process.env.TYRE3D_TEST_PICTURES && join(process.env.TYRE3D_TEST_PICTURES, file);
  const shot = await page.screenshot(path ? { path } : {});
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    const tones = { ground: 0, blue: 0, orange: 0 };
    for (let i = 0; i < data.length; i += 4) {
      const [red, green, blue] = data.subarray(i, i + 3);
      tones.ground += Math.min(red, green, blue) > 225;
      tones.blue += blue > red + 40;
      tones.orange += red > blue + 40;
    }
    for (const tone of Object.keys(tones)) tones[tone] *= 4 / data.length;
    return tones;
  }, shot.toString('base64'));
}
told.photo = await look('photo.png');
await page.check('#known');
told.known = await look('known.png');
await browser.close();
server.close();
console.log(JSON.stringify(told));
