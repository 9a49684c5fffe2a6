// Grafana's variables in texts, and the choices that a board offers.
import { FROM, TO, asked } from './settings.js';
import { api, interpolated } from './prometheus.js';

const forRegex = (value) => value.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]+?.()|]/g, '\\\\$&');

function asRegex(values, allValue) {
  if (values[0] === '$__all') return allValue ?? '.*';
  return values.length === 1 ? forRegex(values[0]) : `(${values.map(forRegex).join('|')})`;
}

const FORMATS = {
  queryparam: (name, value) => [value].flat().map((each) => `var-${name}=${encodeURIComponent(each)}`).join('&'),
  percentencode: (name, value) => encodeURIComponent(value),
};

// `${name}`, `${name:format}`, `$name`; names of fields may be in quotes: `${__data.fields["Waiting now"]}`.
const VARIABLE = /\$\{([\w.]+(?:\["[^"]+"\])?)(?::(\w+))?\}|\$(\w+)/g;

export function interpolate(text, values) {
  return text.replace(VARIABLE, (whole, braced, format, bare) => {
    const name = braced ?? bare;
    if (!(name in values)) return whole;
    const value = values[name];
    if (format) return FORMATS[format](name, value);
    return Array.isArray(value) ? asRegex(value, values.__all?.[name]) : String(value);
  });
}

export async function chosen(board) {
  const values = { datasource: 'prometheus', __all: {} };
  const options = {};
  for (const variable of board.templating.list.filter((each) => each.type === 'query')) {
    const { name, query, multi, allValue, sort } = variable;
    values.__all[name] = allValue;
    options[name] = await choices(query, variable.regex, values);
    if (sort) options[name].sort((one, other) => one.toLowerCase().localeCompare(other.toLowerCase()));
    const given = asked.getAll(`var-${name}`);
    values[name] = multi ? (given.length ? given : ['$__all']) : (given[0] ?? options[name][0] ?? '');
  }
  return { values, options };
}

async function choices(query, regex, values) {
  const labels = query.match(/^label_values\((.*),\s*(\w+)\)$/s);
  if (labels) return api(`label/${labels[2]}/values`, { 'match[]': interpolated(labels[1], values), start: FROM, end: TO });
  const [, expression] = query.match(/^query_result\((.*)\)$/s);
  const { result } = await api('query', { query: interpolated(expression, values), time: TO });
  const wanted = new RegExp(regex.replace(/^\/|\/$/g, ''));
  return result.map(({ metric, value }) => {
    const all = Object.entries(metric).map(([key, each]) => `${key}="${each}"`);
    return `{${all.join(',')}} ${value[1]} ${value[0] * 1000}`.match(wanted)[1];
  });
}
