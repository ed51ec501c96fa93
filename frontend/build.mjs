/**
 * Builds the card into the integration: `npm run build`, or into another folder.
 *
 * What every dashboard loads is one file and the one that it imports; the rest lies beside them
 * and is loaded when it is wanted. Browsers keep them: what they import has an address that
 * changes with the content.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";

import { shortTemplates } from "./templates.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const source = path.join(here, "src");
const translations = path.join(source, "translations");

/** Style sheets come as text, without what only people read. */
const styleSheets = {
  name: "style-sheets",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const options = { loader: "css", minify: true };
      const { code } = await transform(await readFile(file, "utf8"), options);
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** Each language whole: what is not translated yet is English in it. By file name. */
async function readTexts() {
  const english = JSON.parse(await readFile(path.join(translations, "en.json"), "utf8"));
  const texts = new Map();
  for (const name of (await readdir(translations)).sort()) {
    const own = JSON.parse(await readFile(path.join(translations, name), "utf8"));
    const all = Object.keys(english).map((key) => [key, own[key] ?? english[key]]);
    texts.set(name, `${JSON.stringify(Object.fromEntries(all))}\n`);
  }
  return texts;
}

async function main(target) {
  const texts = await readTexts();
  const digest = digestOf([...texts.values()]);
  await rm(target, { recursive: true, force: true });
  await mkdir(path.join(target, "texts"), { recursive: true });
  for (const [name, content] of texts) {
    await writeFile(path.join(target, "texts", name), content);
  }
  const { outputFiles, metafile } = await build({
    absWorkingDir: here,
    entryPoints: { "aws-iot-jobs-card": path.join(source, "index.ts") },
    outdir: target,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    banner: { js: "/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */" },
    define: { TEXTS_DIGEST: JSON.stringify(digest) },
    plugins: [styleSheets, shortTemplates],
  });
  const names = namesOf(metafile);
  const version = digestOf(outputFiles.map(({ text }) => text));
  for (const { path: file, text } of outputFiles) {
    const content = text.replace(/"\.\/([\w-]+\.js)"/g, (_, name) => `"./${names.get(name)}?v=${version}"`);
    await writeFile(path.join(target, names.get(path.basename(file))), content);
  }
}

/** How files are called that have a name by their content: by what is in them. */
function namesOf({ outputs }) {
  const entry = Object.values(outputs).find(({ entryPoint }) => entryPoint?.endsWith("index.ts"));
  const [core] = entry.imports;
  return new Map(
    Object.entries(outputs).map(([file, { entryPoint }]) => {
      const name = path.basename(file);
      if (path.basename(file) === path.basename(core.path)) {
        return [name, "core.js"];
      }
      if (!entryPoint) {
        return [name, "body.js"];
      }
      return [name, entryPoint.endsWith("index.ts") ? name : path.basename(entryPoint, ".ts") + ".js"];
    }),
  );
}

function digestOf(texts) {
  return createHash("sha256").update(texts.join("\0")).digest("hex").slice(0, 8);
}

await main(
  path.resolve(
    process.argv[2] ?? path.join(here, "..", "custom_components", "aws_iot_jobs", "frontend"),
  ),
);
