import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { TEXTS_DIGEST: JSON.stringify("test") },
  test: { include: ["test/**/*.test.ts"] },
});
