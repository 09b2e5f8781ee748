import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** Command that the error page may run. */
const reloadCommand = 'devlm.reloadChat';

/** Returns the HTML of the chat page: a skeleton in the editor's colors until its script runs. */
export function pageHtml(webview: vscode.Webview, extensionUri: vscode.Uri): string {
  const nonce = randomBytes(18).toString('base64url');
  const asset = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', name)).toString();
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource} 'nonce-${nonce}'`,
    `font-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data: blob:`,
    `base-uri 'none'`,
    `form-action 'none'`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="${escapeHtml(vscode.env.language)}">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DevLM</title>
<style nonce="${nonce}">${skeletonStyle}</style>
<link rel="stylesheet" href="${asset('page.css')}">
</head>
<body>
<div id="root"><div class="devlm-boot" role="status" aria-label="${escapeHtml(vscode.l10n.t('Loading the chat'))}">
<div class="bar"></div><div class="bar short"></div><div class="bar"></div>
</div></div>
<script nonce="${nonce}" type="module" src="${asset('page.js')}"></script>
</body>
</html>`;
}

/** Returns the HTML of the error page for a chat page that failed to load twice. It needs no script. */
export function brokenHtml(): string {
  const title = escapeHtml(vscode.l10n.t('The chat view did not load.'));
  const reload = escapeHtml(vscode.l10n.t('Reload the chat view'));
  const log = escapeHtml(vscode.l10n.t('Show the log'));
  return `<!DOCTYPE html>
<html lang="${escapeHtml(vscode.env.language)}">
<head><meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<title>DevLM</title></head>
<body><p role="alert">${title}</p>
<p><a href="command:${reloadCommand}">${reload}</a></p>
<p><a href="command:devlm.showLog">${log}</a></p>
</body></html>`;
}

const skeletonStyle = `
.devlm-boot { padding: 20px; display: grid; gap: 10px; }
.devlm-boot .bar { height: 12px; border-radius: 3px; background: var(--vscode-editorWidget-border, var(--vscode-foreground)); opacity: .25; }
.devlm-boot .short { width: 60%; }
@media (prefers-reduced-motion: no-preference) {
  .devlm-boot .bar { animation: devlm-boot 1.6s ease-in-out infinite alternate; }
  @keyframes devlm-boot { to { opacity: .12; } }
}`;

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
