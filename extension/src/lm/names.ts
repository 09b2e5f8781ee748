/*
 * What the manifest contributes to VS Code's own chat, by name. A unit test keeps the two in line.
 */

export const chatToolNames = ['devlm_run_code', 'devlm_web_search', 'devlm_symbol_search'] as const;
export type ChatToolName = (typeof chatToolNames)[number];

/** Under which name the server's models are offered. */
export const modelVendor = 'devlm';

export const participantId = 'devlm.chat-participant';
