/** The page's frame: its panels as tabs, the device that it computes on, and live messages for screen readers. */
import { render } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { DeviceReport } from './device.js';
import { startEngine } from './engine.js';
import type { Engine } from './engine.js';
import { machinePanel } from './machine/panel.js';
import type { Panel } from './panel.js';
import { planPanel } from './plan/panel.js';
import { messageOf } from './protocol.js';
import { StudentLine } from './student-line.js';
import { trainPanel } from './train/panel.js';

const panels: readonly Panel[] = [planPanel, trainPanel, machinePanel];

function chosenPanel(): Panel {
  return panels.find(({ id }) => `#${id}` === location.hash) ?? panels[0]!;
}

function Page({ engine }: { readonly engine: Engine }) {
  const [shown, setShown] = useState(chosenPanel);
  const [message, announce] = useState('');
  const [student, onStudent] = useState<string>();
  useEffect(() => {
    const follow = () => setShown(chosenPanel());
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return (
    <>
      <header>
        <h1>mgsd-lite</h1>
        <p>A small model that plans from pictures. It computes in this tab; nothing leaves it.</p>
        <DeviceLine engine={engine} />
        <StudentLine engine={engine} student={student} onStudent={onStudent} />
      </header>
      {panels.length > 1 && <Tabs shown={shown} />}
      <main>
        {panels.map(({ id, title, usesStudent, View }) => (
          <section key={id} id={`panel-${id}`} aria-label={title} hidden={id !== shown.id}>
            <View
              key={usesStudent && student}
              engine={engine}
              announce={announce}
              student={student}
              onStudent={onStudent}
            />
          </section>
        ))}
      </main>
      <p role="status" class="unseen">
        {message}
      </p>
    </>
  );
}

/** Links, so that a panel has an address, and the keyboard and the back button do what they always do. */
function Tabs({ shown }: { readonly shown: Panel }) {
  const links = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    // a button that shows another panel is hidden with its own, and the keyboard's place with it
    if (document.activeElement?.closest('[hidden]'))
      links.current?.querySelector<HTMLElement>('[aria-current]')?.focus();
  }, [shown]);
  return (
    <nav ref={links} aria-label="Panels">
      {panels.map(({ id, title }) => (
        <a key={id} href={`#${id}`} aria-current={id === shown.id ? 'page' : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

function DeviceLine({ engine }: { readonly engine: Engine }) {
  const [report, setReport] = useState<DeviceReport | string>();
  useEffect(() => {
    engine.device.then(setReport, (error: unknown) => setReport(messageOf(error)));
  }, [engine]);
  if (report === undefined) return <p class="note">Opening a device ...</p>;
  if (typeof report === 'string')
    return (
      <p class="bad" role="alert">
        This browser cannot run the model. {report}
      </p>
    );
  const { backend, threads, description, notes } = report;
  const names = { webgpu: 'the GPU (WebGPU)', wasm: 'WebAssembly', cpu: 'plain JavaScript' };
  return (
    <details class="device">
      <summary>
        Runs on {names[backend]}
        {backend === 'wasm' && `, ${threads} ${threads === 1 ? 'thread' : 'threads'}`}
        {notes.length > 0 && '; not everything is available'}
      </summary>
      {notes.map(note => (
        <p key={note}>{note}</p>
      ))}
      <p class="note">{description}</p>
      <p class="note">
        To compare: <a href="?device=webgpu">WebGPU</a>, <a href="?device=wasm">WebAssembly</a>,{' '}
        <a href="?device=wasm&threads=1">on one thread</a>, <a href="?device=cpu">plain JavaScript</a>, or{' '}
        <a href="?">the best that there is</a>.
      </p>
    </details>
  );
}

render(<Page engine={startEngine()} />, document.getElementById('page')!);
