/**
 * What runs in the reader's browser: it draws the plots with uPlot, in the colours of the page, anew when these or the width
 * change, and lets the arrow keys move along a heat strip. Without it the page lacks only the drawn curves.
 */
export const script = `
'use strict';
(() => {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  function draw(figure) {
    const { scale, x, curves } = JSON.parse(figure.querySelector('script').textContent);
    const target = figure.querySelector('.canvas');
    const percent = scale === 'share';
    const show = value => value == null ? '–' : percent ? (100 * value).toFixed(1) + ' %' : String(Number(value.toPrecision(3)));
    const axis = { stroke: colour('--soft'), grid: { stroke: colour('--rule'), width: 1 }, ticks: { stroke: colour('--rule'), width: 1 } };
    const lines = curves.flatMap(({ label, smooth }, k) => {
      const stroke = colour('--series-' + (k % 6));
      const dash = k >= 6 ? [6, 3] : undefined;
      const points = { show: smooth.filter(value => value !== null).length < 25, size: 6, fill: stroke };
      return [
        { label, stroke, width: 0.6, alpha: 0.35, points: { show: false }, spanGaps: true },
        { label, stroke, dash, width: 2.2, points, value: (_, value) => show(value), spanGaps: true },
      ];
    });
    drawn.get(figure)?.destroy();
    const plot = new uPlot(
      {
        width: target.clientWidth,
        height: 230,
        scales: { x: { time: false }, y: { distr: scale === 'log' ? 3 : 1, ...(percent && { range: [0, 1] }) } },
        legend: { live: true },
        cursor: { points: { show: true }, drag: { x: true, y: false } },
        axes: [
          { ...axis, size: 34, values: (_, ticks) => ticks.map(String) },
          { ...axis, size: 58, values: (_, ticks) => ticks.map(tick => tick == null ? '' : percent ? Math.round(100 * tick) + ' %' : String(Number(tick.toPrecision(3)))) },
        ],
        series: [{ label: 'update', value: (_, value) => value == null ? '–' : String(value) }, ...lines],
      },
      [x, ...curves.flatMap(({ raw, smooth }) => [raw, smooth])],
      target,
    );
    // The faint lines are the same figures unsmoothed: no legend of their own.
    plot.root.querySelectorAll('.u-legend .u-series').forEach((row, k) => { if (k % 2 === 1) row.remove(); });
    drawn.set(figure, plot);
  }

  // What is folded away has no width to be drawn in: it is drawn when it is opened.
  const figures = () => [...document.querySelectorAll('.plot')].filter(figure => !figure.closest('.more:not([open])'));
  figures().forEach(draw);
  for (const fold of document.querySelectorAll('.more')) fold.addEventListener('toggle', () => { if (fold.open) fold.querySelectorAll('.plot').forEach(draw); });
  addEventListener('beforeprint', () => document.querySelectorAll('.more').forEach(fold => { fold.open = true; }));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => figures().forEach(draw));
  let width = innerWidth;
  let waiting;
  addEventListener('resize', () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(() => figures().forEach(draw), 150);
  });

  for (const strip of document.querySelectorAll('.strip')) {
    const buttons = [...strip.querySelectorAll('button')];
    const choose = chosen => buttons.forEach(button => { button.tabIndex = button === chosen ? 0 : -1; });
    choose(buttons[0]);
    strip.addEventListener('focusin', event => choose(event.target));
    strip.addEventListener('click', event => event.target.closest('button')?.focus()); // Safari does not focus buttons by itself
    strip.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -buttons.length, End: buttons.length }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const at = buttons.indexOf(document.activeElement) + step;
      buttons[Math.max(0, Math.min(buttons.length - 1, at))].focus();
    });
  }
})();
`;
