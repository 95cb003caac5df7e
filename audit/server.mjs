// The site as a static host serves it: under its base path, compressed, on this machine only.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import zlib from "node:zlib";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
  ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp",
  ".woff2": "font/woff2", ".xml": "application/xml", ".ipynb": "application/json", ".txt": "text/plain; charset=utf-8",
};
const COMPRESSED = /^(text|application)\/|svg/;

/** Returns the file that an address below the base path means, or null. */
function fileOf(folder, base, url) {
  const asked = decodeURIComponent(new URL(url, "http://localhost").pathname);
  if (!asked.startsWith(base)) return null;
  let file = path.join(folder, asked.slice(base.length));
  if (asked.endsWith("/")) file = path.join(file, "index.html");
  const inside = file.startsWith(folder + path.sep);
  return inside && fs.existsSync(file) && fs.statSync(file).isFile() ? file : null;
}

/** Serves a folder under a base path that begins and ends with a slash; returns its address and how to stop. */
export async function serve(folder, base) {
  const compressed = new Map();
  const server = http.createServer((request, response) => {
    const file = fileOf(folder, base, request.url);
    if (file === null) return response.writeHead(404).end("not found");
    const type = TYPES[path.extname(file)] ?? "application/octet-stream";
    if (!COMPRESSED.test(type)) return response.writeHead(200, { "content-type": type }).end(fs.readFileSync(file));
    if (!compressed.has(file)) compressed.set(file, zlib.gzipSync(fs.readFileSync(file)));
    response.writeHead(200, { "content-type": type, "content-encoding": "gzip" }).end(compressed.get(file));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, address: origin + base, close: () => { server.close(); server.closeAllConnections(); } };
}
