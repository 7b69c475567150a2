// The scene: tyres, light, cameras of the frames, a plane that cuts. Drawn only when something moved.

import {
  AmbientLight,
  BufferAttribute,
  BufferGeometry,
  DirectionalLight,
  HemisphereLight,
  LineBasicMaterial,
  LineSegments,
  PerspectiveCamera,
  Plane,
  Scene,
  Vector3,
  WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import { Tyre } from './tyre.js';

const START = new Vector3(0.75, 0.38, 1);
const LIGHT = 2.2;
const PLAIN_LIGHT = 0.55; // rubber wants a light in which the colours of the other ways are white

export class Stage {
  // The first mesh is what the page is about; the others are tyres that it was made of, if any.
  constructor(canvas, meshes, cameras) {
    this.canvas = canvas;
    const [mesh] = meshes;
    this.mesh = mesh;
    this.radius = mesh.geometry.boundingSphere.radius;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.localClippingEnabled = true;
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(35, 1, 0.02 * this.radius, 60 * this.radius);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener('change', () => this.draw());
    this.letPageScroll();
    canvas.addEventListener('webglcontextrestored', () => this.draw());
    this.plane = new Plane(new Vector3(0, 0, -1), 0);
    this.lights();
    this.tyres = meshes.map((each) => new Tyre(this.scene, each));
    this.arrange([{ tyre: 0 }]);
    this.colour('photo');
    this.frames(cameras);
    this.look(START);
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // The wheel, and a finger that moves up or down, scroll the page: a wheel comes nearer once the
  // viewer was clicked or tabbed to, or with Ctrl, which is what a pinch on a touchpad sends.
  letPageScroll() {
    const { canvas } = this;
    canvas.style.touchAction = 'pan-y';
    const leave = (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) event.stopImmediatePropagation();
    };
    canvas.addEventListener('wheel', leave, { capture: true, passive: true });
  }

  lights() {
    this.sky = new HemisphereLight('#ffffff', '#9a948c', 1);
    this.fill = new AmbientLight('#ffffff', 1);
    this.lamp = new DirectionalLight('#ffffff', 1);
    this.lamp.position.set(-0.6, 0.8, 1);
    this.camera.add(this.lamp);
    this.scene.add(this.sky, this.fill, this.camera);
    this.strength = 1;
    this.photographic = true;
  }

  // Cameras as small pyramids: the frames that the network saw, those kept aside, the others.
  frames(cameras) {
    this.pyramids = [];
    const kinds = { chosen: ['#e8853d', 1], 'held-out': ['#1fb6a6', 1], other: ['#8d9299', 0.5] };
    for (const [kind, [colour, opacity]] of Object.entries(kinds)) {
      const points = cameras.filter((c) => c.kind === kind).flatMap(pyramid);
      if (!points.length) continue;
      const shape = new BufferGeometry();
      shape.setAttribute('position', new BufferAttribute(new Float32Array(points), 3));
      const material = new LineBasicMaterial({ color: colour, transparent: true, opacity });
      const lines = new LineSegments(shape, material);
      lines.visible = false;
      this.pyramids.push(lines);
      this.scene.add(lines);
    }
    this.reach = cameras.reduce((far, c) => Math.max(far, Math.hypot(...c.eye)), this.radius);
  }

  // Which tyre shows in which part of the picture, left and right as shares of its width. Parts
  // that are `whole` are cut out of the whole picture; the others are pictures of their own.
  arrange(parts) {
    const before = this.narrowest();
    this.parts = parts.map((part) => ({ left: 0, right: 1, whole: false, ...part }));
    if (before !== this.narrowest()) this.look(this.camera.position.clone());
    this.draw();
  }

  // The least width over height of what is drawn.
  narrowest() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const shares = (this.parts ?? []).map((part) => (part.whole ? 1 : part.right - part.left));
    return (Math.min(1, ...shares) * width) / height;
  }

  // Colours all tyres; returns the legend of the first one.
  colour(mode) {
    const [legend] = this.tyres.map((tyre) => tyre.colour(mode));
    this.photographic = mode === 'photo' || mode === 'vertices';
    this.light(this.strength);
    return legend;
  }

  wireframe(shown) {
    for (const tyre of this.tyres) tyre.wireframe(shown);
    this.draw();
  }

  showFrames(shown) {
    for (const lines of this.pyramids) lines.visible = shown;
    if (shown && this.camera.position.length() < 1.6 * this.reach) {
      this.look(this.camera.position.clone(), 2.4 * this.reach);
    } else if (!shown) this.look(this.camera.position.clone());
    this.draw();
  }

  // A cut across the axle at a share of the half width, or along it at one of half a turn. Returns
  // where it is, in words.
  section(kind, place) {
    if (kind === 'across') {
      const box = this.mesh.geometry.boundingBox ?? this.box();
      this.plane.normal.set(0, 0, -1);
      this.plane.constant = place * box.max.z;
    } else if (kind === 'along') {
      const angle = Math.PI * place;
      this.plane.normal.set(-Math.cos(angle), Math.sin(angle), 0);
      this.plane.constant = 0;
    }
    for (const tyre of this.tyres) tyre.cut(kind === 'none' ? [] : [this.plane]);
    this.draw();
    if (kind === 'across') return `${Math.round(1000 * this.plane.constant)} mm from the middle`;
    return kind === 'along' ? `at ${Math.round(180 * place)}°` : '';
  }

  box() {
    this.mesh.geometry.computeBoundingBox();
    return this.mesh.geometry.boundingBox;
  }

  light(strength) {
    this.strength = strength;
    const light = LIGHT * strength * (this.photographic ? 1 : PLAIN_LIGHT);
    this.sky.intensity = 0.9 * light;
    this.fill.intensity = 0.5 * light;
    this.lamp.intensity = 1.3 * light;
    this.draw();
  }

  // From a direction, at a distance: by default the one from which the tyre fills the view.
  look(direction, distance) {
    const narrow = Math.min(1, this.narrowest() || 1);
    const half = Math.tan((this.camera.fov * Math.PI) / 360) * narrow;
    const fits = (1.06 * this.radius) / Math.sin(Math.atan(half));
    this.camera.position.copy(direction).setLength(distance ?? fits);
    this.controls.target.set(0, 0, 0);
    this.controls.update();
    this.draw();
  }

  reset() {
    this.look(START);
  }

  // From where a frame was filmed.
  lookFrom(eye) {
    const place = new Vector3(...eye);
    this.look(place, Math.max(place.length(), 1.3 * this.radius));
  }

  orbit(right, up) {
    const { position } = this.camera;
    const turned = position.clone().applyAxisAngle(this.camera.up, -right);
    const across = new Vector3().crossVectors(this.camera.up, turned).normalize();
    const tilted = turned.clone().applyAxisAngle(across, -up);
    if (Math.abs(tilted.clone().normalize().y) < 0.995) turned.copy(tilted);
    this.look(turned, position.length());
  }

  zoom(factor) {
    const distance = this.camera.position.length() * factor;
    const bounded = Math.min(Math.max(distance, 1.1 * this.radius), 20 * this.radius);
    this.look(this.camera.position.clone(), bounded);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return false;
    const ratio = this.renderer.getPixelRatio();
    if (
      this.canvas.width !== Math.floor(width * ratio) ||
      this.canvas.height !== Math.floor(height * ratio)
    ) {
      this.renderer.setSize(width, height, false);
    }
    return true;
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.waiting = false;
    if (!this.fit()) return;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.renderer.setScissorTest(this.parts.length > 1);
    for (const { tyre, left, right, whole } of this.parts) {
      const [start, wide] = [left * width, (right - left) * width];
      if (wide < 1) continue;
      this.renderer.setScissor(start, 0, wide, height);
      this.renderer.setViewport(whole ? 0 : start, 0, whole ? width : wide, height);
      this.camera.aspect = (whole ? width : wide) / height;
      this.camera.updateProjectionMatrix();
      this.tyres.forEach((each, k) => each.show(k === tyre));
      this.renderer.render(this.scene, this.camera);
    }
  }

  // The picture that is shown, as a PNG.
  picture() {
    this.drawNow();
    return new Promise((resolve) => this.canvas.toBlob(resolve, 'image/png'));
  }
}

// Lines from the eye to the corners of the image, and round it.
function pyramid({ eye, corners }) {
  const lines = [];
  corners.forEach((corner, k) => {
    lines.push(...eye, ...corner, ...corner, ...corners[(k + 1) % corners.length]);
  });
  return lines;
}
