/** Serves the page of all states: `npm run dev`. */

import { spawnSync } from "node:child_process";
import { cp, mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

import { context } from "esbuild";

const here = import.meta.dirname;
const folder = await mkdtemp(path.join(os.tmpdir(), "card-"));
spawnSync(process.execPath, [path.join(here, "..", "build.mjs"), folder], { stdio: "inherit" });
await cp(path.join(here, "index.html"), path.join(folder, "index.html"));
const page = await context({
  entryPoints: [path.join(here, "main.ts")],
  outfile: path.join(folder, "main.js"),
  bundle: true,
  format: "esm",
});
await page.rebuild();
const { port } = await page.serve({ servedir: folder, port: Number(process.env.PORT ?? 8100), host: "127.0.0.1" });
console.log(`http://127.0.0.1:${port}/`);
