// One tyre in the scene: its mesh, what shows where a plane cuts it, its wireframe.

import {
  BackSide,
  BufferAttribute,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshBasicMaterial,
  MeshStandardMaterial,
  WireframeGeometry,
} from 'three';
import { colouring } from './mesh.js';

const CUT = '#d46a6a';

export class Tyre {
  constructor(scene, mesh) {
    this.scene = scene;
    this.mesh = mesh;
    this.material = new MeshStandardMaterial({ roughness: 0.85, vertexColors: true });
    this.inside = new MeshBasicMaterial({ color: CUT, side: BackSide });
    this.lines = new LineBasicMaterial({ color: '#1fb6a6', transparent: true, opacity: 0.55 });
    this.body = new Mesh(mesh.geometry, this.material);
    this.interior = new Mesh(mesh.geometry, this.inside);
    this.wires = null;
    this.state = { shown: true, cut: false, wireframe: false };
    scene.add(this.body, this.interior);
    this.apply({});
  }

  // How the mesh is coloured: photo, vertices, provenance or disagreement. Returns the legend.
  colour(mode) {
    const textured = mode === 'photo' && this.mesh.map;
    const { colours, legend } = colouring(this.mesh, mode);
    const shown = textured ? this.mesh.tint : colours;
    if (shown) this.mesh.geometry.setAttribute('color', new BufferAttribute(shown, 3));
    this.material.map = textured ? this.mesh.map : null;
    this.material.vertexColors = Boolean(shown);
    this.material.needsUpdate = true;
    return legend;
  }

  wireframe(shown) {
    if (shown && !this.wires) {
      this.wires = new LineSegments(new WireframeGeometry(this.mesh.geometry), this.lines);
      this.scene.add(this.wires);
    }
    this.apply({ wireframe: shown });
  }

  cut(planes) {
    for (const material of [this.material, this.inside, this.lines]) {
      material.clippingPlanes = planes;
    }
    this.apply({ cut: planes.length > 0 });
  }

  show(shown) {
    this.apply({ shown });
  }

  apply(change) {
    Object.assign(this.state, change);
    const { shown, cut, wireframe } = this.state;
    this.body.visible = shown;
    this.interior.visible = shown && cut;
    if (this.wires) this.wires.visible = shown && wireframe;
  }
}
