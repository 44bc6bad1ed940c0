/** The look of a report: one sheet, light and dark, from a phone's width to a projector's. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --panel: #ffffff; --ink: #1b2230; --soft: #566072; --rule: #d9dee6; --accent: #0b5cad;
  --image: #c2500a; --symbols: #0b66a8; --control: #6b7486; --good: #11703c; --bad: #b3261e; --heat: #ff8a3c; --optimal: #00916a;
  --series-0: #0b66a8; --series-1: #c2500a; --series-2: #00805c; --series-3: #9a3f8f; --series-4: #6a6a00; --series-5: #555f70;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d; --panel: #1b212b; --ink: #e8ecf2; --soft: #a8b2c2; --rule: #343d4b; --accent: #7db8f5;
    --image: #ff9a4d; --symbols: #6fb6f2; --control: #97a2b5; --good: #62d394; --bad: #ff8f85; --heat: #b34700; --optimal: #00a87b;
    --series-0: #6fb6f2; --series-1: #ff9a4d; --series-2: #4fd0a5; --series-3: #e59ad9; --series-4: #cfcf5a; --series-5: #a8b2c2;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; background: var(--page); color: var(--ink); scroll-padding-top: 3.5rem; }
@media (min-width: 1200px) { html { font-size: 18px; } }
body { margin: 0; }
header, main, footer { max-width: 88rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.2rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.2; margin: 2.4rem 0 .7rem; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .5rem; }
h4 { font-size: .92rem; margin: 1rem 0 .35rem; color: var(--soft); font-weight: 600; }
p { margin: .4rem 0; max-width: 70ch; }
a { color: var(--accent); }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .92em; overflow-wrap: anywhere; }
small, .note, figcaption { color: var(--soft); }
.note { font-size: .88rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip:not(:focus) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
nav { position: sticky; top: 0; z-index: 5; background: var(--page); border-bottom: 1px solid var(--rule); }
nav ul { display: flex; gap: 1.2rem; list-style: none; margin: 0 auto; padding: .5rem 1rem; max-width: 88rem; overflow-x: auto; }
nav a { text-decoration: none; white-space: nowrap; display: inline-block; padding: .2rem 0; }
nav a:hover { text-decoration: underline; }
.facts { color: var(--soft); max-width: none; }
.story li { margin: .3rem 0; max-width: 80ch; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); }
.grid.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); }
.panel, .plot, .puzzle, .gap { background: var(--panel); border: 1px solid var(--rule); border-radius: .6rem; padding: .9rem 1rem; margin: 0; min-width: 0; }
figure { margin: 0; min-width: 0; }
h3, h4, figcaption, .failures th, .u-legend th { overflow-wrap: anywhere; }
.plot > figcaption, .gap > figcaption { color: var(--ink); font-weight: 600; margin-bottom: .3rem; }

table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem; max-width: 80ch; }
th, td { text-align: right; padding: .3rem .6rem; vertical-align: top; }
th:first-child, th.left { text-align: left; }
thead th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--rule); }
.scroll { overflow-x: auto; }
.results { width: 100%; min-width: 34rem; }
.results th[scope^="row"] { font-weight: 400; text-align: left; }
.results tbody tr + tr { border-top: 1px solid var(--rule); }
.results td small { display: block; font-size: .78em; white-space: nowrap; }
@media (max-width: 44rem) {
  .results.cards { min-width: 0; }
  .results.cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .results.cards, .results.cards caption, .results.cards tbody { display: block; }
  .results.cards tr { display: grid; grid-template-columns: repeat(3, 1fr); padding: .4rem 0; }
  .results.cards th { grid-column: 1 / -1; padding: .1rem 0; font-weight: 600; }
  .results.cards td { text-align: left; padding: .15rem 0; }
  .results.cards td::before { content: attr(data-label); display: block; font-size: .75rem; color: var(--soft); }
}
.failures { width: 100%; max-width: 44rem; }
.failures td:last-child { width: 50%; }
.failures .fill { background: var(--bad); }
.config td, .config th { text-align: left; overflow-wrap: anywhere; }

.bars { width: 100%; }
.bars tr > * { padding: .12rem 0; }
.bars th[scope="rowgroup"] { padding-top: .9rem; font-weight: 600; text-align: left; }
.bars tbody:first-of-type th[scope="rowgroup"] { padding-top: 0; }
.bars th[scope="row"] { width: 5.5rem; font-weight: 400; text-align: left; padding-right: .5rem; line-height: 1.25; }
.bars td { text-align: left; }
.bars p { margin: .1rem 0 .3rem; font-size: .9rem; line-height: 1.3; max-width: none; }
.track { position: relative; height: 1.35rem; background: linear-gradient(to right, var(--rule) 1px, transparent 1px) 0 0 / 25% 100%, var(--page); border-right: 1px solid var(--rule); }
.track > div { position: absolute; top: 0; bottom: 0; }
.fill { left: 0; background: var(--control); }
.image .fill { background: var(--image); }
.symbols .fill { background: var(--symbols); }
.missing { background: repeating-linear-gradient(-45deg, var(--image) 0 2px, transparent 2px 7px); border: 1px dashed var(--image); }
.whisker { border: solid var(--ink); border-width: 0 2px; }
.whisker::after { content: ""; position: absolute; left: 0; right: 0; top: 50%; border-top: 2px solid var(--ink); }
.axis { position: relative; height: 1.4rem; margin-left: 5.5rem; font-size: .8rem; color: var(--soft); }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span:last-child { transform: translateX(-100%); }

.canvas { min-height: 12rem; }
.u-legend { color: var(--ink); font-variant-numeric: tabular-nums; font-size: .85rem !important; }
.u-legend .u-series > * { padding: 1px 4px; }
.uplot .u-legend th, .uplot .u-legend td { text-align: left; border: 0; }
.uplot .u-cursor-x, .uplot .u-cursor-y { border-color: var(--soft); }
details { margin-top: .4rem; }
summary { cursor: pointer; color: var(--accent); }
.more { margin-top: 1rem; }
.more > .grid { margin-top: .8rem; }
.plot table { font-size: .85rem; margin-top: .4rem; }

.badge { margin-left: .25em; vertical-align: .08em; display: inline-block; font-size: .8rem; font-weight: 600; padding: 0 .5em; border: 1px solid currentColor; border-radius: 1em; color: var(--soft); overflow-wrap: anywhere; }
.badge.good { color: var(--good); }
.badge.bad { color: var(--bad); }
.puzzle h3 { margin-top: 0; }
.run-name { border-top: 1px solid var(--rule); padding-top: .7rem; color: var(--ink); font-size: 1rem; }
.definition { position: absolute; width: 0; height: 0; }
.views { display: flex; flex-wrap: wrap; gap: 1rem; }
.views figure { flex: 1 1 9rem; max-width: 16rem; }
.views figcaption, .film figcaption { font-size: .82rem; line-height: 1.35; margin-top: .3rem; }
.seen { width: 100%; height: auto; image-rendering: pixelated; display: block; border-radius: .3rem; }
.board { width: 100%; display: block; border-radius: .3rem; overflow: hidden; }
.imagined .board { outline: 2px dashed var(--bad); outline-offset: 2px; }
.optimal { opacity: .65; }
.optimal path { stroke: var(--optimal); stroke-width: 5.4; stroke-linecap: round; }
.plan path { fill: none; stroke-linecap: round; stroke-linejoin: round; }
.plan .casing { stroke: #fff; stroke-width: 3.4; }
.plan .line { stroke: #d9480f; stroke-width: 1.9; }
.plan .begin { fill: #d9480f; stroke: #fff; stroke-width: .7; }
.plan .head { fill: #d9480f; stroke: #fff; stroke-width: .8; paint-order: stroke; }
.plan .fatal { stroke: #c40d2e; stroke-width: 2.2; }
.plan text { font: 600 4px system-ui, sans-serif; text-anchor: middle; fill: #7a2504; stroke: #fff; stroke-width: 1; paint-order: stroke; }
.film { list-style: none; margin: 0; padding: 0; display: grid; gap: .7rem; grid-template-columns: repeat(auto-fit, minmax(5.6rem, 1fr)); }
.film li { max-width: 10rem; min-width: 0; }
.film.large li { max-width: none; }
.film b { display: block; }
.film .badge { margin-left: 0; }
.film.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 11rem), 14rem)); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; list-style: none; margin: .3rem 0 1rem; padding: 0; font-size: .9rem; color: var(--soft); }
.key svg { width: 2.6rem; height: .8rem; vertical-align: middle; margin-right: .3rem; }
.key .chips { display: inline-flex; margin-right: .3rem; vertical-align: middle; }
.key .ramp { display: inline-block; width: 6rem; height: .8rem; margin: 0 .3rem; border: 1px solid var(--rule); background: linear-gradient(to right in oklab, var(--panel), var(--heat)); vertical-align: middle; }

.chips, .strip { display: flex; flex-wrap: wrap; gap: .25rem; list-style: none; margin: 0; padding: 0; font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
.chips li { border: 1px solid var(--rule); border-radius: .3rem; padding: 0 .35rem; }
.chips .differs { border: 0; padding: 0; display: flex; }
.chips del, .chips ins { padding: 0 .35rem; border-radius: .3rem; border: 2px solid var(--bad); color: var(--bad); }
.chips ins { border: 2px dashed var(--good); color: var(--good); text-decoration: none; }
.strips { position: relative; padding-bottom: 6.4rem; }
.strips::after { content: "Point at a token, tap it, or move with Tab and the arrow keys."; border: 1px dashed var(--rule); color: var(--soft); }
.strips::after, .strip .tip { position: absolute; left: 0; right: 0; bottom: 0; height: 6rem; overflow: auto; padding: .4rem .6rem; border-radius: .3rem; font: .82rem/1.4 system-ui, sans-serif; text-align: left; white-space: normal; }
.strip button { font: inherit; color: var(--ink); border: 1px solid var(--rule); border-radius: .3rem; padding: 0 .35rem; min-height: 1.6rem; cursor: help; background: color-mix(in oklab, var(--heat) calc(100% * var(--heat-share)), var(--panel)); }
.strip .plan-begins { margin-left: .5rem; padding-left: .6rem; border-left: 2px solid var(--soft); }
.strip .more { color: var(--soft); align-self: center; }
.strip .tip { visibility: hidden; z-index: 2; border: 1px solid var(--soft); background: var(--panel); color: var(--ink); }
.strip button:focus .tip, .strip button:hover .tip { visibility: visible; }
.strip button:hover .tip { z-index: 3; }
.strip-title { font-size: .85rem; margin: .5rem 0 .2rem; color: var(--soft); }
pre { overflow-x: auto; font-size: .82rem; background: var(--page); padding: .7rem; border-radius: .4rem; }
footer { color: var(--soft); font-size: .88rem; padding: 2rem 1rem 3rem; }
@media print { nav, .strips::after { display: none; } .strips { padding-bottom: 0; } .puzzle, .plot { break-inside: avoid; } }
`;
