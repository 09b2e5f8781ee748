import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../scripts/build.ts';
import { text, thinking } from '../support/claude/answer.ts';
import { any } from '../support/claude/scenario.ts';
import { startClaude } from '../support/claude/server.ts';
import { share } from '../support/deep.ts';
import { openVscode } from '../support/vscode/browser.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const answer = `The due date of a monthly task is wrong at the end of a month. In \`todo/recurrence.py\` the day is kept even where the next month has no such day:

\`\`\`python
def next_due(due: date, every: str) -> date:
    if every == "month":
        return due.replace(month=due.month % 12 + 1)
    return due + steps[every]
\`\`\`

Two things to check:

1. **31 January** raises \`ValueError\`, because there is no 31 February.
2. December keeps its *year*.

| from | expected | today |
| --- | --- | --- |
| 31 Jan | 28 Feb | error |
| 15 Dec | 15 Jan, next year | 15 Jan, same year |

> I have not run this: DevLM says "passed" only of what it ran.`;

/** Takes screenshots in each kind of theme, and checks accessibility. */
const themes = ['dark', 'light', 'high-contrast', 'high-contrast-light'] as const;
describe.for(share(themes, 4, 2))('the chat in the theme %s', { timeout: 120_000 }, (theme) => {
  it('the chat is shown beside the editor’s own chat without accessibility violations', async () => {
    await using claude = await startClaude();
    claude.on(any, { blocks: [thinking('The month is advanced but the day is kept.'), text(answer)] });
    await using vscode = await openVscode({
      workspace: join(root, 'samples/todo'),
      theme,
      viewport: { width: 1440, height: 900 },
      env: { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: claude.url },
    });
    await vscode.runCommand('DevLM: Open Chat');
    const frame = vscode.chatFrame();
    const message = frame.getByRole('textbox', { name: 'Message', exact: true });
    await message.waitFor();
    // Wide enough to read, beside the built-in chat.
    const box = await vscode.page.locator('.part.sidebar').boundingBox();
    if (box) {
      await vscode.page.mouse.move(box.x + box.width + 2, 400);
      await vscode.page.mouse.down();
      await vscode.page.mouse.move(box.x + 460, 400, { steps: 5 });
      await vscode.page.mouse.up();
      await vscode.page.mouse.move(720, 400);
    }
    const check = async (name: string) => {
      await vscode.page.waitForTimeout(400);
      await vscode.screenshot(`${name}-${theme}`);
      const body = await frame.locator('body').elementHandle();
      const inner = await body?.ownerFrame();
      await inner?.evaluate(axe);
      const violations = await inner?.evaluate<{ id: string; nodes: string[] }[]>(
        `axe.run(document.body, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((node) => node.html.slice(0, 160)) })))`,
      );
      expect(violations).toEqual([]);
    };
    await check('empty');
    await message.fill('Why is the due date of a monthly task wrong?');
    await message.press('Enter');
    await frame.locator('.answer').getByText('I have not run this').waitFor();
    await frame.locator('.usage').waitFor();
    await check('chat');
    await vscode.runCommand('DevLM: Show Chat History');
    await frame.locator('.row-open').first().waitFor();
    await check('history');
  });
});
