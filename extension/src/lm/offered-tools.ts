import type { EditorAnswerOf, EditorTool } from '@devlm/protocol/editor.ts';
import { ImageMediaType } from '@devlm/protocol/ids.ts';
import { limits } from '@devlm/protocol/limits.ts';
import { ProblemError } from '@devlm/protocol/problem.ts';
import * as vscode from 'vscode';
import * as z from 'zod';

/**
 * Setting with the tools of other extensions that the agent may use, below `devlm`. Only the user's own value counts.
 */
export const offerSetting = 'tools.offer';

/** DevLM's own tools, which exist for VS Code's own chat: the agent has them anyway. */
const ownTools = /^devlm_/;
const maxPatterns = 200;
const Patterns = z.array(z.string().min(1).max(200)).max(maxPatterns);

/** Shapes of result parts. Different editor versions have different classes. */
const TextPart = z.object({ value: z.string() });
const DataPart = z.object({ mimeType: z.string(), data: z.instanceof(Uint8Array) });

/** Returns the tools of other extensions that the user has chosen to offer. */
export function offeredTools(): EditorTool[] {
  const patterns = Patterns.safeParse(
    vscode.workspace.getConfiguration('devlm').inspect<unknown>(offerSetting)?.globalValue ?? [],
  );
  const chosen = (patterns.data ?? []).map(wildcard);
  return vscode.lm.tools
    .filter(({ name }) => !ownTools.test(name) && name.length <= 200 && chosen.some((pattern) => pattern.test(name)))
    .slice(0, limits.sharedTools)
    .map(({ name, description, inputSchema }) => ({
      name,
      description: description.slice(0, 4000),
      inputSchema: inputSchema === undefined ? null : JSON.parse(JSON.stringify(inputSchema)),
    }));
}

/** Calls an offered tool. VS Code asks the user if the tool requires it. */
export async function callOffered(
  { name, input }: { readonly name: string; readonly input: object },
  signal: AbortSignal,
): Promise<EditorAnswerOf<'tool.call'>> {
  // The setting may have changed since the tool was offered.
  if (!offeredTools().some((tool) => tool.name === name)) throw refused(`The tool ${name} is no longer available.`);
  const cancellation = new vscode.CancellationTokenSource();
  const stop = () => cancellation.cancel();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: undefined }, cancellation.token);
    return resultOf(content);
  } catch (error) {
    signal.throwIfAborted();
    throw refused(`The tool ${name} failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    signal.removeEventListener('abort', stop);
    cancellation.dispose();
  }
}

function resultOf(content: readonly unknown[]): EditorAnswerOf<'tool.call'> {
  const texts: string[] = [];
  const images: EditorAnswerOf<'tool.call'>['images'] = [];
  for (const part of content.slice(0, 200)) {
    const text = TextPart.safeParse(part).data;
    const data = DataPart.safeParse(part).data;
    const mediaType = ImageMediaType.safeParse(data?.mimeType).data;
    if (text) texts.push(text.value);
    else if (data && mediaType && data.data.length <= limits.imageBytes && images.length < limits.resultImages)
      images.push({ mediaType, data: Buffer.from(data.data).toString('base64') });
    else if (data && /^text\/|json$/.test(data.mimeType)) texts.push(new TextDecoder().decode(data.data));
    else texts.push('(This part cannot be shown.)');
  }
  return { text: texts.join('\n').slice(0, 2 * limits.toolResultChars), images };
}

function refused(detail: string): ProblemError {
  return new ProblemError({
    code: 'tool_failed',
    status: 502,
    title: 'A tool of another extension failed',
    detail: detail.slice(0, 4000),
  });
}

function wildcard(pattern: string): RegExp {
  const parts = pattern.split('*').map((text) => text.replaceAll(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i');
}
