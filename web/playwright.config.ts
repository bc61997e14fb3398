/**
 * End-to-end tests of the built page in Debian's Chromium (CHROMIUM names another one). PAGE_URL
 * runs them against any server that has the page; without it `vite preview` serves it.
 */

import { defineConfig } from "@playwright/test";

const url = process.env.PAGE_URL ?? "http://127.0.0.1:4173/";

export default defineConfig({
  testDir: "e2e",
  outputDir: "../out/playwright",
  timeout: 60_000,
  // Speed is part of what is tested, so one at a time.
  workers: 1,
  reporter: "list",
  use: {
    baseURL: url,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
      ],
    },
  },
  ...(process.env.PAGE_URL === undefined
    ? { webServer: { command: "npx vite preview", url, reuseExistingServer: true } }
    : {}),
});
