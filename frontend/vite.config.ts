// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../lamplighter/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // nothing inline: the content security policy allows files of this server only
    chunkSizeWarningLimit: 1300, // MapLibre is one module
    target: "es2022",
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8000", "/live": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
