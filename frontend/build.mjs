/** Builds the card into the integration: `npm run build`, or into another folder. */

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const texts = path.join(here, "src", "translations");
const target = path.resolve(
  process.argv[2] ?? path.join(here, "..", "custom_components", "aws_iot_jobs", "frontend"),
);

/** Style sheets come as text, without what only people read. */
const styleSheets = {
  name: "style-sheets",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const { code } = await transform(await readFile(file, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

async function buildCard() {
  await build({
    absWorkingDir: here,
    entryPoints: ["src/index.ts"],
    outfile: path.join(target, "aws-iot-jobs-card.js"),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    // Lit's licence stands in the notice of the file.
    legalComments: "none",
    banner: { js: "/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */" },
    plugins: [styleSheets],
  });
}

/** Each language is a file of its own, whole: what is not translated yet is English in it. */
async function buildTexts() {
  const folder = path.join(target, "texts");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const english = JSON.parse(await readFile(path.join(texts, "en.json"), "utf8"));
  for (const name of await readdir(texts)) {
    const own = JSON.parse(await readFile(path.join(texts, name), "utf8"));
    const all = Object.keys(english).map((key) => [key, own[key] ?? english[key]]);
    await writeFile(path.join(folder, name), `${JSON.stringify(Object.fromEntries(all))}\n`);
  }
}

await mkdir(target, { recursive: true });
await Promise.all([buildCard(), buildTexts()]);
