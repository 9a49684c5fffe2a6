// What Grafana's data source asks Prometheus, and what it makes of the answers.
import { FieldType, rangeUtil, toDataFrame } from '@grafana/data';
import { FASTER, FROM, PROMETHEUS, RANGE, SCRAPE, TO } from './settings.js';
import { interpolate } from './variables.js';

export async function api(path, parameters) {
  const isQuery = !path.startsWith('label/');
  const encoded = new URLSearchParams(parameters);
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const address = `${PROMETHEUS}/api/v1/${path}`;
  const response = isQuery ? await fetch(address, { method: 'POST', headers, body: encoded }) : await fetch(`${address}?${encoded}`);
  const answer = await response.json();
  if (answer.status !== 'success') throw new Error(answer.error);
  return answer.data;
}

// Grafana asks for about a point for each pixel, and not for more often than is scraped.
export function stepOf(width) {
  const wanted = rangeUtil.roundInterval((RANGE * 1000) / Math.max(100, width)) / 1000;
  return Math.max(wanted, SCRAPE, Math.ceil(RANGE / 11000));
}

const SECONDS = { s: 1, m: 60, h: 3600 };
const divided = (text) => text.replace(/\[(\d+)([smh])\]/g, (_, n, unit) => `[${Math.round(1000 * Math.max(2 * SCRAPE, (n * SECONDS[unit]) / FASTER))}ms]`);

export function interpolated(text, values, step = SCRAPE) {
  const range = Math.round(RANGE);
  const times = { __rate_interval: `${Math.max(step + SCRAPE, 4 * SCRAPE)}s`, __interval: `${step}s`, __range: `${range}s`, __range_s: range };
  return interpolate(FASTER === 1 ? text : divided(text), { ...values, ...times });
}

const number = (text) => ({ '+Inf': Infinity, '-Inf': -Infinity })[text] ?? parseFloat(text);

function nameOf(target, labels) {
  if (target.legendFormat) return target.legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? '');
  const { __name__: name = '', ...rest } = labels;
  const shown = Object.entries(rest).map(([label, value]) => `${label}="${value}"`);
  return name || shown.length ? `${name}{${shown.join(', ')}}` : 'Value';
}

function series(target, labels, samples, interval) {
  const name = nameOf(target, labels);
  return toDataFrame({
    refId: target.refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, values: samples.map(([at]) => at * 1000), config: { interval } },
      { name: 'Value', type: FieldType.number, labels, values: samples.map(([, text]) => number(text)), config: { displayNameFromDS: name } },
    ],
  });
}

export async function queryRange(target, values, width) {
  const step = stepOf(width);
  const [start, end] = [FROM, TO].map((time) => Math.floor(time / step) * step);
  const { result } = await api('query_range', { query: interpolated(target.expr, values, step), start, end, step });
  return result.map((each) => series(target, each.metric, each.values, step * 1000));
}

function asTable(target, rows, isOneOfMany) {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(() => TO * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: rows.map((row) => row.metric[label] ?? ''), config: { filterable: true } })),
      { name: isOneOfMany ? `Value #${target.refId}` : 'Value', type: FieldType.number, values: rows.map((row) => number(row.value[1])) },
    ],
  });
}

export async function queryInstant(target, values, width, isOneOfMany) {
  const { resultType, result } = await api('query', { query: interpolated(target.expr, values, stepOf(width)), time: TO });
  const rows = resultType === 'scalar' ? [{ metric: {}, value: result }] : result;
  if (target.format === 'table') return rows.length ? [asTable(target, rows, isOneOfMany)] : [];
  return rows.map((row) => series(target, row.metric, [row.value]));
}

// Of its exemplars the data source shows a few: in each step the highest, and each that is far below the last one kept.
export async function exemplars(target, values, width) {
  const step = stepOf(width);
  const found = await api('query_exemplars', { query: interpolated(target.expr, values, step), start: FROM, end: TO });
  const all = found.flatMap((each) => each.exemplars.map((one) => ({ t: one.timestamp * 1000, v: +one.value })));
  const mean = all.reduce((sum, each) => sum + each.v, 0) / (all.length || 1);
  const deviation = Math.sqrt(all.reduce((sum, each) => sum + (each.v - mean) ** 2, 0) / Math.max(1, all.length - 1));
  const kept = new Map();
  for (const each of all.sort((one, other) => other.v - one.v)) {
    const at = Math.floor(each.t / (step * 1000));
    const before = kept.get(at) ?? [];
    if (!before.length || before.at(-1).v - each.v > 2 * deviation) kept.set(at, [...before, each]);
  }
  return [...kept.values()].flat();
}

export async function annotations(board, values) {
  const asked = (board.annotations?.list ?? []).filter((each) => each.expr && each.enable);
  const step = Math.max(stepOf(WIDTH_OF_GRAPH), SCRAPE);
  const found = await Promise.all(asked.map(async ({ expr, iconColor }) => {
    const { result } = await api('query_range', { query: interpolated(expr, values, step), start: FROM, end: TO, step });
    // The data source makes one mark of what follows without a gap.
    return result.flatMap((each) => each.values.filter(([at], i) => !i || at - each.values[i - 1][0] > step).map(([at]) => ({ t: at * 1000, colour: iconColor })));
  }));
  return found.flat();
}
const WIDTH_OF_GRAPH = 700;
