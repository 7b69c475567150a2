// Starts the viewer of a report: reads what the page holds, shows the mesh, joins it to the buttons.

import { readMesh } from './mesh.js';
import { Stage } from './stage.js';
import { connect } from './panel.js';
import { connectPair } from './pair.js';

const FAULT = 'The 3D view cannot be shown here; the picture stands in for it.';

async function start() {
  const place = document.getElementById('viewer');
  if (!place) return;
  try {
    const data = JSON.parse(document.getElementById('report-data').textContent);
    const bytes = decode(document.getElementById('mesh-data').textContent);
    const others = [...document.querySelectorAll('[data-tyre]')];
    const meshes = [bytes, ...others.map((each) => decode(each.textContent))];
    const read = await Promise.all(meshes.map((each) => readMesh(each, data.palette)));
    const stage = new Stage(document.getElementById('canvas'), read, data.cameras);
    connect(stage, place, bytes, data);
    connectPair(stage, place);
    place.dataset.state = 'ready';
    stage.draw();
  } catch (error) {
    place.dataset.state = 'failed';
    document.getElementById('viewer-status').textContent = FAULT;
    console.warn(String(error));
  }
}

function decode(text) {
  const binary = atob(text.trim());
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

start();
