/**
 * Runs in the reader's browser: draws the plots with uPlot in the page's colours, redraws them when colours or width change,
 * and lets arrow keys move along a heat strip. Without it the page lacks only its curves.
 */
(() => {
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const drawn = new Map();

  function draw(figure) {
    const { scale, x, curves } = JSON.parse(figure.querySelector('script').textContent);
    const target = figure.querySelector('.canvas');
    const show = (value, digits = 1) => {
      if (value === null || value === undefined) return '–';
      return scale === 'share' ? `${(100 * value).toFixed(digits)} %` : String(Number(value.toPrecision(3)));
    };
    const rule = { stroke: colour('--rule'), width: 1 };
    const axis = { stroke: colour('--soft'), grid: rule, ticks: rule };
    const lines = curves.flatMap(({ label, smooth }, k) => {
      const stroke = colour(`--series-${k % 6}`);
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
        scales: {
          x: { time: false },
          y: { distr: scale === 'log' ? 3 : 1, ...(scale === 'share' && { range: [0, 1] }) },
        },
        cursor: { drag: { x: true, y: false } },
        axes: [
          { ...axis, size: 34, values: (_, ticks) => ticks.map(String) },
          { ...axis, size: 58, values: (_, ticks) => ticks.map(tick => (tick === null ? '' : show(tick, 0))) },
        ],
        series: [{ label: 'update', value: (_, value) => String(value ?? '–') }, ...lines],
      },
      [x, ...curves.flatMap(({ raw, smooth }) => [raw, smooth])],
      target,
    );
    // The faint lines are the same figures unsmoothed and need no legend of their own.
    plot.root.querySelectorAll('.u-legend .u-series:nth-child(even)').forEach(row => row.remove());
    drawn.set(figure, plot);
  }

  // A folded plot has no width to draw in; it is drawn when its fold opens.
  const figures = () => [...document.querySelectorAll('.plot')].filter(figure => !figure.closest('.more:not([open])'));
  figures().forEach(draw);
  for (const fold of document.querySelectorAll('.more')) {
    fold.addEventListener('toggle', () => fold.open && fold.querySelectorAll('.plot').forEach(draw));
    addEventListener('beforeprint', () => (fold.open = true));
  }
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
    const choose = chosen => buttons.forEach(button => (button.tabIndex = button === chosen ? 0 : -1));
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
