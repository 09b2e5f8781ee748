import type { Language } from '@devlm/protocol/execution.ts';
import { statusWords } from '@devlm/protocol/run-words.ts';
import { render } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { t } from '../l10n.ts';
import type { CodeBlock } from '../markdown/code-block.ts';
import { sendText } from '../state/actions.ts';
import { attempt } from '../state/app.ts';
import type { Output, Piece } from '../state/run-output.ts';
import { fixMessage, gapWords, isMendable, receiptDetails, runFacts } from '../state/run-words.ts';
import {
  canRun,
  isRunOpen,
  type Run,
  type RunPlace,
  run,
  runAgain,
  runPlace,
  setStdin,
  stdinChars,
  stopRun,
  wholeOutput,
} from '../state/runs.ts';
import { transport } from '../transport.ts';
import { Icon, IconButton } from './icon.tsx';
import { memo } from './memo.ts';
import { useCopied } from './use-copied.ts';

/**
 * Adds the Run and Input buttons to a code block, and the run below it. Returns a function that removes them;
 * `state/runs.ts` keeps the run.
 */
export function mountRun(block: CodeBlock, turnId: string, part: string): (() => void) | undefined {
  const place = runPlace(turnId, part);
  const { language } = block;
  if (!place || !language) return undefined;
  const buttons = document.createElement('span');
  buttons.className = 'run-buttons';
  block.title.after(buttons);
  const slot = document.createElement('div');
  block.frame.append(slot);
  const program = { place, language, name: block.label, code: block.code };
  render(<RunButtons {...program} />, buttons);
  render(<RunPanel {...program} />, slot);
  return () => {
    render(null, buttons);
    render(null, slot);
  };
}

interface Program {
  place: RunPlace;
  language: Language;
  /** Display name of the language. */
  name: string;
  code(): string;
}

function RunButtons({ place, language, name, code }: Program) {
  if (!canRun(language)) return null;
  const open = isRunOpen(place.run.value);
  return (
    <>
      <IconButton
        icon="play"
        label={t('Run {0}', name)}
        aria-disabled={open}
        onClick={() => run(place, language, code())}
      />
      <IconButton
        icon="keyboard"
        label={t('Input for the Program')}
        aria-expanded={place.stdinShown.value}
        onClick={() => {
          place.stdinShown.value = !place.stdinShown.value;
        }}
      />
    </>
  );
}

function RunPanel(program: Program) {
  const { place } = program;
  const current = place.run.value;
  return (
    <>
      {place.stdinShown.value && <Stdin place={place} />}
      {current && <Receipt current={current} place={place} program={program} />}
    </>
  );
}

/** The field for the standard input of the program. */
function Stdin({ place }: { place: RunPlace }) {
  const id = useId();
  const box = useRef<HTMLTextAreaElement>(null);
  // Focus only if its button opened it, not if the block has come back into the page.
  const opened = useRef(document.activeElement?.getAttribute('aria-expanded') !== null);
  useEffect(() => {
    if (opened.current) box.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div class="run-input">
      <label for={id}>{t('Input')}</label>
      <textarea
        id={id}
        ref={box}
        class="field run-stdin"
        rows={2}
        maxLength={stdinChars}
        spellcheck={false}
        placeholder={t('Standard input of the program')}
        value={place.stdin.value}
        onInput={(event) => {
          setStdin(place, event.currentTarget.value);
        }}
      />
    </div>
  );
}

interface ReceiptProps {
  current: Run;
  place: RunPlace;
  /** The program, if it can be run again from here. */
  program?: Program;
}

/** A run, from its start to its result. */
export function Receipt({ current, place, program }: ReceiptProps) {
  const { record, problem, output, wait, engine } = current;
  const message = record?.message ?? problem?.detail;
  const isTruncated = record !== null && (record.truncated.stdout || record.truncated.stderr);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls, and not every run is a landmark
    <div class="run" role="group" aria-label={t('Run')}>
      <div class="run-head">
        <RunStatus current={current} />
        <RunTools current={current} place={place} program={program} />
      </div>
      {wait?.fraction != null && isRunOpen(current) && (
        <progress class="run-progress" aria-label={wait.message} max={1} value={wait.fraction} />
      )}
      {engine?.kind === 'embedded' && (
        <p class="run-note">
          <Icon name="info" />
          <span>
            {t('Embedded engine: Docker is not running.')}
            {!engine.networkCut && ` ${t('Network access was not blocked.')}`}
          </span>
        </p>
      )}
      {message && <p class="run-note run-message">{message}</p>}
      {output.chars > 0 && <OutputView output={output} live={isRunOpen(current)} />}
      {record && output.chars === 0 && record.status === 'ok' && (
        <p class="run-note">{t('The program printed nothing.')}</p>
      )}
      {isTruncated && (
        <p class="run-note">{t('Some output is not shown. "Copy Output" copies everything that was kept.')}</p>
      )}
      {record && record.artifacts.length > 0 && (
        <p class="run-note">{t('Files: {0}', record.artifacts.map(({ path }) => path).join(', '))}</p>
      )}
    </div>
  );
}

