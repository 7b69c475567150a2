// Bundles the viewer and three.js into the one script that Python puts into reports.
// Run by: npm run build:viewer. The result is in the repository, so that a run needs no npm.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const output = process.argv[2] ?? `${here}../tasks/report/assets/viewer.js`;
const three = JSON.parse(readFileSync(`${here}../node_modules/three/package.json`, 'utf8'));
const licence = readFileSync(`${here}../node_modules/three/LICENSE`, 'utf8').trim();

await build({
  entryPoints: [`${here}src/main.js`],
  outfile: output,
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2021',
  charset: 'ascii',
  legalComments: 'none',
  banner: {
    js: `/*! Made by viewer/build.mjs; holds three.js ${three.version}:\n${licence}\n\n`
      + 'and meshoptimizer\'s decoder, Copyright (C) 2016-2026 Arseny Kapoulkine, on the same terms.\n*/',
  },
});
