import './zod-setup.ts';
import '@vscode/codicons/dist/codicon.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/transcript.css';
import './styles/answer.css';
import './styles/markdown.css';
import './styles/run.css';
import './styles/tests.css';
import './styles/tools.css';
import './styles/ask.css';
import './styles/composer.css';
import './styles/history.css';
import './styles/usage.css';
import { effect } from '@preact/signals';
import { render } from 'preact';
import { App } from './parts/app.tsx';
import { screen } from './state/app.ts';
import { connect } from './state/host.ts';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no element with the id "root".');
// The skeleton stays until there is something to show. It is then removed, because it would push the page down.
const skeleton = root.firstElementChild;
effect(() => {
  if (screen.value !== 'loading') skeleton?.remove();
});
render(<App />, root);
connect();
