// Draw pictures of boards: a job in JSON on stdin, a line of JSON on stdout for each picture, with what its page says.
//
//   {"prometheus": "http://…", "boards": "/…/dashboards", "out": "/…", "chromium": "/usr/bin/chromium",
//    "pictures": [{"file": "/…/overview.png", "board": "overview", "width": 1440, "height": 900, "query": "theme=dark"}]}
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import puppeteer from 'puppeteer-core';
import { bundle } from './build.mjs';
import { read } from './read.mjs';

const PATIENCE = 60_000; // milliseconds for one board
const TALL = 6000; // pixels, more than any board has
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' };
const OPTIONS = ['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--disable-background-networking',
  '--disable-component-update', '--no-first-run', '--disable-sync', '--disable-extensions', '--disable-dev-shm-usage'];

function serve(out, boards) {
  const server = http.createServer((request, response) => {
    const name = new URL(request.url, 'http://x').pathname.replace(/\/$/, '/index.html');
    const file = name.startsWith('/boards/') ? path.join(boards, path.basename(name)) : path.join(out, path.basename(name));
    fs.readFile(file, (error, data) => {
      response.writeHead(error ? 404 : 200, { 'Content-Type': TYPES[path.extname(file)] ?? 'text/plain' });
      response.end(data);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function draw(browser, address, { file, board, width, height, query, panel }, prometheus) {
  const page = await browser.newPage();
  const failure = new Promise((_, reject) => page.on('pageerror', (error) => reject(new Error(`${board} ${query}: ${error.message}`))));
  failure.catch(() => {});
  try {
    await page.setViewport({ width, height: height ?? TALL });
    const asked = new URLSearchParams({ board, width, height: height ?? '', prometheus });
    await page.goto(`${address}/?${asked}&${query ?? ''}`, { waitUntil: 'domcontentloaded' });
    const done = page.waitForFunction(() => document.title === 'done', { timeout: PATIENCE, polling: 100 });
    await Promise.race([done, failure]).catch(async (error) => {
      done.catch(() => {});
      throw new Error(`${error.message}\nnot drawn: ${await page.evaluate(() => window.waitingFor)}`);
    });
    if (!file) return { panels: await page.evaluate(read) };
    if (panel) await (await page.$(`[data-panel="${panel}"]`)).screenshot({ path: file });
    else await page.screenshot({ path: file, clip: { x: 0, y: 0, width, height: height ?? (await bottom(page)) } });
    return { panels: await page.evaluate(read) };
  } finally {
    await page.close();
  }
}

const bottom = (page) => page.evaluate(() => Math.ceil(document.querySelector('#root > div').getBoundingClientRect().height));

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
await bundle(import.meta.dirname, job.out);
const server = await serve(job.out, job.boards);
const browser = await puppeteer.launch({ executablePath: job.chromium, headless: true, args: OPTIONS });
try {
  const address = `http://127.0.0.1:${server.address().port}`;
  // One after the other: a page in the background draws nothing.
  for (const picture of job.pictures) console.log(JSON.stringify(await draw(browser, address, picture, job.prometheus)));
} finally {
  await browser.close();
  server.close();
}
