/** All that the panel has found out, as JSON in the form of bench/results. */
import { useState } from 'preact/hooks';
import { saveFile } from '../save.js';
import type { MachineReport } from './calls.js';
import type { Checked } from './check.js';
import type { Measured } from './measure.js';

interface Props {
  readonly report: MachineReport;
  readonly checked: Checked | undefined;
  readonly measured: Measured | undefined;
  readonly announce: (text: string) => void;
}

export function CopyButton({ report, checked, measured, announce }: Props) {
  const [text, setText] = useState('');
  const [outcome, setOutcome] = useState('');
  const json = () => `${JSON.stringify(recordOf(report, checked, measured), undefined, 1)}\n`;
  const copy = async () => {
    const copied = json();
    let said = 'Copied.';
    try {
      await navigator.clipboard.writeText(copied); // missing where the page is not secure, refused by some browsers
      setText('');
    } catch {
      said = 'This browser does not let the page copy: take the text from the field below, or save it.';
      setText(copied);
    }
    setOutcome(said);
    announce(said);
  };
  return (
    <>
      <div class="row">
        <button type="button" onClick={() => void copy()}>
          Copy all as JSON
        </button>
        <button type="button" onClick={() => saveFile('machine.json', json())}>
          Save it
        </button>
        {outcome && <span>{outcome}</span>}
      </div>
      {text && <textarea ref={selected} aria-label="All as JSON" readOnly rows={12} value={text} />}
      <p class="note">
        <code>npx mgsd-lite info machine.json</code> shows such a file.
      </p>
    </>
  );
}

const selected = (field: HTMLTextAreaElement | null) => field?.select();

/** As `writeResult` of bench/harness.ts has it; what was not checked or measured is left out. */
function recordOf({ offers, device }: MachineReport, checked: Checked | undefined, measured: Measured | undefined) {
  return {
    date: new Date().toISOString(),
    command: location.href,
    browser: navigator.userAgent,
    platform: 'browser',
    device: measured?.device ?? checked?.device ?? device,
    results: {
      offers,
      ...(checked && { kernels: { ...checked, device: undefined } }),
      ...(measured && { figures: measured.figures }),
    },
  };
}
