// One panel: its queries, and Grafana's own component for its kind.
import React, { useEffect, useState } from 'react';
import { lastValueFrom } from 'rxjs';
import { FieldType, dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues, renderMarkdown, transformDataFrame } from '@grafana/data';
import { BigValue, PanelChrome, TimeSeries } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { exemplars, queryInstant, queryRange } from './prometheus.js';
import { FROM, TO } from './settings.js';
import { theme, withSettings } from './fields.js';
import { Heatmap } from './heatmap.jsx';

const TIME_RANGE = { from: dateTime(FROM * 1000), to: dateTime(TO * 1000), raw: { from: 'now-1h', to: 'now' } };

async function load(panel, values, width) {
  if (panel.type === 'text') return { frames: [], dots: [] };
  const targets = panel.targets ?? [];
  const asked = targets.map((each) => (each.instant ? queryInstant(each, values, width, targets.length > 1) : queryRange(each, values, width)));
  let frames = (await Promise.all(asked)).flat();
  if (panel.transformations?.length && frames.length) frames = await lastValueFrom(transformDataFrame(panel.transformations, frames));
  const dots = await Promise.all(targets.filter((each) => each.exemplar).map((each) => exemplars(each, values, width)));
  return { frames: panel.type === 'heatmap' ? frames : withSettings(frames, panel, values), dots: dots.flat() };
}

const centred = { display: 'flex', height: '100%', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary, fontSize: 18 };
const Nothing = ({ panel }) => <div data-empty style={centred}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
const Failure = ({ error }) => <pre data-error style={{ color: 'red', whiteSpace: 'pre-wrap' }}>{String(error.stack ?? error)}</pre>;

class Guarded extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <Failure error={this.state.error} /> : this.props.children; }
}

function Stat({ panel, width, height, frames }) {
  const { reduceOptions, colorMode, graphMode } = panel.options;
  const found = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions, theme, data: frames, sparkline: graphMode !== 'none', timeZone: 'browser', replaceVariables: (text) => text,
  });
  const values = found.length ? found : [{ display: { text: panel.fieldConfig.defaults.noValue, color: theme.colors.text.primary } }];
  const several = values.length > 1;
  const alignment = getDisplayValueAlignmentFactors(found);
  return <div style={{ display: 'flex' }}>{values.map(({ display, sparkline }, i) => (
    <div key={i} data-stat={`${display.prefix ?? ''}${display.text}${display.suffix ?? ''}`} data-colour={display.color}>
      <BigValue theme={theme} width={width / values.length} height={height} value={{ ...display, title: several ? display.title : undefined }}
        sparkline={graphMode === 'none' ? undefined : sparkline} colorMode={colorMode} graphMode={graphMode}
        textMode={several ? 'value_and_name' : 'value'} justifyMode="auto" alignmentFactors={several ? alignment : undefined} />
    </div>))}</div>;
}

function drawMarks(plot, dots, marks) {
  const { ctx, bbox } = plot;
  const scale = Object.keys(plot.scales).find((each) => each !== 'x');
  ctx.save();
  for (const { t, colour } of marks) {
    const x = plot.valToPos(t, 'x', true);
    ctx.strokeStyle = theme.visualization.getColorByName(colour);
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.fillStyle = 'rgba(31,120,193,0.9)';
  for (const { t, v } of scale ? dots : []) ctx.fillRect(plot.valToPos(t, 'x', true) - 3, plot.valToPos(v, scale, true) - 3, 6, 6);
  ctx.restore();
}

function Graph({ panel, width, height, frames, dots, marks }) {
  let place = 0;
  for (const frame of frames) for (const field of frame.fields) if (field.type === FieldType.number) field.state = { ...field.state, seriesIndex: place++ };
  return <TimeSeries frames={frames} timeRange={TIME_RANGE} timeZone="browser" width={width} height={height} legend={panel.options.legend}
    options={panel.options} structureRev={1}>
    {(config) => { config.addHook('draw', (plot) => drawMarks(plot, dots, marks)); return null; }}
  </TimeSeries>;
}

function Table({ panel, width, height, frames }) {
  return <TableNG data={frames[0]} width={width} height={height} showTypeIcons={false} cellHeight={panel.options.cellHeight}
    initialSortBy={panel.options.sortBy} fieldConfig={panel.fieldConfig} timeRange={TIME_RANGE} getActions={() => []} structureRev={1} />;
}

const Text = ({ panel }) => <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />;

const KINDS = { stat: Stat, timeseries: Graph, table: Table, heatmap: Heatmap };

function Content({ panel, state, ...size }) {
  if (panel.type === 'text') return <Text panel={panel} />;
  if (panel.type !== 'stat' && !state.frames.some((frame) => frame.length > 0)) return <Nothing panel={panel} />;
  const Kind = KINDS[panel.type];
  return <Kind panel={panel} frames={state.frames} dots={state.dots} exemplars={state.dots} {...size} />;
}

export function Panel({ panel, box, values, marks, onDone }) {
  const [state, set] = useState(null);
  const [error, fail] = useState(null);
  useEffect(() => { load(panel, values, Math.round(box.width)).then(set, fail).finally(() => onDone(panel.title)); }, []);
  return <div style={{ position: 'absolute', ...box }} data-panel={panel.title} data-type={panel.type}>
    <PanelChrome title={panel.title} description={panel.description} width={box.width} height={box.height} loadingState="Done" statusMessage={error?.message}>
      {(width, height) => error ? <Failure error={error} /> : state && (
        <Guarded><Content panel={panel} state={state} width={width} height={height} marks={marks} /></Guarded>)}
    </PanelChrome>
  </div>;
}