/** Shows the state of a run, or the end that the server recorded. */
export function RunStatus({ current }: { current: Run }) {
  const { record, state, wait, stopping } = current;
  if (record) {
    const ok = record.status === 'ok';
    const neutral = ok || record.status === 'cancelled';
    return (
      <div class="run-state" title={receiptDetails(record).join('\n')}>
        <span class={`run-status${neutral ? '' : ' run-failed'}`}>
          <Icon name={ok ? 'check' : neutral ? 'debug-stop' : 'error'} />
          {statusWords(record, t)}
        </span>
        {runFacts(record).map((fact) => (
          <span key={fact} class="run-fact">
            {fact}
          </span>
        ))}
      </div>
    );
  }
  if (state === 'ended') {
    return (
      <div class="run-state">
        <span class="run-status run-failed">
          <Icon name="error" />
          {t('Did not run')}
        </span>
      </div>
    );
  }
  const words = stopping ? t('Stopping') : state === 'running' ? t('Running') : (wait?.message ?? t('Starting'));
  return (
    <div class="run-state">
      <span class="run-status">
        <Icon name="loading" spin />
        {words}
      </span>
      {wait?.fraction != null && <span class="run-fact">{`${Math.round(wait.fraction * 100)} %`}</span>}
      <RunElapsed since={current.since} />
    </div>
  );
}

/** Shows the seconds since the program started. Hidden in the first second, so that short runs do not flicker. */
function RunElapsed({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.floor((now - since) / 1000);
  return seconds < 1 ? null : <span class="run-fact">{t('{0} s', seconds)}</span>;
}

function RunTools({ current, place, program }: ReceiptProps) {
  const { record, output } = current;
  const open = isRunOpen(current);
  const [copied, reportCopied] = useCopied();
  const copy = async () => {
    await transport.editor({ action: 'copy', text: await copyText(current, place) });
    reportCopied();
  };
  return (
    <div class="run-tools">
      {program && record && isMendable(record) && (
        <button
          type="button"
          class="button button-secondary button-small"
          onClick={() => sendText(fixMessage(program.name, program.code(), place.stdin.peek(), record, output))}
        >
          {t('Fix This')}
        </button>
      )}
      {output.chars > 0 && (
        <IconButton icon={copied ? 'check' : 'copy'} label={t('Copy Output')} onClick={() => void attempt(copy)} />
      )}
      {/* A single button, so that the focus is not lost when the program ends. */}
      {(open || program) && (
        <IconButton
          icon={open ? 'debug-stop' : 'debug-restart'}
          label={open ? t('Stop the Program') : t('Run Again')}
          aria-disabled={open && current.stopping}
          onClick={() => {
            if (open) stopRun(place);
            else if (program) void runAgain(place, program.language, program.code());
          }}
        />
      )}
    </div>
  );
}

/** Returns the whole output, from the server if the page does not have all of it. */
async function copyText({ output, record }: Run, place: RunPlace): Promise<string> {
  const isComplete = output.skipped === 0 && !(record?.truncated.stdout || record?.truncated.stderr);
  const chunks = isComplete || !record ? [...output.head, ...output.tail] : await wholeOutput(place);
  return chunks.map(({ text }) => text).join('');
}

/** Distance from the end within which the output follows new text, in pixels. */
const followDistancePx = 24;

function OutputView({ output, live }: { output: Output; live: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    if (box.current && follows.current && live) box.current.scrollTop = box.current.scrollHeight;
  }, [output, live]);
  const onScroll = () => {
    const element = box.current;
    if (element) follows.current = element.scrollHeight - element.clientHeight - element.scrollTop <= followDistancePx;
  };
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area has to be reachable by keyboard */}
      <pre class="run-output" ref={box} onScroll={onScroll} tabIndex={0} role="group" aria-label={t('Output')}>
        {output.head.map((piece) => (
          <OutputPiece key={piece.key} piece={piece} />
        ))}
        {output.skipped > 0 && <span class="run-gap">{`\n${gapWords(output.skipped)}\n`}</span>}
        {output.tail.map((piece) => (
          <OutputPiece key={piece.key} piece={piece} />
        ))}
      </pre>
    </>
  );
}

const OutputPiece = memo(({ piece }: { piece: Piece }) => (
  <span class={piece.stream === 'stderr' ? 'run-stderr' : undefined}>{piece.text}</span>
));
