// The mesh of a GLB, and the colours that tell what is known of each of its vertices.

import { BufferAttribute, Color } from 'three';
import { MeshoptDecoder } from 'three/addons/libs/meshopt_decoder.module.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';

// three.js writes the names of attributes of one's own in lower case.
export async function readMesh(bytes, palette) {
  const gltf = await new GLTFLoader().setMeshoptDecoder(MeshoptDecoder).parseAsync(bytes.buffer, '');
  let found = null;
  gltf.scene.updateMatrixWorld(true);
  gltf.scene.traverse((node) => {
    if (node.isMesh && !found) found = node;
  });
  if (!found) throw new Error('the file holds no mesh');
  const { geometry } = found;
  for (const name of ['position', 'normal']) {
    geometry.setAttribute(name, inFloats(geometry.getAttribute(name)));
  }
  geometry.applyMatrix4(found.matrixWorld);
  geometry.computeBoundingSphere();
  // beside a texture, colours of the vertices have a name of their own, for else they multiply it
  const { map } = found.material;
  const color = geometry.getAttribute('color');
  const photo = (map ? null : color) ?? geometry.getAttribute('_color_0');
  return {
    geometry,
    map,
    photo: photo ? inFloats(photo).array : null,
    tint: map && color ? inFloats(color).array : null,
    seenBy: valuesOf(geometry, '_seen_by'),
    inferred: valuesOf(geometry, '_inferred'),
    disagreement: valuesOf(geometry, '_disagreement'),
    palette,
    count: geometry.getAttribute('position').count,
  };
}

// Quantised positions are integers, which a matrix cannot be applied to.
function inFloats(attribute) {
  const { count } = attribute;
  const made = new Float32Array(count * 3);
  for (let i = 0; i < count; i++) {
    made[3 * i] = attribute.getX(i);
    made[3 * i + 1] = attribute.getY(i);
    made[3 * i + 2] = attribute.getZ(i);
  }
  return new BufferAttribute(made, 3);
}

function valuesOf(geometry, name) {
  const attribute = geometry.getAttribute(name);
  if (!attribute) return null;
  return Float32Array.from({ length: attribute.count }, (_, i) => attribute.getX(i));
}

// Each way to colour the mesh: colours of the vertices, and the legend of what they mean.
export function colouring(mesh, mode) {
  if (mode === 'provenance') return provenance(mesh);
  if (mode === 'disagreement') return disagreement(mesh);
  return { colours: mesh.photo ?? painted(mesh.count, () => mesh.palette.body), legend: [] };
}

function provenance(mesh) {
  const { inferred, seen } = mesh.palette;
  const most = mesh.seenBy ? mesh.seenBy.reduce((a, b) => Math.max(a, b), 1) : 1;
  const colours = painted(mesh.count, (i) => {
    if (mesh.inferred && mesh.inferred[i] > 0.5) return inferred;
    return along(seen, mesh.seenBy ? (mesh.seenBy[i] - 1) / Math.max(most - 1, 1) : 1);
  });
  const legend = [{ colour: inferred, text: 'inferred: no frame saw it' }];
  seen.forEach((colour, k) => {
    const frames = Math.round(1 + (k / (seen.length - 1)) * (most - 1));
    legend.push({ colour, text: `seen by ${frames} ${frames === 1 ? 'frame' : 'frames'}` });
  });
  return { colours, legend };
}

function disagreement(mesh) {
  const { spread } = mesh.palette;
  const sorted = Float32Array.from(mesh.disagreement ?? [0]).sort();
  const top = Math.max(sorted[Math.floor(0.98 * (sorted.length - 1))], 1e-6);
  const colours = painted(mesh.count, (i) => along(spread, (mesh.disagreement?.[i] ?? 0) / top));
  const legend = spread.map((colour, k) => {
    const millimetres = (1000 * top * k) / (spread.length - 1);
    const more = k === spread.length - 1 ? ' or more' : '';
    return { colour, text: `${millimetres.toPrecision(2)} mm${more}` };
  });
  return { colours, legend };
}

const parsed = new Map();

function linear(colour) {
  if (!parsed.has(colour)) parsed.set(colour, new Color(colour));
  return parsed.get(colour);
}

function along(ramp, share) {
  const place = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(place), ramp.length - 2);
  return new Color().lerpColors(linear(ramp[low]), linear(ramp[low + 1]), place - low);
}

function painted(count, colourOf) {
  const made = new Float32Array(count * 3);
  for (let i = 0; i < count; i++) {
    const colour = colourOf(i);
    (typeof colour === 'string' ? linear(colour) : colour).toArray(made, 3 * i);
  }
  return made;
}
