// Bundle the page into `out/`, which is all that the browser gets.
import { build } from 'esbuild';
import fs from 'node:fs';

// Grafana's editors of code are on no board, and are most of its size.
const EDITORS = /^(monaco-editor|react-monaco-editor|@monaco-editor\/.*|monaco-promql)(\/.*)?$/;
const withoutEditors = {
  name: 'without editors',
  setup(builder) {
    builder.onResolve({ filter: EDITORS }, ({ path }) => ({ path, namespace: 'none' }));
    const contents = 'module.exports = new Proxy(function () {}, { get: (t, k) => (k === "__esModule" ? false : t) })';
    builder.onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents, loader: 'js' }));
  },
};

const inlined = Object.fromEntries(['.svg', '.png', '.woff', '.woff2', '.ttf'].map((each) => [each, 'dataurl']));

export async function bundle(folder, outdir) {
  await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.jsx'],
    bundle: true,
    format: 'esm',
    outdir,
    jsx: 'automatic',
    minify: true,
    define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
    loader: inlined,
    plugins: [withoutEditors],
    logLevel: 'error',
  });
  fs.copyFileSync(`${folder}/index.html`, `${outdir}/index.html`);
}
