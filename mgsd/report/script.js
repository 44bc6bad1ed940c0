/**
 * Runs in the reader's browser: shows the values of a plot at the pointer, and lets arrow keys move along a heat strip.
 * Without it the page lacks nothing else.
 */
(() => {
  for (const plot of document.querySelectorAll('.plot')) {
    const { x, curves } = JSON.parse(plot.querySelector('script').textContent);
    const [svg, area, cursor] = ['svg', '.area', '.cursor'].map(name => plot.querySelector(name));
    const show = event => {
      const { left, width } = area.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
      const point = Math.max(0, Math.ceil(share * x.length) - 1); // a point stands for the updates before it
      const seen = curves.map(({ values }) => values.slice(0, point + 1).findLast(value => value !== null) ?? '–');
      plot.querySelectorAll('output').forEach((output, k) => (output.textContent = [x[point], ...seen][k]));
      cursor.x.baseVal.value = share * area.width.baseVal.value;
    };
    for (const event of ['pointermove', 'pointerdown']) svg.addEventListener(event, show);
  }

  for (const strip of document.querySelectorAll('.strip')) {
    const buttons = [...strip.querySelectorAll('button')];
    const choose = chosen => buttons.forEach(button => (button.tabIndex = button === chosen ? 0 : -1));
    choose(buttons[0]);
    strip.addEventListener('focusin', event => choose(event.target));
    strip.addEventListener('click', event => event.target.closest('button')?.focus()); // for Safari
    strip.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -buttons.length, End: buttons.length }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const at = buttons.indexOf(document.activeElement) + step;
      buttons[Math.max(0, Math.min(buttons.length - 1, at))].focus();
    });
  }
})();
