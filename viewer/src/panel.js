// The buttons and keys of the viewer.

const STEP = Math.PI / 18;
const SAID = {
  photo: 'Colours of the photos',
  vertices: 'Colours of the vertices',
  provenance: 'What frames saw, and what is inferred',
  disagreement: 'How far the frames disagree',
};

export function connect(stage, place, bytes, data) {
  const status = document.getElementById('viewer-status');
  const legend = document.getElementById('legend');
  const say = (text) => {
    status.textContent = text;
  };

  const modes = [...place.querySelectorAll('[data-mode]')];
  const colour = (mode) => {
    for (const button of modes) button.setAttribute('aria-pressed', button.dataset.mode === mode);
    const entries = stage.colour(mode);
    legend.replaceChildren(...entries.map(legendEntry));
    legend.hidden = entries.length === 0;
    say(SAID[mode]);
  };
  for (const button of modes) {
    if (button.dataset.mode === 'vertices') button.hidden = !stage.mesh.map || !stage.mesh.photo;
    button.addEventListener('click', () => colour(button.dataset.mode));
  }

  const press = (mode) => modes.find((button) => button.dataset.mode === mode)?.click();

  const toggles = {
    wireframe: (shown) => stage.wireframe(shown),
    cameras: (shown) => stage.showFrames(shown),
  };
  const toggle = (name) => {
    const button = place.querySelector(`[data-toggle="${name}"]`);
    if (button.hidden) return; // there is nothing to show, whatever key is pressed
    const shown = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', shown);
    toggles[name](shown);
    say(`${button.textContent.trim()}: ${shown ? 'shown' : 'hidden'}`);
  };
  for (const name of Object.keys(toggles)) {
    place.querySelector(`[data-toggle="${name}"]`).addEventListener('click', () => toggle(name));
  }

  const section = document.getElementById('section');
  const depth = document.getElementById('section-place');
  const cut = () => {
    depth.disabled = section.value === 'none';
    const where = stage.section(section.value, Number(depth.value));
    depth.setAttribute('aria-valuetext', where);
    say(`Section: ${section.selectedOptions[0].textContent}${where && `, ${where}`}`);
  };
  section.addEventListener('change', cut);
  depth.addEventListener('input', cut);
  const light = document.getElementById('light');
  light.addEventListener('input', () => stage.light(Number(light.value)));

  const reset = () => {
    stage.reset();
    say('The first view again');
  };
  document.getElementById('reset').addEventListener('click', reset);
  document.getElementById('save-picture').addEventListener('click', async () => {
    save(await stage.picture(), `${data.name}.png`);
  });
  document.getElementById('save-mesh').addEventListener('click', () => {
    save(new Blob([bytes], { type: 'model/gltf-binary' }), `${data.name}.${data.level}.glb`);
  });

  const eyes = new Map(data.cameras.map((camera) => [String(camera.index), camera.eye]));
  for (const button of document.querySelectorAll('[data-frame]')) {
    const eye = eyes.get(button.dataset.frame);
    button.disabled = !eye;
    button.addEventListener('click', () => {
      stage.lookFrom(eye);
      place.scrollIntoView({ block: 'nearest' });
      say(`Seen from where frame ${button.dataset.frame} was filmed`);
    });
  }

  const next = () => {
    section.selectedIndex = (section.selectedIndex + 1) % section.options.length;
    cut();
  };
  const keys = {
    ArrowLeft: () => stage.orbit(-STEP, 0),
    ArrowRight: () => stage.orbit(STEP, 0),
    ArrowUp: () => stage.orbit(0, STEP),
    ArrowDown: () => stage.orbit(0, -STEP),
    '+': () => stage.zoom(1 / 1.15),
    '=': () => stage.zoom(1 / 1.15),
    '-': () => stage.zoom(1.15),
    1: () => press('photo'),
    2: () => press('provenance'),
    3: () => press('disagreement'),
    w: () => toggle('wireframe'),
    c: () => toggle('cameras'),
    s: next,
    r: reset,
  };
  stage.canvas.addEventListener('keydown', (event) => {
    const act = keys[event.key] ?? keys[event.key.toLowerCase()];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  stage.canvas.addEventListener('webglcontextlost', () => {
    say('The graphics card was taken away: the picture comes back with it.');
  });
  stage.canvas.addEventListener('webglcontextrestored', () => say('The picture is back.'));
  colour('photo');
  say('Ready. Drag to turn; pinch, or click and turn the wheel, to come nearer.');
}

function legendEntry({ colour, text }) {
  const entry = document.createElement('li');
  const patch = document.createElement('span');
  patch.className = 'patch';
  patch.style.background = colour;
  entry.append(patch, text);
  return entry;
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
