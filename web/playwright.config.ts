/**
 * End-to-end tests of the built page in Debian's Chromium (CHROMIUM names another one;
 * firefox.spec.ts opens Firefox by itself), served by `masklens serve` with its headers: PYTHON runs
 * it, MASKLENS_BUNDLE is the bundle that the page was built with. PAGE_URL runs them against any
 * other server that has the page.
 */

import { createServer } from "node:net";
import { defineConfig } from "@playwright/test";
import { BUNDLE, CHROMIUM, PROJECT, PYTHON } from "./e2e/support";

// A port of its own, so that no other server is tested by mistake. Playwright reads this file once
// per process, and the later ones inherit the first one's environment.
process.env.MASKLENS_TEST_PORT ??= String(await freePort());
const port = process.env.MASKLENS_TEST_PORT;
const url = process.env.PAGE_URL ?? `http://127.0.0.1:${port}/`;
const serve = [PYTHON, "-m", "masklens", "serve", "--port", port];
if (BUNDLE !== undefined) serve.push("--bundle", BUNDLE);

export default defineConfig({
  testDir: "e2e",
  outputDir: "../out/playwright",
  timeout: 90_000,
  // Generous, because the machine may have other things to do; what must be fast is measured
  // by bench/.
  expect: { timeout: 20_000 },
  // Speed is part of what is tested, so one at a time.
  workers: 1,
  reporter: "list",
  use: {
    baseURL: url,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM,
    },
  },
  ...(process.env.PAGE_URL === undefined
    ? {
        webServer: {
          command: serve.map((word) => JSON.stringify(word)).join(" "),
          env: { PYTHONPATH: `${PROJECT}/src` },
          url,
          reuseExistingServer: false,
          gracefulShutdown: { signal: "SIGTERM", timeout: 10_000 },
          stderr: "pipe",
        },
      }
    : {}),
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
