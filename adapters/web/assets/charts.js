import { amount } from './dom.js';

const charts = new Map();
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// In ECharts' rich text, braces and bars style text; in a name they are only noise.
const plain = (s) => String(s).replace(/[{}|]/g, ' ');

function draw(element, option) {
  let c = charts.get(element);
  if (!c) {
    c = { chart: window.echarts.init(element, null, { renderer: 'canvas' }) };
    charts.set(element, c);
    new ResizeObserver(() => c.chart.resize()).observe(element);
  }
  c.chart.setOption({ ...frame(), ...option }, { notMerge: true });
}

function frame() {
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  return {
    animation: !still, animationDuration: 200, textStyle: { color: css('--quiet'), fontFamily: 'inherit' },
    grid: { left: 8, right: 14, top: 30, bottom: 8, containLabel: true },
    legend: { top: 0, textStyle: { color: css('--quiet') }, itemWidth: 16 },
  };
}

const axis = () => ({ axisLine: { lineStyle: { color: css('--line') } }, axisLabel: { color: css('--quiet'), hideOverlap: true }, splitLine: { lineStyle: { color: css('--line') } } });

function tooltip(unit, names) {
  return {
    trigger: 'axis', renderMode: 'richText', backgroundColor: css('--card'), borderColor: css('--line'), textStyle: { color: css('--ink') },
    formatter: (all) => {
      const seen = new Map();
      for (const p of all) {
        const v = Array.isArray(p.value) ? p.value[names.has(p.seriesName) ? names.get(p.seriesName) : 1] : p.value;
        if (v !== null && v !== undefined && p.seriesName !== '') seen.set(p.seriesName, v);
      }
      return [new Date(all[0].value[0]).toLocaleString(), ...[...seen].map(([k, v]) => `${plain(k)}: ${amount(v, plain(unit))}`)].join('\n');
    },
  };
}

/** demand draws what was, the forecast's band, and what the present brokers carry. */
export function demand(element, decision, past, forecast) {
  const key = forecast.subject ? `${forecast.signal}/${forecast.subject}` : forecast.signal;
  const was = past.filter((p) => p.signals[key] !== undefined).map((p) => [p.time, p.signals[key]]);
  const curve = forecast.curve ?? [];
  const last = was.at(-1);
  const band = last && curve.length ? [{ time: last[0], low: last[1], mid: last[1], high: last[1] }, ...curve] : curve;
  const color = css('--band');
  const line = (name, data, extra) => ({ name, type: 'line', showSymbol: false, data, ...extra });
  const ends = [was[0]?.[0] ?? curve[0]?.time, curve.at(-1)?.time ?? last?.[0]].filter(Boolean);
  const capacity = forecast.capacity > 0 ? ends.map((t) => [t, forecast.capacity]) : [];
  const acted = past.filter((p) => p.acted).map((p) => ({ xAxis: p.time }));
  draw(element, {
    legend: { ...frame().legend, data: ['demand', 'forecast', 'high', ...(capacity.length ? ['capacity'] : [])] },
    tooltip: tooltip(forecast.unit, new Map([['high', 2]])),
    xAxis: { type: 'time', ...axis(), splitLine: { show: false } },
    yAxis: { type: 'value', min: 0, ...axis(), axisLabel: { color: css('--quiet'), formatter: (v) => amount(v, plain(forecast.unit)) } },
    series: [
      line('low', band.map((p) => [p.time, p.low]), { stack: 'band', lineStyle: { opacity: 0 }, itemStyle: { color }, silent: true }),
      line('high', band.map((p) => [p.time, p.high - p.low, p.high]), { stack: 'band', lineStyle: { opacity: 0 }, itemStyle: { color }, areaStyle: { color, opacity: 0.22 }, silent: true }),
      line('forecast', band.map((p) => [p.time, p.mid]), { lineStyle: { color, type: 'dashed', width: 2 }, itemStyle: { color } }),
      line('demand', was, {
        lineStyle: { color: css('--ink'), width: 2 }, itemStyle: { color: css('--ink') },
        markLine: { silent: true, symbol: 'none', label: { show: false }, lineStyle: { color: css('--quiet'), type: 'dotted' }, data: acted },
      }),
      line('capacity', capacity, { lineStyle: { color: css('--heat'), width: 2 }, itemStyle: { color: css('--heat') } }),
    ],
  });
  const peak = band.reduce((m, p) => Math.max(m, p.high), 0);
  element.setAttribute('aria-label', `${key}: now ${amount(forecast.now, forecast.unit)}, the forecast's high reaches ${amount(peak, forecast.unit)}` +
    (forecast.capacity > 0 ? `, capacity is ${amount(forecast.capacity, forecast.unit)}` : ', capacity is not known'));
}

/** size draws how many brokers there were, and how many were required. */
export function size(element, past) {
  const line = (name, pick, color, type) => ({ name, type: 'line', step: 'end', showSymbol: past.length < 2, data: past.map((p) => [p.time, pick(p)]), lineStyle: { color, type, width: 2 }, itemStyle: { color } });
  draw(element, {
    tooltip: tooltip('', new Map()),
    xAxis: { type: 'time', ...axis(), splitLine: { show: false } },
    yAxis: { type: 'value', minInterval: 1, scale: true, ...axis() },
    series: [line('required', (p) => p.wanted || null, css('--band'), 'dashed'), line('brokers', (p) => p.brokers, css('--ink'), 'solid')],
  });
  const last = past.at(-1);
  element.setAttribute('aria-label', last ? `${last.brokers} brokers, ${last.wanted} required` : 'No decisions yet');
}
