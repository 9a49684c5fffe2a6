// Grafana's heatmap is a core panel and in no package. The same rules: cumulative buckets made plain, one row for each
// `le`, the colours of the scheme over value ** exponent, nothing for values up to filterValues.le.
import { useEffect, useRef } from 'react';
import { dateTimeFormat, formattedValueToString, getValueFormat } from '@grafana/data';
import { interpolateOranges } from 'd3-scale-chromatic';
import { FROM, RANGE } from './settings.js';
import { theme } from './fields.js';

const LEFT = 72, RIGHT = 10, AXIS = 22, LEGEND = 30;
const bound = (text) => (text === '+Inf' ? Infinity : +text);

function plain(frames) {
  const rows = frames.map((frame) => ({ le: bound(frame.fields[1].labels.le), frame })).sort((one, other) => one.le - other.le);
  const times = [...new Set(rows.flatMap(({ frame }) => frame.fields[0].values))].sort((one, other) => one - other);
  const at = rows.map(({ frame }) => new Map(frame.fields[0].values.map((time, i) => [time, frame.fields[1].values[i]])));
  const cells = rows.map((_, i) => times.map((time) => Math.max(0, (at[i].get(time) ?? 0) - (i ? (at[i - 1].get(time) ?? 0) : 0))));
  return { bounds: rows.map(({ le }) => le), times, cells, step: frames[0].fields[0].config.interval / 1000 };
}

function paint(context, { panel, frames, exemplars, width, height }) {
  const { bounds, times, cells, step } = plain(frames);
  const { color, filterValues, cellGap, yAxis, legend } = panel.options;
  const shown = cells.flat().filter((value) => value > filterValues.le);
  const [least, most] = [Math.min(...shown), Math.max(...shown)];
  const [wide, high] = [width - LEFT - RIGHT, height - AXIS - (legend?.show ? LEGEND : 0)];
  const row = high / bounds.length;
  const x = (time) => LEFT + ((time / 1000 - FROM) / RANGE) * wide;
  const scheme = (share) => interpolateOranges(theme.isDark ? 1 - share : share);
  const colour = (value) => scheme(Math.round(((value - least) / (most - least || 1)) ** color.exponent * (color.steps - 1)) / (color.steps - 1));
  const cell = (step / RANGE) * wide;
  cells.forEach((line, i) => line.forEach((value, j) => {
    if (value <= filterValues.le) return;
    context.fillStyle = colour(value);
    context.fillRect(x(times[j]) - cell, high - (i + 1) * row, Math.max(1, cell - cellGap), row - cellGap);
  }));
  context.fillStyle = theme.colors.text.primary;
  context.font = '12px Inter, sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  const unit = getValueFormat(yAxis.unit);
  const every = Math.ceil(16 / row);
  bounds.forEach((le, i) => i % every || context.fillText(le === Infinity ? '+Inf' : formattedValueToString(unit(le)), LEFT - 6, Math.max(7, high - (i + 1) * row + 2)));
  context.textAlign = 'center';
  for (let k = 0; k <= 5; k++) context.fillText(dateTimeFormat((FROM + (RANGE * k) / 5) * 1000, { format: 'HH:mm' }), Math.min(LEFT + (wide * k) / 5, width - 18), high + 12);
  context.fillStyle = panel.options.exemplars.color;
  for (const { t, v } of exemplars) {
    const i = bounds.findIndex((le) => v <= le);
    const low = i ? bounds[i - 1] : bounds[0] / 2;
    const above = bounds[i] === Infinity ? low * 2 : bounds[i];
    const part = Math.min(1, Math.max(0, Math.log(v / low) / Math.log(above / low)));
    context.fillRect(x(t) - 3, high - (i + part) * row - 3, 6, 6);
  }
  if (!legend?.show || !shown.length) return;
  for (let k = 0; k < 200; k++) {
    context.fillStyle = scheme(k / 199);
    context.fillRect(LEFT + k, height - 22, 1, 8);
  }
  context.fillStyle = theme.colors.text.primary;
  context.fillText(least.toPrecision(2), LEFT, height - 6);
  context.fillText(most.toPrecision(2), LEFT + 200, height - 6);
}

export function Heatmap(props) {
  const canvas = useRef();
  useEffect(() => paint(canvas.current.getContext('2d'), props), []);
  return <canvas ref={canvas} width={props.width} height={props.height} />;
}
