/** Takes out of templates what only people read: line breaks with what indents the next. */

import { readFile } from "node:fs/promises";

import ts from "typescript";

const TAGS = new Set(["html", "svg"]);

export const shortTemplates = {
  name: "short-templates",
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path: file }) => ({
      contents: shorten(await readFile(file, "utf8"), file),
      loader: "ts",
    }));
  },
};

/** Returns a source text in which the templates are short. */
export function shorten(text, file = "source.ts") {
  const pieces = [];
  const visit = (node) => {
    if (ts.isTaggedTemplateExpression(node) && TAGS.has(node.tag.getText())) {
      const { template } = node;
      const parts = ts.isTemplateExpression(template)
        ? [template.head, ...template.templateSpans.map((span) => span.literal)]
        : [template];
      pieces.push(...parts.map((part) => [part.getStart(), part.getEnd()]));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  let short = "";
  let end = 0;
  for (const [from, to] of pieces.sort(([one], [other]) => one - other)) {
    short += text.slice(end, from) + text.slice(from, to).replace(/\s*\n\s*/g, " ");
    end = to;
  }
  return short + text.slice(end);
}
