/** Markup of the report on the page: what is unfolded stays so when it is drawn anew, and the keyboard's place too. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Html } from '../pictures/html.js';

export function Markup({ of, class: name }: { readonly of: Html; readonly class?: string }) {
  const place = useRef<HTMLDivElement>(null);
  const text = String(of);
  useLayoutEffect(() => {
    const div = place.current!;
    const folds = () => [...div.querySelectorAll('details')];
    const open = folds().map(fold => fold.open);
    const focused = folds().findIndex(fold => fold.firstElementChild === document.activeElement);
    div.innerHTML = text;
    folds().forEach((fold, k) => (fold.open = open[k] ?? false));
    folds()[focused]?.querySelector('summary')?.focus();
  }, [text]);
  return <div ref={place} class={name} />;
}
