// A board: its choices at the top and its panels in Grafana's grid.
import { useEffect, useState } from 'react';
import { EXPANDED, FROM, HEIGHT, TO, WIDTH } from './settings.js';
import { theme } from './fields.js';
import { Panel } from './panels.jsx';

const TOP = 90; // pixels above the panels
const PADDING = 16, CELL = 30, GAP = 8, SETTLED = 500; // milliseconds after the last panel
const COLUMN = (WIDTH - 2 * PADDING + GAP) / 24;
const boxOf = ({ x, y, w, h }) => ({ left: PADDING + x * COLUMN, top: y * (CELL + GAP), width: w * COLUMN - GAP, height: h * (CELL + GAP) - GAP });

// Panels of a collapsed row have their place as if it were open; opening it moves down what comes after.
function laidOut(panels) {
  if (!EXPANDED) return panels;
  const placed = [];
  let down = 0;
  for (const panel of panels) {
    const moved = { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + down } };
    placed.push(moved);
    const inside = panel.panels ?? [];
    const first = Math.min(...inside.map((each) => each.gridPos.y));
    for (const each of inside) placed.push({ ...each, gridPos: { ...each.gridPos, y: each.gridPos.y - first + moved.gridPos.y + 1 } });
    if (inside.length) down += Math.max(...inside.map((each) => each.gridPos.y + each.gridPos.h)) - first;
  }
  return placed;
}

const short = (value) => [value].flat().map((each) => (each === '$__all' ? 'All' : each)).join(' + ');
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString('en-GB');

function Top({ board, values, options }) {
  const pill = { background: theme.colors.background.primary, border: `1px solid ${theme.colors.border.medium}`, padding: '5px 8px', borderRadius: 2, marginRight: 8, display: 'inline-block' };
  const bar = { padding: '10px 16px', display: 'flex', justifyContent: 'space-between', fontSize: 14, borderBottom: `1px solid ${theme.colors.border.weak}` };
  const shown = board.templating.list.filter((each) => !each.hide);
  return <>
    <div style={bar}><b>{board.title}</b><span style={pill}>{clock(FROM)} – {clock(TO)}</span></div>
    <div style={{ padding: '8px 16px', fontSize: 12 }}>
      {shown.map((each) => <span key={each.name} style={pill}><b style={{ marginRight: 8 }}>{each.label}</b>
        {each.type === 'datasource' ? 'Prometheus' : short(values[each.name])}{options[each.name] && ` (${options[each.name].length})`}</span>)}
    </div>
  </>;
}

const Row = ({ row }) => <div style={{ position: 'absolute', ...boxOf(row.gridPos), display: 'flex', alignItems: 'center', fontWeight: 500, fontSize: 16 }}>
  {row.collapsed && !EXPANDED ? '›' : '⌄'} {row.title}{row.collapsed && !EXPANDED && <small style={{ marginLeft: 8 }}>({row.panels.length} panels)</small>}</div>;

export function Board({ board, values, options, marks }) {
  const panels = laidOut(board.panels).filter(({ gridPos }) => TOP + boxOf(gridPos).top < HEIGHT);
  const [left, set] = useState(() => new Set(panels.filter((each) => each.type !== 'row').map((each) => each.title)));
  const done = (title) => set((before) => new Set([...before].filter((each) => each !== title)));
  useEffect(() => {
    window.waitingFor = [...left];
    if (left.size) return;
    const timer = setTimeout(() => { document.title = 'done'; }, SETTLED);
    return () => clearTimeout(timer);
  }, [left]);
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * (CELL + GAP);
  return <div style={{ width: WIDTH, background: theme.colors.background.canvas, color: theme.colors.text.primary, paddingBottom: 12 }}>
    <Top board={board} values={values} options={options} />
    <div style={{ position: 'relative', height: bottom }}>
      {panels.map((each) => each.type === 'row' ? <Row key={each.id} row={each} />
        : <Panel key={each.id} panel={each} box={boxOf(each.gridPos)} values={values} marks={marks} onDone={done} />)}
    </div>
  </div>;
}
