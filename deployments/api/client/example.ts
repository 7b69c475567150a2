/**
 * Start a job and follow it to its end:
 *
 *   node example.js http://127.0.0.1:8000 /srv/in/tyre.mp4 /srv/out/tyre.glb
 *
 * The token is taken from TYRE3D_API_TOKEN. Prints each change as a line of JSON.
 */

import { Tyre3dClient, Tyre3dError } from "./tyre3d.js";

const [url, video, output] = process.argv.slice(2);
const token = process.env["TYRE3D_API_TOKEN"];
if (url === undefined || video === undefined || output === undefined || token === undefined) {
  console.error("usage: TYRE3D_API_TOKEN=... node example.js URL VIDEO OUTPUT.glb");
  process.exit(2);
}

const client = new Tyre3dClient(url, token);
try {
  const request = { video, output_glb_path: output, preset: "fast" } as const;
  const { job_id } = await client.reconstruct(request, `example:${video}:${output}`);
  const end = await client.wait(job_id, (status) => console.log(JSON.stringify(status)));
  process.exitCode = end.status === "completed" ? 0 : 1;
} catch (error) {
  if (!(error instanceof Tyre3dError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
