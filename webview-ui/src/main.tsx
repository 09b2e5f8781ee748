import './zod-setup.ts';
import '@vscode/codicons/dist/codicon.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/transcript.css';
import './styles/answer.css';
import './styles/markdown.css';
import './styles/composer.css';
import './styles/history.css';
import { render } from 'preact';
import { App } from './parts/app.tsx';
import { connect } from './state/host.ts';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no element with the id "root".');
render(<App />, root);
connect();
