// Fields with the settings of their panel: units, limits, colours, links.
import {
  FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, cacheFieldDisplayNames, createTheme, standardTransformers,
  standardTransformersRegistry,
} from '@grafana/data';
import { FROM, TO, asked } from './settings.js';
import { interpolate } from './variables.js';

export const theme = createTheme({ colors: { mode: asked.get('theme') || 'dark' } });

const transformers = new Map(Object.values(standardTransformers).filter((each) => each?.id).map((each) => [each.id, each]));
standardTransformersRegistry.setInit(() => [...transformers.values()].map((each) => ({ id: each.id, name: each.name, transformation: each, editor: () => null })));

const PROPERTIES = ['unit', 'min', 'max', 'decimals', 'thresholds', 'mappings', 'noValue', 'fieldMinMax', 'color', 'displayName', 'links', 'filterable', 'description'];
const OF_TABLES = ['cellOptions', 'width', 'minWidth', 'align', 'inspect', 'filterable', 'wrapText', 'hidden'];
const OF_LINES = ['stacking', 'lineStyle', 'axisSoftMin', 'axisSoftMax'];
const LINE = {
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', spanNulls: false, insertNulls: false,
  showPoints: 'auto', pointSize: 5, axisPlacement: 'auto', axisLabel: '', axisColorMode: 'text', axisBorderShow: false, axisCenteredZero: false,
  scaleDistribution: { type: 'linear' }, hideFrom: { legend: false, tooltip: false, viz: false }, thresholdsStyle: { mode: 'off' },
  barAlignment: 0, barWidthFactor: 0.6,
};

const registry = new FieldConfigOptionsRegistry();
const registered = { process: (value) => value, shouldApply: () => true, override: () => null, editor: () => null };
for (const id of PROPERTIES) registry.register({ id, path: id, name: id, ...registered });
for (const id of new Set([...OF_TABLES, ...OF_LINES, ...Object.keys(LINE)])) registry.register({ id: `custom.${id}`, path: id, isCustom: true, name: id, ...registered });

// What each core panel puts in place of settings that a board leaves out.
function completed(panel) {
  const defaults = structuredClone(panel.fieldConfig.defaults);
  if (panel.type === 'timeseries') {
    defaults.custom = { ...LINE, ...defaults.custom, stacking: { mode: 'none', group: 'A', ...defaults.custom?.stacking } };
    defaults.color ??= { mode: 'palette-classic' };
  } else if (panel.type === 'table') {
    defaults.thresholds ??= { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }] };
    defaults.custom = { align: 'auto', cellOptions: { type: 'auto' }, inspect: false, ...defaults.custom };
  }
  defaults.color ??= { mode: 'thresholds' };
  return defaults;
}

const overrides = (panel) => structuredClone(panel.fieldConfig.overrides);

// JSON has no infinity: the lowest threshold is written as null.
function withInfinity(node) {
  if (Array.isArray(node?.steps)) for (const step of node.steps) step.value ??= -Infinity;
  for (const each of Object.values(node ?? {})) if (each && typeof each === 'object') withInfinity(each);
  return node;
}

export function withSettings(frames, panel, values) {
  const fieldConfig = withInfinity({ defaults: completed(panel), overrides: overrides(panel) });
  const done = applyFieldOverrides({
    data: frames, fieldConfig, theme, timeZone: 'browser', fieldConfigRegistry: registry,
    replaceVariables: (text) => interpolate(text, values),
  });
  for (const frame of done) for (const field of frame.fields) {
    field.getLinks = linksOf(field, frame, values);
    // As the core panel does before it draws: no NaN and no infinity.
    if (panel.type === 'timeseries' && field.type === FieldType.number) field.values = field.values.map((each) => (Number.isFinite(each) ? each : null));
  }
  cacheFieldDisplayNames(done);
  return done;
}

function linksOf(field, frame, values) {
  const links = field.config.links ?? [];
  const labels = Object.fromEntries(Object.entries(field.labels ?? {}).map(([label, value]) => [`__field.labels.${label}`, value]));
  return ({ valueRowIndex = 0 } = {}) => links.map(({ title, url }) => {
    const row = Object.fromEntries(frame.fields.flatMap((each) => {
      const name = each.config.displayName ?? each.name;
      return [[`__data.fields.${name}`, each.values[valueRowIndex]], [`__data.fields["${name}"]`, each.values[valueRowIndex]]];
    }));
    const scope = { ...values, ...labels, ...row, '__value.raw': field.values[valueRowIndex], __url_time_range: `from=${FROM * 1000}&to=${TO * 1000}` };
    return { title, href: interpolate(url, scope), target: '_self', origin: field };
  });
}
